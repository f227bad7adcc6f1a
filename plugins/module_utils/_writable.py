# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Writing to a file system that is mounted read-only: writable for that moment, and read-only again after it."""

from __future__ import annotations

import os

from ._cli import run
from ._errors import EdgesecError, Refused
from ._files import write_atomic
from ._mountinfo import Mount
from ._storage import read_mounts

# A remount that does not name a flag takes it away.
_FLAGS = ("nosuid", "nodev", "noexec", "nosymfollow", "noatime", "nodiratime")
_FAT = ("vfat", "msdos", "exfat")


def put(path: str, data: bytes, mode: int) -> None:
    """Write a file whole, on a file system that may be mounted read-only; that of C(/) must be writable.

    :param mode: not on FAT, where the mount says who may read what.
    :raises EdgesecError: it cannot be made writable, written, or made read-only again.
    """
    path = os.path.realpath(path)
    mount = _mount_of(path)
    read_only = "ro" in mount.effective_options
    if read_only and mount.mount_point == "/":
        raise Refused(path, "lies on a root file system that is mounted read-only", "Change it in the image")
    if read_only:
        _remount(mount, "rw")
    try:
        _write(path, data, _mode_on(mount, mode))
    finally:
        if read_only:
            _remount(mount, "ro")


def _write(path: str, data: bytes, mode: int) -> None:
    try:
        write_atomic(path, data, mode, os.geteuid(), os.getegid())
    except OSError as error:
        raise EdgesecError(
            path, f"cannot be written: {error.strerror}", "See that its file system has room and is writable"
        ) from None


def _mount_of(path: str) -> Mount:
    around = [each for each in read_mounts("/") if os.path.commonpath([each.mount_point, path]) == each.mount_point]
    return max(reversed(around), key=lambda each: len(each.mount_point))


def _mode_on(mount: Mount, mode: int) -> int:
    if mount.fstype not in _FAT:
        return mode
    # FAT refuses any other mode than the one that its mount gives to all files.
    masks = [each for each in mount.super_options if each.startswith("fmask=")]
    return 0o777 & ~int(masks[-1][len("fmask=") :], 8) if masks else mode


def _remount(mount: Mount, how: str) -> None:
    # Where the file system itself is writable, only the mount is read-only.
    bind = [] if "ro" in mount.super_options else ["bind"]
    flags = [flag for flag in mount.options if flag in _FLAGS]
    run(["mount", "-o", ",".join(["remount", *bind, how, *flags]), mount.mount_point])
