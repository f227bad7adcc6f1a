# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A unified kernel image: kernel, initrd and command line as sections behind systemd's EFI stub.

Sections are appended as the Unified Kernel Image specification names them (uapi-group.org), in the PE format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from .errors import LabError

# In the root file system.
STUB = "usr/lib/systemd/boot/efi/linuxx64.efi.stub"
_SECTION = struct.Struct("<8sIIIIIIHHI")
_INITIALISED, _READ = 0x40, 0x40000000


@dataclass
class _Section:
    name: bytes
    size: int
    address: int
    data: bytes
    flags: int


def build(stub: bytes, sections: dict[str, bytes]) -> bytes:
    """Return `stub` with `sections` (name to content) added.

    :raises LabError: the stub is not a PE image for 64 bits, or has one of the sections already.
    """
    pe = _header(stub)
    count, optional_size = struct.unpack_from("<H12xH", stub, pe + 6)
    table = pe + 24 + optional_size
    align, file_align = struct.unpack_from("<II", stub, pe + 24 + 32)

    present = []
    for index in range(count):
        name, size, address, raw_size, raw, *_relocations, flags = _SECTION.unpack_from(
            stub, table + index * _SECTION.size
        )
        present.append(_Section(name.rstrip(b"\0"), size, address, stub[raw : raw + raw_size], flags))
    taken = {section.name for section in present} & {name.encode() for name in sections}
    if taken:
        raise LabError("EFI stub", f"has a section {taken.pop().decode()} already")
    for name, data in sections.items():
        last = present[-1]
        address = _up(last.address + last.size, align)
        present.append(_Section(name.encode(), len(data), address, data, _INITIALISED | _READ))

    headers = _up(table + len(present) * _SECTION.size, file_align)
    if headers > min(section.address for section in present):
        raise LabError("EFI stub", "has no room for more section headers")
    image = bytearray(stub[:table].ljust(headers, b"\0"))
    offset = headers
    for index, section in enumerate(present):
        raw_size = _up(len(section.data), file_align)
        place = offset if raw_size else 0
        entry = (section.name, section.size, section.address, raw_size, place, 0, 0, 0, 0, section.flags)
        _SECTION.pack_into(image, table + index * _SECTION.size, *entry)
        offset += raw_size
    struct.pack_into("<H", image, pe + 6, len(present))
    last = present[-1]
    # SizeOfImage, SizeOfHeaders, CheckSum (unused by UEFI)
    struct.pack_into("<III", image, pe + 24 + 56, _up(last.address + last.size, align), headers, 0)
    return bytes(image) + b"".join(section.data.ljust(_up(len(section.data), file_align), b"\0") for section in present)


def _header(stub: bytes) -> int:
    """The offset of the PE header."""
    if len(stub) >= 64 and stub[:2] == b"MZ":
        (pe,) = struct.unpack_from("<I", stub, 60)
        if stub[pe : pe + 4] == b"PE\0\0" and stub[pe + 24 : pe + 26] == b"\x0b\x02":
            return int(pe)
    raise LabError("EFI stub", "is not a 64-bit PE image")


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
