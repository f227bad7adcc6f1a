# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module credential_files on real files."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.access import ACL, give, set_immutable
from tests.support.module_runner import Result, run_module

UID, GID = os.geteuid(), os.getegid()
ME = pwd.getpwuid(UID).pw_name
needs_root = pytest.mark.skipif(UID != 0, reason="giving files away needs root")


def declared(path: Path | str, /, **wanted: Any) -> dict[str, Any]:
    return {"path": str(path), "owner": str(UID), "group": str(GID), "mode": "0600", **wanted}


def run(*files: dict[str, Any], check: bool = False) -> Result:
    return run_module("credential_files", {"files": list(files)}, check=check)


def states(directory: Path) -> dict[str, tuple[int, ...]]:
    """Mode, owner, group and times of everything in a directory."""
    found: dict[str, tuple[int, ...]] = {}
    for path in [directory, *directory.rglob("*")]:
        seen = path.lstat()
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_mtime_ns, seen.st_ctime_ns)
    return found


@pytest.fixture(name="keys")
def _keys(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    keys.mkdir()
    for name, mode in (("a.key", 0o644), ("b.key", 0o600), ("c.pub", 0o644)):
        (keys / name).write_text("secret")
        (keys / name).chmod(mode)
    return keys


def test_check_do_check_do(keys: Path) -> None:
    files = [declared(keys / "*.key"), declared(keys / "missing")]
    before = states(keys)
    predicted = run(*files, check=True)
    assert predicted.changed
    assert states(keys) == before

    done = run(*files)
    assert done.changed
    assert {path.name: path.stat().st_mode & 0o7777 for path in keys.iterdir()} == {
        "a.key": 0o600,
        "b.key": 0o600,
        "c.pub": 0o644,
    }
    for name in ("files", "diff", "checked", "absent", "refused"):
        assert done.values[name] == predicted.values[name]

    after = states(keys)
    for check in (True, False):
        again = run(*files, check=check)
        assert not again.changed
        assert again.values["diff"] == []
    assert states(keys) == after


def test_what_is_returned(keys: Path) -> None:
    values = run(declared(keys / "*.key"), declared(keys / "missing"), check=True).values
    (file,) = values["files"]
    assert file["path"] == str(keys / "a.key")
    assert (file["before"]["owner"], file["before"]["mode"]) == (ME, "0644")
    assert (file["after"]["owner"], file["after"]["mode"]) == (ME, "0600")
    assert (values["checked"], values["absent"], values["refused"]) == (2, [str(keys / "missing")], [])
    (diff,) = values["diff"]
    assert f" 0644 {keys / 'a.key'}\n" in diff["before"]
    assert f" 0600 {keys / 'a.key'}\n" in diff["after"]
    assert "b.key" not in diff["before"]


def test_names_and_numbers_of_users_are_alike(keys: Path) -> None:
    assert run(declared(keys / "a.key", owner=ME)).changed
    assert not run(declared(keys / "a.key", owner=UID)).changed


def test_the_last_declaration_of_a_file_holds(keys: Path) -> None:
    files = [declared(keys / "*.key"), declared(keys / "a.key", mode="0640")]
    assert run(*files).changed
    assert (keys / "a.key").stat().st_mode & 0o7777 == 0o640
    assert not run(*files).changed


@needs_root
def test_owner_and_group(keys: Path) -> None:
    file = declared(keys / "a.key", owner="nobody", group="54321", mode="0640")
    assert run(file).changed
    seen = (keys / "a.key").stat()
    assert (seen.st_uid, seen.st_gid, seen.st_mode & 0o7777) == (pwd.getpwnam("nobody").pw_uid, 54321, 0o640)
    assert not run(file).changed


def test_a_link_is_refused_and_nothing_is_changed(keys: Path) -> None:
    (keys / "link").symlink_to(keys / "c.pub")
    os.link(keys / "b.key", keys / "second")
    before = states(keys)
    for check in (True, False):
        error = run(declared(keys / "a.key"), declared(keys / "link"), declared(keys / "second"), check=check).error
        assert "2 problems; nothing was changed" in error
        assert f"{keys / 'link'}: is a symbolic link. Name the file that it leads to ({keys / 'c.pub'})" in error
        assert f"{keys / 'second'}: has 2 names (hard links)" in error
    assert states(keys) == before


def test_a_link_that_a_pattern_matches_is_left_with_a_warning(keys: Path) -> None:
    (keys / "link.key").symlink_to(keys / "c.pub")
    result = run(declared(keys / "*.key"))
    assert result.changed
    assert result.values["refused"] == [
        f"{keys / 'link.key'}: is a symbolic link. Name the file that it leads to ({keys / 'c.pub'})."
    ]
    assert "is a symbolic link" in str(result.values["warnings"])
    assert (keys / "a.key").stat().st_mode & 0o7777 == 0o600
    assert (keys / "c.pub").stat().st_mode & 0o7777 == 0o644
    assert result.values["checked"] == 2


def test_a_link_that_a_required_pattern_matches_stops_everything(keys: Path) -> None:
    (keys / "link.key").symlink_to(keys / "c.pub")
    before = states(keys)
    assert "is a symbolic link" in run(declared(keys / "*.key", required=True)).error
    assert states(keys) == before


def test_a_directory_that_others_may_write_to_is_refused(keys: Path) -> None:
    keys.chmod(0o777)
    before = states(keys)
    error = run(declared(keys / "a.key")).error
    assert f"{keys}: the directory has mode 0777" in error
    assert f"chmod go-w {keys}" in error
    assert states(keys) == before


@pytest.mark.parametrize(
    ("name", "words"), [("no.key", "is required, but does not exist"), ("*.none", "is required, but matches no file")]
)
def test_a_required_file_that_is_missing_stops_everything(keys: Path, name: str, words: str) -> None:
    before = states(keys)
    error = run(declared(keys / "a.key"), declared(keys / name, required=True)).error
    assert f"{keys / name}: {words}" in error
    assert states(keys) == before


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"owner": "nobody-of-that-name"}, "the user 'nobody-of-that-name' does not exist on this device"),
        ({"group": "nogroup-of-that-name"}, "the group 'nogroup-of-that-name' does not exist on this device"),
        ({"owner": "4294967295"}, "the user '4294967295' does not exist"),
        ({"owner": "-1"}, "the user '-1' does not exist"),
        ({"mode": 600}, 'its mode is 600, not a string. Quote the mode in YAML: mode: "0600"'),
        ({"mode": 0o644}, "its mode is 420, not a string"),
        ({"mode": "600"}, "its mode '600' is not a 0 and three octal digits"),
        ({"mode": "04755"}, "is not a 0 and three octal digits"),
        ({"mode": "0680"}, "is not a 0 and three octal digits"),
        ({"mode": "u=rw"}, "is not a 0 and three octal digits"),
        ({"mode": "0600\n"}, "is not a 0 and three octal digits"),
        ({"mode": None}, "mode"),
        ({"path": "key"}, "key: is not an absolute path"),
        ({"path": "/etc/\0shadow"}, "is not an absolute path"),
        ({"path": "/etc/../etc/shadow"}, "is not the plain absolute path of a file"),
        ({"required": "perhaps"}, "required"),
        ({"owners": "root"}, "owners"),
    ],
)
def test_wrong_declarations_change_nothing(keys: Path, wanted: dict[str, Any], words: str) -> None:
    before = states(keys)
    assert words in run(declared(keys / "a.key"), declared(keys / "b.key", **wanted)).error
    assert states(keys) == before


def test_an_access_control_list_is_seen_and_removed(keys: Path) -> None:
    """One that lets a further user in, below a mode that is as declared."""
    path = keys / "b.key"
    give(path, user=54321, permissions=4)
    path.chmod(0o640)
    assert os.getxattr(path, ACL)
    file = declared(path, mode="0640")
    before = states(keys)
    predicted = run(file, check=True)
    assert predicted.changed
    assert states(keys) == before
    done = run(file)
    assert done.values["files"] == predicted.values["files"]
    assert done.values["files"][0]["before"]["acl"] == ["user:54321:r--"]
    assert "(user:54321:r--)" in done.values["diff"][0]["before"]
    assert ACL not in os.listxattr(path)
    assert path.stat().st_mode & 0o7777 == 0o640
    for check in (True, False):
        assert not run(file, check=check).changed


@needs_root
def test_an_access_control_list_comes_back_when_another_file_fails(keys: Path) -> None:
    from ansible_collections.edgesec.hardening.plugins.module_utils._credentials import permissions

    give(keys / "b.key", user=54321, permissions=4)
    kept = os.getxattr(keys / "b.key", ACL), (keys / "b.key").stat().st_mode
    plan = permissions.look(permissions.declare([{**declared(keys / "*.*"), "owner": "1234", "required": True}]))
    (keys / "c.pub").unlink()
    with pytest.raises(permissions.EdgesecError, match=r"c\.pub"):
        plan.apply()
    assert (os.getxattr(keys / "b.key", ACL), (keys / "b.key").stat().st_mode) == kept


@needs_root
def test_a_file_that_nobody_can_change_is_refused_and_named(keys: Path) -> None:
    if not set_immutable(keys / "a.key", True):
        pytest.skip("this file system has no flags")
    try:
        before = states(keys)
        for check in (True, False):
            error = run(declared(keys / "a.key"), check=check).error
            assert "has the flag immutable" in error
            assert f"chattr -i {keys / 'a.key'}" in error
        assert states(keys) == before
        assert not run(declared(keys / "a.key", mode="0644"), check=True).changed
    finally:
        set_immutable(keys / "a.key", False)


def test_users_of_programs_that_are_not_installed_are_not_asked_for(keys: Path) -> None:
    absent = declared(keys / "*.none", owner="nobody-of-that-name")
    result = run(absent, declared(keys / "a.key"))
    assert result.changed
    assert result.values["absent"] == [str(keys / "*.none")]


@needs_root
def test_files_changed_before_a_failure_are_put_back(keys: Path) -> None:
    from ansible_collections.edgesec.hardening.plugins.module_utils._base import files as _files
    from ansible_collections.edgesec.hardening.plugins.module_utils._credentials import permissions

    plan = permissions.look(permissions.declare([{**declared(keys / "?.*"), "owner": "nobody", "required": True}]))
    before = {path: value[:3] for path, value in states(keys).items()}
    real, calls = os.fchown, []

    def fail_third(*arguments: int) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise OSError(30, "Read-only file system")
        real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_files.os, "fchown", fail_third)
        with pytest.raises(permissions.EdgesecError, match="cannot be changed: Read-only file system"):
            plan.apply()
    assert {path: value[:3] for path, value in states(keys).items()} == before


def test_thousands_of_files_take_one_quick_call(tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / f"{number}.key").touch(mode=0o644)
    start = time.monotonic()
    result = run(declared(tmp_path / "*.key"))
    assert len(result.values["files"]) == 5000
    # An emulated device is slow, a quadratic walk is far slower.
    assert time.monotonic() - start < 30
