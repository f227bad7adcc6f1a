# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Replace the start of a file system with a LUKS2 header, such that a power cut at any instant can be undone.

The start was copied to the end of the device before. While the header is written, a marker in the first bytes of the
device says so; the header's first copy replaces the marker last. After an interruption, a valid header copy can be
used, since its keyslots are written before it; without one, the start is put back.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .._base.errors import EdgesecError, Malformed
from .._disk.relocation_note import RELOCATION_MAGIC, is_interrupted
from .header import HEADER_BYTES, read_header

# One sector, which a disk writes as a whole or not at all.
_NOTE_BYTES = 512
# File systems have their superblocks here. Cleared, so that a half-replaced start is not taken for a file system.
_SUPERBLOCKS = 4096
_CHUNK = 1 << 20


def place_header(device: str, header: bytes, moved_at: int) -> None:
    """Replace the start of a device with a header.

    :param header: exactly as long as the start that was copied away.
    :param moved_at: the offset of that copy on the device, in bytes.
    :raises EdgesecError: the copy differs from the start; nothing was written.
    """
    header_size = read_header(header[:HEADER_BYTES]).size
    with _opened(device) as descriptor:
        os.fsync(descriptor)
        start, copy = (_digest(descriptor, at, len(header)) for at in (0, moved_at))
        if start != copy:
            raise EdgesecError(device, "the copy of its start differs from it", "Nothing was changed. Run again")
        note = json.dumps({"at": moved_at, "bytes": len(header), "sha256": copy}).encode()
        _write(descriptor, 0, (RELOCATION_MAGIC + note).ljust(_NOTE_BYTES, b"\0"))
        _write(descriptor, _NOTE_BYTES, bytes(_SUPERBLOCKS - _NOTE_BYTES))
        for begin, end in ((2 * header_size, len(header)), (header_size, 2 * header_size), (0, header_size)):
            _write(descriptor, begin, header[begin:end])


def put_back(device: str) -> bool:
    """Undo an interrupted relocation; return whether there was one.

    :raises Malformed: the marker, or the copy of the start, is damaged.
    """
    if not is_interrupted(device):
        return False
    with _opened(device) as descriptor:
        with suppress(Malformed):
            read_header(os.pread(descriptor, HEADER_BYTES, 0))
            return False
        at, size, digest = _note(device, os.pread(descriptor, _NOTE_BYTES, 0))
        if _digest(descriptor, at, size) != digest:
            raise Malformed(device, "the copy of its start, at its end, has changed since it was made")
        for begin, end in ((_SUPERBLOCKS, size), (_NOTE_BYTES, _SUPERBLOCKS), (0, _NOTE_BYTES)):
            _write(descriptor, begin, os.pread(descriptor, end - begin, at + begin))
    return True


def _note(device: str, data: bytes) -> tuple[int, int, str]:
    try:
        note = json.loads(data[len(RELOCATION_MAGIC) :].rstrip(b"\0"))
        return int(note["at"]), int(note["bytes"]), str(note["sha256"])
    except (ValueError, KeyError, TypeError):
        raise Malformed(device, "the marker that says where its start was copied to is damaged") from None


@contextmanager
def _opened(device: str) -> Iterator[int]:
    # O_EXCL fails on a block device that is mounted or mapped, and has no effect on a regular file.
    descriptor = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _digest(descriptor: int, at: int, size: int) -> str:
    total = hashlib.sha256()
    for begin in range(0, size, _CHUNK):
        total.update(os.pread(descriptor, min(_CHUNK, size - begin), at + begin))
    return total.hexdigest()


def _write(descriptor: int, at: int, data: bytes) -> None:
    """Write and flush to the disk."""
    while data:
        written = os.pwrite(descriptor, data, at)
        at, data = at + written, data[written:]
    os.fsync(descriptor)
