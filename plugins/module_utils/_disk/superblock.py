# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the superblocks of ext2/3/4, XFS and btrfs: type, identity and size of a file system.

Sources: Documentation/filesystems/ext4/super.rst, the XFS Filesystem Structure document (superblocks), and
Btrfs' On-disk Format (superblock, dev_item).
"""

from __future__ import annotations

import struct
import uuid
from typing import NamedTuple, Optional

# How many bytes to read from the start of a device.
SUPERBLOCK_BYTES = 0x10000 + 4096

_EXT_AT = 1024
_EXT_64BIT = 0x80
_EXT_HAS_JOURNAL = 0x4
_EXT_JOURNAL_DEVICE = 0x8
_BTRFS_AT = 0x10000
_BTRFS_SEEDING = 1 << 32


class FileSystem(NamedTuple):
    """One file system.

    :ivar type: C(ext), C(xfs) or C(btrfs).
    :ivar size_bytes: from the first byte of the device to the end of what the file system uses.
    :ivar sector_bytes: the smallest unit that it reads or writes; no device below it may have larger sectors.
    :ivar elsewhere: which part lies on another device, in words; None if all of it lies on this one.
    """

    type: str
    uuid: str
    label: str
    size_bytes: int
    sector_bytes: int
    elsewhere: Optional[str] = None

    @property
    def single(self) -> bool:
        """Whether all of it lies on this device."""
        return self.elsewhere is None


def read_superblock(data: bytes) -> Optional[FileSystem]:
    """The file system at the start of a device, or None if it is not one of these.

    :param data: the first :data:`SUPERBLOCK_BYTES` of the device.
    """
    for reader in (_ext, _xfs, _btrfs):
        found = reader(data)
        if found is not None and found.size_bytes and found.sector_bytes:
            return found
    return None


def _ext(data: bytes) -> Optional[FileSystem]:
    block = data[_EXT_AT : _EXT_AT + 1024]
    if len(block) < 1024 or block[0x38:0x3A] != b"\x53\xef":
        return None
    low, exponent = struct.unpack_from("<I", block, 0x4)[0], struct.unpack_from("<I", block, 0x18)[0]
    incompatible = struct.unpack_from("<I", block, 0x60)[0]
    high = struct.unpack_from("<I", block, 0x150)[0] if incompatible & _EXT_64BIT else 0
    if exponent > 6:
        return None
    if incompatible & _EXT_JOURNAL_DEVICE:
        return None
    size = 1024 << exponent
    return FileSystem(
        "ext",
        _uuid(block[0x68:0x78]),
        _text(block[0x78:0x88]),
        (high << 32 | low) * size,
        size,
        _ext_elsewhere(block),
    )


def _ext_elsewhere(block: bytes) -> Optional[str]:
    compatible = struct.unpack_from("<I", block, 0x5C)[0]
    inode, device = struct.unpack_from("<II", block, 0xE0)
    journal = block[0xD0:0xE0]
    if compatible & _EXT_HAS_JOURNAL and (not inode or device or any(journal)):
        return f"its journal, on the device with the journal {_uuid(journal)}"
    return None


def _xfs(data: bytes) -> Optional[FileSystem]:
    if len(data) < 512 or data[:4] != b"XFSB":
        return None
    size, blocks = struct.unpack_from(">IQ", data, 4)
    realtime = struct.unpack_from(">Q", data, 16)[0]
    log_start, sector = struct.unpack_from(">Q", data, 48)[0], struct.unpack_from(">H", data, 102)[0]
    parts = ([] if log_start else ["its log"]) + (["its realtime section"] if realtime else [])
    elsewhere = f"{' and '.join(parts)}, on another device" if parts else None
    return FileSystem("xfs", _uuid(data[32:48]), _text(data[108:120]), size * blocks, sector, elsewhere)


def _btrfs(data: bytes) -> Optional[FileSystem]:
    block = data[_BTRFS_AT : _BTRFS_AT + 4096]
    if len(block) < 4096 or block[0x40:0x48] != b"_BHRfS_M":
        return None
    devices, sector = struct.unpack_from("<QI", block, 0x88)
    size = struct.unpack_from("<Q", block, 0xC9 + 8)[0]
    flags = struct.unpack_from("<Q", block, 0x38)[0]
    elsewhere = None
    if devices != 1:
        elsewhere = f"data on other devices as well, {devices} in all" if devices else "an unknown number of devices"
    elif flags & _BTRFS_SEEDING:
        elsewhere = "what other file systems take from it, as their seed"
    return FileSystem("btrfs", _uuid(block[0x20:0x30]), _text(block[0x12B:0x22B]), size, sector, elsewhere)


def _uuid(field: bytes) -> str:
    return str(uuid.UUID(bytes=field))


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
