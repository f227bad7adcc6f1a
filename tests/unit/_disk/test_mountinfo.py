# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mounts as the kernel lists them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.mountinfo import (
    Mount,
    decode_octal,
    mount_around,
    mounted_at,
    parse_mountinfo,
    same_path,
)

ROOT = "29 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,errors=remount-ro\n"
ESP = "95 29 8:1 / /boot/efi rw,relatime shared:51 - vfat /dev/sda1 rw,fmask=0077,dmask=0077\n"
AUTOMOUNT = "40 29 0:36 / /boot/efi rw,relatime shared:2 - autofs systemd-1 rw,fd=55,timeout=120,direct\n"


def test_every_field() -> None:
    assert parse_mountinfo(ESP) == [
        Mount(
            95, 29, "8:1", "/", "/boot/efi", ("rw", "relatime"), "vfat", "/dev/sda1", ("rw", "fmask=0077", "dmask=0077")
        )
    ]


@pytest.mark.parametrize("optional", ["", "shared:1 ", "shared:1 master:2 unbindable "])
def test_any_number_of_optional_fields(optional: str) -> None:
    (mount,) = parse_mountinfo(f"29 1 8:2 / / rw {optional}- ext4 /dev/sda2 rw")
    assert (mount.fstype, mount.source) == ("ext4", "/dev/sda2")


def test_escapes_are_undone_in_path_and_source() -> None:
    (mount,) = parse_mountinfo(r"29 1 8:2 /a\040b /c\011d\134e rw - vfat /dev/disk/by-label/x\040y rw")
    assert (mount.root, mount.mount_point, mount.source) == ("/a b", "/c\td\\e", "/dev/disk/by-label/x y")


def test_a_source_may_be_empty() -> None:
    assert parse_mountinfo("29 1 0:2 / /x rw - tmpfs  rw")[0].source == ""


@pytest.mark.parametrize(
    "line",
    ["x", "29 1 8:2 / / rw", "29 1 82 / / rw - ext4 s rw", "a 1 8:2 / / rw - ext4 s rw", "29 1 8:2 / / - ext4 s rw"],
)
def test_a_line_of_another_form_is_named(line: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        parse_mountinfo(ROOT + line + "\n")


def test_the_topmost_mount_counts() -> None:
    mounts = parse_mountinfo(ROOT + AUTOMOUNT + ESP)
    top = mounted_at(mounts, "/boot/efi/")
    assert top is not None
    assert top.fstype == "vfat"
    assert mounted_at(mounts, "/boot") is None


@pytest.mark.parametrize(
    ("options", "super_options", "expected"),
    [
        (("rw", "nosuid"), ("rw", "umask=0"), ("rw", "nosuid", "umask=0")),
        (("rw",), ("ro",), ("ro",)),
        (("ro", "nodev"), ("rw",), ("ro", "nodev")),
    ],
)
def test_read_only_as_soon_as_one_of_both_is(
    options: tuple[str, ...], super_options: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert Mount(1, 0, "8:1", "/", "/boot", options, "vfat", "x", super_options).effective_options == expected


@pytest.mark.parametrize(
    ("path", "device"),
    [("/", "8:1"), ("/etc/fstab", "8:1"), ("/data", "8:3"), ("/data/x", "8:3"), ("/database/x", "8:1")],
)
def test_a_path_lies_in_the_deepest_mount_and_in_the_topmost_of_those(path: str, device: str) -> None:
    places = (("8:1", "/"), ("8:2", "/data"), ("8:3", "/data"))
    lines = [f"{n} 1 {number} / {place} rw - ext4 /dev/x rw" for n, (number, place) in enumerate(places, 2)]
    mount = mount_around(parse_mountinfo("\n".join(lines)), path)
    assert mount is not None
    assert mount.device == device


def test_paths_are_compared_without_doubled_slashes() -> None:
    assert same_path("//boot//efi/", "/boot/efi")
    assert not same_path("none", "/none")


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [(r"a\040b", "a b"), (r"\134040", r"\040"), (r"\303\251", "é"), (r"\400", r"\400"), ("\\", "\\")],
)
def test_octal(escaped: str, plain: str) -> None:
    assert decode_octal(escaped) == plain


@given(st.binary())
def test_hostile_bytes_give_mounts_or_the_named_error(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse_mountinfo(data.decode("utf-8", "surrogateescape"))
