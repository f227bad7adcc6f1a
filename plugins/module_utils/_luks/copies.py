# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read both copies of a LUKS2 header with every byte accounted for, and write them from parsed values.

:mod:`_luks.header` reads any header well enough to describe it. Before a key is tried, more is needed: libcryptsetup
must not find a header that this code missed, nor read one differently. So wherever libcryptsetup looks for a header,
a LUKS magic must begin a copy that is exactly as libcryptsetup writes it, or the volume stays closed.

One exception: libcryptsetup updates the first copy, waits for the disk, and then updates the second. A power cut can
therefore leave one copy torn, or one update behind. A torn copy fails its SHA-256 and is ignored, here as in
libcryptsetup.
"""

from __future__ import annotations

import hashlib
import os
import struct
from typing import NamedTuple, Optional

from .._base.errors import Malformed
from .._base.files import read_at
from .header import LEGAL_HEADER_SIZES, MOST_HEADER_BYTES, Header
from .text import is_plain, parse, spelled

_MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
_BINARY_BYTES = 4096
# magic, version, hdr_size, seqid, label, checksum_alg, salt, uuid, subsystem, hdr_offset, padding, csum, padding
_BINARY = struct.Struct(">6sHQQ48s32s64s40s48sQ184s64s3584s")
# The only algorithm that libcryptsetup writes. Accepting others would allow a header that only one reader can verify.
_ALGORITHM = b"sha256"
_CHECKSUM = slice(448, 512)


class Copy(NamedTuple):
    """One copy of a header. It is C(torn) if it fails its checksum; then only its first sector is known."""

    header: Header
    torn: bool


def read_copies(descriptor: int) -> list[Header]:
    """Read the intact copies of the header on a device or file, newest first.

    :raises Malformed: libcryptsetup could read a copy differently, or the copies do not belong together.
    :raises OSError: it cannot be read.
    """
    places = [0] if read_at(descriptor, 0, 6) == _MAGICS[0] else []
    places += [place for place in LEGAL_HEADER_SIZES if read_at(descriptor, place, 6) == _MAGICS[1]]
    copies = [_read(descriptor, place) for place in places]
    whole = [copy.header for copy in copies if not copy.torn]
    if not whole:
        raise Malformed("the LUKS2 header", "has no intact copy")
    for copy in copies:
        _require_same_volume(copy, whole[0])
    if len({header.seqid for header in whole}) == 1 and any(header != whole[0] for header in whole):
        raise Malformed("the LUKS2 header", "has two copies with the same sequence number but different contents")
    return sorted(whole, key=lambda header: header.seqid, reverse=True)


def write_copies(path: str, header: Header, device: str, size: int) -> None:
    """Write a header to a new file that only root can read: both copies, the keyslot areas, and zeros up to a size.

    :param header: has passed the allow-list, so its areas lie within the header.
    :param device: the source of the keyslot areas.
    :raises Malformed: a keyslot area reaches beyond the end of the device.
    """
    if os.path.lexists(path):
        os.unlink(path)
    with open(device, "rb") as source, open(path, "xb", opener=_for_root_alone) as target:
        target.write(_written(header, 0) + _written(header, header.size))
        target.flush()
        for slot in header.keyslots.values():
            _copy_area(source.fileno(), target.fileno(), int(slot["area"]["offset"]), int(slot["area"]["size"]))
        target.truncate(min(size, MOST_HEADER_BYTES))


def _read(descriptor: int, place: int) -> Copy:
    subject = f"the LUKS2 header at byte {place}"
    binary = read_at(descriptor, place, _BINARY_BYTES)
    if len(binary) < _BINARY_BYTES:
        raise Malformed(subject, "is cut short")
    _magic, version, size, seqid, label, algorithm, _salt, uuid, subsystem, recorded, *unused = _BINARY.unpack(binary)
    if version != 2:
        raise Malformed(subject, f"has version {version}, not 2")
    if size not in LEGAL_HEADER_SIZES or place not in (0, size) or recorded != place:
        raise Malformed(subject, f"claims to be at byte {recorded} and to have {size} bytes")
    if algorithm.rstrip(b"\0") != _ALGORITHM:
        raise Malformed(subject, f"uses the checksum algorithm {algorithm.rstrip(bytes(1))!r}, not sha256")
    padding, checksum, more_padding = unused
    if (padding + checksum[hashlib.sha256().digest_size :] + more_padding).strip(b"\0"):
        raise Malformed(subject, "has data in unused fields")
    whole = binary + read_at(descriptor, place + _BINARY_BYTES, size - _BINARY_BYTES)
    torn = len(whole) < size or checksum != _checksum(whole)
    header = Header(
        version=2,
        uuid=_text(subject, uuid),
        label=_text(subject, label),
        subsystem=_text(subject, subsystem),
        seqid=seqid,
        size=size,
        metadata={} if torn else parse(subject, whole[_BINARY_BYTES:]),
    )
    return Copy(header, torn)


def _require_same_volume(copy: Copy, whole: Header) -> None:
    """Refuse a copy that an interrupted update cannot explain."""
    header = copy.header
    if (header.uuid, header.size) != (whole.uuid, whole.size) or abs(header.seqid - whole.seqid) > 1:
        raise Malformed(
            "the LUKS2 header",
            f"has a {'torn ' if copy.torn else ''}copy of another origin (uuid {header.uuid!r}, {header.size} bytes,"
            f" sequence number {header.seqid}) next to the copy with uuid {whole.uuid!r}, {whole.size} bytes,"
            f" sequence number {whole.seqid}",
        )


def _written(header: Header, place: int) -> bytes:
    """A header copy as libcryptsetup writes it, except for a zero salt (nothing depends on the salt)."""
    texts = [text.encode("utf-8") for text in (header.label, header.uuid, header.subsystem)]
    fields = (texts[0], _ALGORITHM, b"", texts[1], texts[2], place, b"", b"", b"")
    binary = _BINARY.pack(_MAGICS[1 if place else 0], 2, header.size, header.seqid, *fields)
    whole = bytearray(binary + spelled(header.metadata).ljust(header.size - _BINARY_BYTES, b"\0"))
    whole[_CHECKSUM] = _checksum(bytes(whole))
    return bytes(whole)


def _checksum(whole: bytes) -> bytes:
    """Compute the checksum field: SHA-256 of the copy with that field set to zero, padded with zeros."""
    blank = whole[: _CHECKSUM.start] + bytes(64) + whole[_CHECKSUM.stop :]
    return hashlib.sha256(blank).digest().ljust(64, b"\0")


def _copy_area(source: int, target: int, offset: int, size: int) -> None:
    os.lseek(target, offset, os.SEEK_SET)
    while size > 0:
        copied = os.sendfile(target, source, offset, size)
        if not copied:
            raise Malformed("the LUKS2 header", f"names a keyslot area at byte {offset}, beyond the end of the device")
        offset, size = offset + copied, size - copied


def _text(subject: str, field: bytes) -> str:
    text = _decoded(field)
    if text is None or b"\0" not in field or not is_plain(text):
        raise Malformed(subject, "has a label, subsystem or uuid that is not text")
    return text


def _decoded(field: bytes) -> Optional[str]:
    try:
        return field.rstrip(b"\0").decode("utf-8")
    except UnicodeDecodeError:
        return None


def _for_root_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o400)
