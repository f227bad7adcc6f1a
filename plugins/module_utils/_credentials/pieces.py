# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read a file in overlapping pieces: large files need little memory, and no secret is cut in two."""

from __future__ import annotations

import os
from collections.abc import Iterator

# More than the largest recognised secret: 64 KiB, in base64.
_OVERLAP = 128 * 1024
_PIECE = 1024 * 1024


def pieces_of(descriptor: int, head: bytes) -> Iterator[bytes]:
    """Yield the pieces of a file from its first byte to its last.

    :param head: the bytes read so far. Most files end in the first piece.
    """
    piece = head + read_up_to(descriptor, _PIECE - len(head))
    while True:
        yield piece
        if len(piece) < _PIECE:
            return
        more = read_up_to(descriptor, _PIECE - _OVERLAP)
        if not more:
            return
        piece = piece[-_OVERLAP:] + more


def read_up_to(descriptor: int, size: int) -> bytes:
    """Read C(size) bytes, or fewer at the end of the file."""
    found = bytearray()
    while len(found) < size:
        more = os.read(descriptor, size - len(found))
        if not more:
            break
        found += more
    return bytes(found)
