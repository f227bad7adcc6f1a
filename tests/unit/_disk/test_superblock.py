# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Superblocks, laid out by the formats' documents, and bytes that only look like them."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.superblock import (
    SUPERBLOCK_BYTES,
    FileSystem,
    read_superblock,
)

ID = uuid.UUID("1e34b170-f4d2-4749-889a-3be76f2c6606")
OTHER = uuid.UUID("2e34b170-f4d2-4749-889a-3be76f2c6606")


def device(at: int, fields: dict[int, bytes]) -> bytes:
    data = bytearray(SUPERBLOCK_BYTES)
    for offset, value in fields.items():
        data[at + offset : at + offset + len(value)] = value
    return bytes(data)


def ext(*, blocks: int, exponent: int, wide: bool = False, journal: bytes = b"") -> bytes:
    return device(
        1024,
        {
            0x4: struct.pack("<I", blocks & 0xFFFFFFFF),
            0x18: struct.pack("<I", exponent),
            0x38: b"\x53\xef",
            0x5C: struct.pack("<I", 0x4 if journal else 0),
            0x60: struct.pack("<I", 0x80 if wide else 0),
            0xD0: journal,
            0x68: ID.bytes,
            0x78: b"data",
            0x150: struct.pack("<I", blocks >> 32),
        },
    )


def xfs(*, block: int, blocks: int, sector: int, log: int = 1, realtime: int = 0) -> bytes:
    return device(
        0,
        {
            0: b"XFSB" + struct.pack(">IQQ", block, blocks, realtime),
            32: ID.bytes,
            48: struct.pack(">Q", log),
            102: struct.pack(">H", sector),
            108: b"data",
        },
    )


def btrfs(*, size: int, devices: int = 1, flags: int = 0) -> bytes:
    return device(
        0x10000,
        {
            0x20: ID.bytes,
            0x38: struct.pack("<Q", flags),
            0x40: b"_BHRfS_M",
            0x88: struct.pack("<QI", devices, 4096),
            0xC9 + 8: struct.pack("<Q", size),
            0x12B: b"data",
        },
    )


JOURNAL_DEVICE = device(1024, {0x4: b"\x09", 0x38: b"\x53\xef", 0x60: b"\x08"})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ext(blocks=360_448, exponent=0), FileSystem("ext", str(ID), "data", 360_448 * 1024, 1024)),
        (ext(blocks=1 << 33, exponent=2, wide=True), FileSystem("ext", str(ID), "data", 1 << 45, 4096)),
        (ext(blocks=(1 << 33) + 5, exponent=2), FileSystem("ext", str(ID), "data", 5 * 4096, 4096)),
        (xfs(block=4096, blocks=99, sector=512), FileSystem("xfs", str(ID), "data", 99 * 4096, 512)),
        (
            xfs(block=4096, blocks=99, sector=512, log=0),
            FileSystem("xfs", str(ID), "data", 99 * 4096, 512, "its log, on another device"),
        ),
        (
            xfs(block=4096, blocks=99, sector=512, log=0, realtime=9),
            FileSystem("xfs", str(ID), "data", 99 * 4096, 512, "its log and its realtime section, on another device"),
        ),
        (btrfs(size=1 << 30), FileSystem("btrfs", str(ID), "data", 1 << 30, 4096)),
        (
            btrfs(size=1 << 30, devices=3),
            FileSystem("btrfs", str(ID), "data", 1 << 30, 4096, "data on other devices as well, 3 in all"),
        ),
        (
            btrfs(size=1 << 30, flags=1 << 32),
            FileSystem("btrfs", str(ID), "data", 1 << 30, 4096, "what other file systems take from it, as their seed"),
        ),
        (
            ext(blocks=9, exponent=2, journal=OTHER.bytes),
            FileSystem("ext", str(ID), "data", 9 * 4096, 4096, f"its journal, on the device with the journal {OTHER}"),
        ),
    ],
    ids=[
        "ext",
        "ext of 64 bits",
        "ext without 64 bits",
        "xfs",
        "xfs with a log elsewhere",
        "xfs with a realtime section",
        "btrfs",
        "btrfs on three",
        "btrfs that is a seed",
        "ext with a journal elsewhere",
    ],
)
def test_what_is_read(data: bytes, expected: FileSystem) -> None:
    assert read_superblock(data) == expected


@pytest.mark.parametrize(
    "data", [b"", bytes(SUPERBLOCK_BYTES), JOURNAL_DEVICE, ext(blocks=7, exponent=7), ext(blocks=0, exponent=2)]
)
def test_what_is_none(data: bytes) -> None:
    assert read_superblock(data) is None


@given(st.binary(max_size=2048), st.integers(0, SUPERBLOCK_BYTES), st.sampled_from([ext, xfs, btrfs]))
def test_hostile_bytes_are_read_or_passed_over(noise: bytes, at: int, kind: Callable[..., bytes]) -> None:
    good = {ext: ext(blocks=9, exponent=2), xfs: xfs(block=4096, blocks=9, sector=512), btrfs: btrfs(size=9)}[kind]
    data = (good[:at] + noise + good[at + len(noise) :])[:SUPERBLOCK_BYTES]
    found = read_superblock(data)
    assert found is None or (found.size_bytes > 0 and found.sector_bytes > 0)
    read_superblock(data[:at])
