# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Shrink a file system to make room on its device, such that a power cut at any instant can be undone."""

from __future__ import annotations

import os
from typing import Optional

from .._base.errors import Refused, ToolFailed
from .._base.files import sync_directory
from .._base.places import UNDO_DIRECTORY
from .._base.tools import run
from .relocation_note import is_interrupted
from .superblock import SUPERBLOCK_BYTES, FileSystem, read_superblock

_HOURS = 24 * 3600.0
_E2FSCK_CORRECTED = 1
_UNDO_ROOM = 64 << 20
# struct undo_header in lib/ext2fs/undo_io.c of e2fsprogs.
_UNDO_MAGIC = b"E2UNDO02"
_UNDO_BLOCK_SIZE = slice(32, 36)


def file_system_of(device: str) -> Optional[FileSystem]:
    """The file system on a device, if its type can be encrypted in place; otherwise None."""
    with open(device, "rb") as file:
        return read_superblock(file.read(SUPERBLOCK_BYTES))


def require_shrinkable(device: str, found: FileSystem, size: int) -> None:
    """Refuse a file system that cannot shrink to a size.

    :param size: in bytes.
    :raises Refused: it cannot.
    """
    if not found.single:
        raise Refused(
            device,
            f"a part of its {found.type} file system lies elsewhere: {found.elsewhere}",
            "It cannot be encrypted in place, since that part would stay in clear. Copy the data to a new volume",
        )
    if found.type == "xfs" and found.size_bytes > size:
        raise Refused(
            device,
            "XFS cannot shrink, and there is no room for the header",
            f"Make the partition {found.size_bytes - size} bytes larger, or copy the data to a new volume",
        )


def shrink(name: str, device: str, found: FileSystem, size: int, mount_point: Optional[str]) -> None:
    """Shrink a file system to a size. ext must not be mounted, btrfs must be.

    :param name: name of the volume, for the undo file of ext.
    :param size: in bytes.
    :raises Refused: the file system has errors, or is too full.
    """
    require_shrinkable(device, found, size)
    if found.size_bytes <= size:
        return
    if found.type == "ext":
        _shrink_ext(name, device, size)
    elif found.type == "btrfs" and mount_point:
        _resize(device, ["btrfs", "filesystem", "resize", str(size), mount_point])
    after = file_system_of(device)
    if after is None or after.size_bytes > size:
        raise Refused(device, "its file system did not shrink", "Nothing was encrypted")


def undo_shrink(name: str, device: str) -> str:
    """Undo an interrupted shrink; return a note for the operator, usually empty.

    An undo file without a block size was closed before anything was overwritten; e2undo would refuse it.

    :raises Refused: the start of the device has not been put back yet; the undo file stays.
    """
    path = _undo_file(name)
    if not os.path.exists(path):
        return ""
    if is_interrupted(device):
        raise Refused(device, "its start has not been put back yet", f"Run again; {path} stays until then")
    note = ""
    if file_system_of(device) is not None:
        with open(path, "rb") as file:
            head = file.read(_UNDO_BLOCK_SIZE.stop).ljust(_UNDO_BLOCK_SIZE.stop, b"\0")
        if head.startswith(_UNDO_MAGIC) and any(head[_UNDO_BLOCK_SIZE]):
            run(["e2undo", "-f", path, device], timeout=_HOURS)
            with open(device, "rb") as file:
                os.fsync(file.fileno())
        elif os.path.getsize(path):
            note = f"{path} recorded nothing to put back, and was removed"
    forget_undo(name)
    return note


def forget_undo(name: str) -> None:
    """Delete the undo file: the file system stays shrunk."""
    if os.path.exists(_undo_file(name)):
        os.unlink(_undo_file(name))
        sync_directory(UNDO_DIRECTORY)


def _shrink_ext(name: str, device: str, size: int) -> None:
    _make_undo_directory()
    try:
        run(["e2fsck", "-f", "-p", device], ok=(0, _E2FSCK_CORRECTED), timeout=_HOURS)
    except ToolFailed as error:
        raise Refused(
            device, f"its file system has errors ({error.stderr or error.rc})", f"Repair it first: e2fsck -f {device}"
        ) from None
    _resize(device, ["resize2fs", "-z", _undo_file(name), device, f"{size >> 10}K"])


def _resize(device: str, argv: list[str]) -> None:
    try:
        run(argv, timeout=_HOURS)
    except ToolFailed as error:
        raise Refused(
            device,
            f"its file system cannot shrink ({error.stderr.splitlines()[-1] if error.stderr else error.rc})",
            "Free some space on it",
        ) from None


def _make_undo_directory() -> None:
    try:
        os.makedirs(UNDO_DIRECTORY, mode=0o700, exist_ok=True)
        free = os.statvfs(UNDO_DIRECTORY)
    except OSError as error:
        raise Refused(
            UNDO_DIRECTORY,
            f"cannot be created ({error.strerror}), and without it a power cut during the shrink could not be undone",
            "Mount the root file system writable for this run",
        ) from None
    if free.f_bavail * free.f_frsize < _UNDO_ROOM:
        raise Refused(
            UNDO_DIRECTORY, f"has less than {_UNDO_ROOM >> 20} MiB free for the undo file", "Free some space there"
        )
    # Synchronous writes: the old data is on the disk before it is overwritten (chattr(1)).
    run(["chattr", "+S", UNDO_DIRECTORY], ok=(0, 1))


def _undo_file(name: str) -> str:
    return os.path.join(UNDO_DIRECTORY, f"{name}.e2undo")
