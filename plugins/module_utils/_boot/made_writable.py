# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Write to a file system that is mounted read-only: make it writable for the write, then read-only again."""

from __future__ import annotations

import os

from .._base.errors import EdgesecError, Refused
from .._base.files import write_atomic
from .._disk.mountinfo import Mount, mount_around, read_mounts
from .._disk.remount import remount

_FAT = ("vfat", "msdos", "exfat")


def put(path: str, data: bytes, mode: int) -> None:
    """Write a whole file to a file system that may be mounted read-only; the root file system must be writable.

    :param mode: ignored on FAT, where the mount decides who may read files.
    :raises EdgesecError: the file system cannot be made writable or read-only again, or the file cannot be written.
    """
    path = os.path.realpath(path)
    mount = _mount_of(path)
    read_only = "ro" in mount.effective_options
    # The mount alone is read-only if the file system itself is writable.
    alone = "ro" not in mount.super_options
    if read_only and mount.mount_point == "/":
        raise Refused(path, "is on a root file system that is mounted read-only", "Change it in the image")
    if read_only:
        remount(mount, ["rw"], bind=alone)
    try:
        _write(path, data, _mode_on(mount, mode))
    finally:
        if read_only:
            remount(mount, ["ro"], bind=alone)


def _write(path: str, data: bytes, mode: int) -> None:
    try:
        write_atomic(path, data, mode, os.geteuid(), os.getegid())
    except OSError as error:
        raise EdgesecError(
            path, f"cannot be written: {error.strerror}", "Check that its file system has free space and is writable"
        ) from None


def _mount_of(path: str) -> Mount:
    mount = mount_around(read_mounts("/"), path)
    if mount is None:
        raise Refused(path, "is not on any file system that the kernel lists", "Check /proc/self/mountinfo")
    return mount


def _mode_on(mount: Mount, mode: int) -> int:
    if mount.fstype not in _FAT:
        return mode
    # FAT refuses every mode but the one that its mount gives to all files.
    masks = [each for each in mount.super_options if each.startswith("fmask=")]
    return 0o777 & ~int(masks[-1][len("fmask=") :], 8) if masks else mode
