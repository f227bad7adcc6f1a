# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Atomic writes, and permissions that no link can redirect."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base import files
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.files import (
    Permissions,
    apply_permissions,
    write_atomic,
)

UID, GID = os.geteuid(), os.getegid()
needs_root = pytest.mark.skipif(UID != 0, reason="giving files away needs root")


def state(path: Path) -> tuple[int, int, int, int]:
    seen = path.lstat()
    return seen.st_mode, seen.st_uid, seen.st_gid, seen.st_nlink


@pytest.fixture(name="key")
def _key(tmp_path: Path) -> Path:
    key = tmp_path / "key"
    key.write_bytes(b"secret")
    key.chmod(0o644)
    return key


def test_write_replaces_the_whole_file_with_its_permissions(tmp_path: Path) -> None:
    target = tmp_path / "fstab"
    target.write_text("old")
    write_atomic(str(target), b"new\xff", 0o640, UID, GID)
    assert target.read_bytes() == b"new\xff"
    assert state(target)[0] & 0o7777 == 0o640
    assert os.listdir(tmp_path) == ["fstab"]


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "fstab"
    target.write_text("old")

    def no_rename(*_names: str) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(files.os, "rename", no_rename)
    with pytest.raises(OSError, match="no space"):
        write_atomic(str(target), b"new", 0o640, UID, GID)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["fstab"]


def test_a_write_does_not_follow_a_link(tmp_path: Path, key: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(key)
    write_atomic(str(link), b"new", 0o600, UID, GID)
    assert key.read_bytes() == b"secret"
    assert not link.is_symlink()


def test_check_do_check_do(key: Path) -> None:
    for check, mode_after, changed in [
        (True, 0o644, True),
        (False, 0o600, True),
        (True, 0o600, False),
        (False, 0o600, False),
    ]:
        change = apply_permissions(str(key), UID, GID, 0o600, check=check)
        assert (change.changed, state(key)[0] & 0o7777) == (changed, mode_after)
    assert change.before == change.after == Permissions(UID, GID, 0o600)


@needs_root
def test_owner_and_setuid(key: Path) -> None:
    key.chmod(0o4755)
    apply_permissions(str(key), 12345, 54321, 0o640, check=False)
    assert state(key)[0] & 0o7777 == 0o640
    assert state(key)[1:3] == (12345, 54321)


@needs_root
@pytest.mark.parametrize("before", range(0, 0o1000, 0o011))
def test_permissions_are_never_wider_than_before_and_after(
    key: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    key.chmod(before)
    seen: list[int] = []
    real = os.fchown

    def watch(descriptor: int, uid: int, gid: int) -> None:
        seen.append(os.fstat(descriptor).st_mode & 0o7777)
        real(descriptor, uid, gid)

    monkeypatch.setattr(files.os, "fchown", watch)
    apply_permissions(str(key), 12345, 54321, 0o640, check=False)
    assert seen == [before & 0o640]


@pytest.mark.skipif(UID == 0, reason="root may give files away")
def test_a_file_that_cannot_be_given_away_keeps_its_mode(key: Path) -> None:
    with pytest.raises(PermissionError):
        apply_permissions(str(key), UID + 1, GID, 0o600, check=False)
    assert state(key)[0] & 0o7777 == 0o644


def make_symlink(path: Path, key: Path) -> None:
    path.symlink_to(key)


def make_hard_link(path: Path, key: Path) -> None:
    os.link(key, path)


def make_pipe(path: Path, _key: Path) -> None:
    os.mkfifo(path)


def make_directory(path: Path, _key: Path) -> None:
    path.mkdir()


def make_socket(path: Path, _key: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_symlink, "is a symbolic link"),
        (make_hard_link, "has 2 names"),
        (make_pipe, "is a pipe"),
        (make_directory, "is a directory"),
        (make_socket, "is a socket"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_no_plain_file_is_refused_and_left(
    tmp_path: Path, key: Path, make: Callable[[Path, Path], None], words: str, check: bool
) -> None:
    other = tmp_path / "other"
    make(other, key)
    before = state(other), state(key)
    with pytest.raises(Refused, match=words):
        apply_permissions(str(other), UID, GID, 0o600, check=check)
    assert (state(other), state(key)) == before


@needs_root
def test_a_device_is_refused() -> None:
    with pytest.raises(Refused, match="is a device"):
        apply_permissions("/dev/null", 0, 0, 0o600, check=True)


@pytest.mark.parametrize("path", ["key", "/tmp/../etc/shadow", "//etc/shadow", "/etc/./shadow", "/etc/shadow/", "/"])
def test_a_path_that_is_not_plain_is_refused(path: str) -> None:
    with pytest.raises(Refused, match="plain absolute path"):
        apply_permissions(path, UID, GID, 0o600, check=True)


@pytest.fixture(name="shared")
def _shared(tmp_path: Path) -> Iterator[Path]:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "key").write_text("secret")
    (shared / "key").chmod(0o644)
    yield shared
    shared.chmod(0o700)


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o775, True), (0o1777, False), (0o755, False)])
def test_a_directory_that_others_write_is_refused(shared: Path, mode: int, refused: bool) -> None:
    shared.chmod(mode)
    key = shared / "key"
    if refused:
        with pytest.raises(Refused, match="could put another file in place"):
            apply_permissions(str(key), UID, GID, 0o600, check=False)
        assert state(key)[0] & 0o7777 == 0o644
    else:
        assert apply_permissions(str(key), UID, GID, 0o600, check=False).changed


def test_a_link_on_the_way_is_refused_with_the_real_path(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "alias").symlink_to(shared)
    with pytest.raises(Refused, match=f"alias: is a symbolic link on the way.*below {shared}"):
        apply_permissions(str(tmp_path / "alias" / "key"), UID, GID, 0o600, check=False)
    assert state(shared / "key")[0] & 0o7777 == 0o644


@needs_root
def test_a_directory_of_another_user_is_refused_but_not_one_of_the_owner(shared: Path) -> None:
    os.chown(shared, 12345, 0)
    with pytest.raises(Refused, match="belongs to user id 12345"):
        apply_permissions(str(shared / "key"), 0, 0, 0o600, check=False)
    assert apply_permissions(str(shared / "key"), 12345, 0, 0o600, check=False).changed


@needs_root
def test_a_stranger_s_file_in_a_shared_directory_is_refused(shared: Path) -> None:
    shared.chmod(0o1777)
    os.chown(shared / "key", 12345, 0)
    with pytest.raises(Refused, match="everybody can create files"):
        apply_permissions(str(shared / "key"), 0, 0, 0o600, check=False)


def test_contents_are_never_read(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_read(*_arguments: object) -> bytes:
        raise AssertionError("read")

    monkeypatch.setattr(files.os, "read", no_read)
    apply_permissions(str(key), UID, GID, 0o600, check=False)
