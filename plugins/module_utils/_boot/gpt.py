# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of a GUID partition table: the attributes of its partitions.

Sources: UEFI 2.10 section 5.3 (header and entries); uapi-group.org, Discoverable Partitions Specification (bit 60:
mount the partition read-only).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .._base.errors import Malformed

READ_ONLY = 1 << 60
_HEADER = struct.Struct("<8s64xQII")
_ENTRY = 128
_MOST = 1024


class Header(NamedTuple):
    """Where a table's entries are: C(at) in bytes from the start of the disk, C(size) in bytes per entry."""

    at: int
    entries: int
    size: int

    @property
    def length(self) -> int:
        return self.entries * self.size


def header(block: bytes, block_size: int) -> Header:
    """Parse the header from the second block of a disk.

    :raises Malformed: the block is not the header of a GUID partition table.
    """
    if len(block) < _HEADER.size or block[:8] != b"EFI PART":
        raise Malformed("the partition table", "is not a GUID partition table")
    _magic, lba, count, size = _HEADER.unpack_from(block)
    if not 0 < count <= _MOST or size < _ENTRY or size > 4096 or lba < 2:
        raise Malformed("the partition table", f"has {count} entries of {size} bytes at block {lba}")
    return Header(lba * block_size, count, size)


def attributes(entries: bytes, size: int) -> dict[int, int]:
    """Attribute bits by partition number; unused entries are left out."""
    found = {}
    for number, at in enumerate(range(0, len(entries) - size + 1, size), 1):
        if any(entries[at : at + 16]):
            (found[number],) = struct.unpack_from("<Q", entries, at + 48)
    return found
