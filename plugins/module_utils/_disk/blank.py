# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Sample a device: does it read as erased or factory-new (all zeros, or the ones of erased flash)?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from .._base.files import read_at

# A small device is read whole. A larger one is sampled: its start, where nearly everything begins; its end, where RAID,
# GPT and others keep copies; a block at each round offset, where people place data by hand; and blocks spread in
# between. That is less than 8 MiB, however large the device. Data between two of these places is missed.
_WHOLE = 16 << 20
_START = 4 << 20
_END = 1 << 20
_BLOCKS = 512
_BLOCK = 4096
_MIB = 1 << 20
_PIECE = 1 << 20
_GIB = 1 << 30
# Each step between round offsets, and the offset up to which it is used.
_ROUND = ((16 << 20, _GIB), (_GIB, 64 * _GIB))
# On one device, discarded blocks may read as zeros and erased blocks as ones.
_ERASED = {0x00, 0xFF}
# 128 bits identify the contents and can still be typed.
DIGITS = 32


class Sample(NamedTuple):
    """What was read.

    :ivar erased: whether each piece that was read is all zeros (0x00) or all ones (0xFF).
    :ivar start_erased: whether that holds for the first MiB.
    :ivar digest: identifies the sampled contents; the same contents and size give the same digest.
    """

    erased: bool
    start_erased: bool
    digest: str


def sample(path: str, begin: int = 0) -> Sample:
    """Sample a device or file at places that depend only on its size.

    :param begin: the first byte of the sampled range.
    :raises OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END) - begin
        total = hashlib.sha256(f"{size}:".encode())
        start: set[int] = set()
        rest: set[int] = set()
        for at, length in places(size):
            piece = read_at(descriptor, begin + at, length)
            total.update(piece)
            (start if at + length <= _MIB else rest).update(_values(piece))
    finally:
        os.close(descriptor)
    return Sample(_is_erased(start | rest), _is_erased(start), f"sha256:{total.hexdigest()[:DIGITS]}")


def places(size: int) -> Iterator[tuple[int, int]]:
    """Offsets and lengths of the pieces to read from a device of this size, in bytes."""
    if size <= _WHOLE:
        yield from _pieces(0, size)
        return
    yield from _pieces(0, _START)
    between = size - _START - _END
    for number in range(_BLOCKS):
        at = _START + between * number // _BLOCKS
        if number % 2:
            jitter = hashlib.sha256(f"{size}:{number}".encode()).digest()
            at += int.from_bytes(jitter[:8], "big") % max(between // _BLOCKS, 1)
            yield at // _BLOCK * _BLOCK, _BLOCK
        else:
            # Partitions, and data inside them, begin at whole MiB.
            yield max(at // _MIB * _MIB, _START), _BLOCK
    yield from ((at, _BLOCK) for at in sorted(_round_places(size - _END)))
    yield from _pieces(size - _END, size)


def _round_places(end: int) -> set[int]:
    """Offsets below C(end) where people place data by hand: powers of two and multiples of each step."""
    steps = {at for step, most in _ROUND for at in range(step, min(most, end - 1) + 1, step)}
    return steps | {1 << bit for bit in range(_START.bit_length() - 1, (end - 1).bit_length())}


def _pieces(begin: int, end: int) -> Iterator[tuple[int, int]]:
    for at in range(begin, end, _PIECE):
        yield at, min(_PIECE, end - at)


def _values(piece: bytes) -> set[int]:
    """The byte of a uniform piece; more than one value for any other piece."""
    return {piece[0]} if piece.count(piece[:1]) == len(piece) else {*piece[:1], -1} if piece else set()


def _is_erased(values: set[int]) -> bool:
    return values <= _ERASED
