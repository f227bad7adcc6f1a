# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The unified kernel image, read back by a PE reader that is not ours."""

from __future__ import annotations

import struct

import pefile
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab import LabError, uki


def stub(header_room: int = 0x400) -> bytes:
    """A PE32+ image with one section of 16 bytes at the address 0x1000."""
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 1, 0, 16, 0, 0, 0x1000, 0x1000, 0, 0x1000, 0x200)
    optional += struct.pack(
        "<HHHHHHIIIIHHQQQQII", 0, 0, 0, 0, 1, 0, 0, 0x2000, header_room, 7, 10, 0, 0, 0, 0, 0, 0, 16
    )
    section = struct.pack("<8sIIIIIIHHI", b".text", 16, 0x1000, 0x200, header_room, 0, 0, 0, 0, 0x60000020)
    headers = dos + coff + optional.ljust(240, b"\0") + section
    return headers.ljust(header_room, b"\0") + b"\xc3" * 16 + bytes(0x200 - 16)


def read(image: bytes) -> dict[str, bytes]:
    sections = pefile.PE(data=image).sections
    return {s.Name.rstrip(b"\0").decode(): s.get_data()[: s.Misc_VirtualSize] for s in sections}


@settings(max_examples=50)
@given(kernel=st.binary(min_size=1, max_size=9000), initrd=st.binary(min_size=1, max_size=9000))
def test_every_section_is_read_back_as_it_was_given(kernel: bytes, initrd: bytes) -> None:
    found = read(uki.build(stub(), {".initrd": initrd, ".linux": kernel}))
    assert found == {".text": b"\xc3" * 16, ".initrd": initrd, ".linux": kernel}


def test_sections_do_not_overlap_and_fit_the_image() -> None:
    image = pefile.PE(data=uki.build(stub(), {".cmdline": b"x" * 5000, ".linux": b"y" * 5000}))
    end = image.OPTIONAL_HEADER.SizeOfHeaders
    for section in image.sections:
        assert section.VirtualAddress >= end
        assert section.VirtualAddress % 0x1000 == 0
        end = section.VirtualAddress + section.Misc_VirtualSize
    assert end <= image.OPTIONAL_HEADER.SizeOfImage


def test_headers_grow_where_the_stub_left_no_room() -> None:
    names = [f".s{number}" for number in range(20)]
    assert list(read(uki.build(stub(), dict.fromkeys(names, b"z")))) == [".text", *names]


def test_more_headers_than_fit_before_the_first_section_are_refused() -> None:
    with pytest.raises(LabError, match="no room"):
        uki.build(stub(), {f".s{number}": b"z" for number in range(100)})


def test_a_section_that_is_there_already_is_refused() -> None:
    with pytest.raises(LabError, match=r"\.text"):
        uki.build(stub(), {".text": b"z"})
