# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Parse PE images, the format of UEFI programs: their Authenticode digest, sections and signatures.

Sources: Microsoft PE Format (headers, section table, attribute certificate table) and Windows Authenticode Portable
Executable Signature Format 1.0. The digest is the one that firmware measures: of the file itself, without padding.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple, Optional, Union

from .._base.errors import Malformed

Buffer = Union[bytes, memoryview]

_SUBJECT = "the EFI image"
_SECTION = struct.Struct("<8sIIIIIIHHI")
_DIRECTORIES_AT = {0x10B: 96, 0x20B: 112}
_CERTIFICATE_TABLE = 4
_PKCS_SIGNED_DATA = 2


class Section(NamedTuple):
    """A section: its name, and its data in the file."""

    name: str
    data: memoryview


class _Span(NamedTuple):
    name: str
    size: int
    at: int
    raw: int


class _Layout(NamedTuple):
    checksum_at: int
    entry_at: int
    headers: int
    table_at: int
    table_size: int
    sections: tuple[_Span, ...]


def is_pe(data: Buffer) -> bool:
    """Whether data begins as a PE image does."""
    return bytes(data[:2]) == b"MZ"


def authenticode(data: Buffer) -> bytes:
    """The SHA-256 Authenticode digest.

    :raises Malformed: not a PE image, or one whose parts do not fit into the file.
    """
    view, layout = memoryview(data), _layout(data)
    end = len(view) - layout.table_size
    hashed = layout.headers + sum(span.raw for span in layout.sections)
    if hashed > end:
        raise Malformed(_SUBJECT, "has sections that overlap each other or the signatures")
    digest = hashlib.sha256(view[: layout.checksum_at])
    begin = layout.checksum_at + 4
    if layout.entry_at:
        digest.update(view[begin : layout.entry_at])
        begin = layout.entry_at + 8
    digest.update(view[begin : layout.headers])
    for span in sorted((each for each in layout.sections if each.raw), key=lambda each: each.at):
        digest.update(view[span.at : span.at + span.raw])
    digest.update(view[hashed:end])
    return digest.digest()


def sections(data: Buffer) -> tuple[Section, ...]:
    """The sections, in the order of the section table.

    :raises Malformed: not a PE image, or one whose parts do not fit into the file.
    """
    view = memoryview(data)
    return tuple(
        Section(each.name, view[each.at : each.at + min(each.size, each.raw)]) for each in _layout(data).sections
    )


def signatures(data: Buffer) -> tuple[bytes, ...]:
    """The PKCS#7 signatures in DER; empty if the image is not signed.

    :raises Malformed: not a PE image, or one whose parts do not fit into the file.
    """
    at, size = signature_table(data, len(data))
    return signatures_of(bytes(memoryview(data)[at : at + size]))


def signature_table(head: Buffer, size: int) -> tuple[int, int]:
    """Offset and size of the signature table of an image, in bytes; both 0 if the image is not signed.

    :param head: the image, or its first bytes with all headers.
    :param size: size of the whole image.
    :raises Malformed: not a PE image, or one whose parts do not fit into the file.
    """
    layout = _layout(head, size)
    return layout.table_at, layout.table_size


def signatures_of(table: bytes) -> tuple[bytes, ...]:
    """The PKCS#7 signatures in a signature table.

    :raises Malformed: one does not fit into the table.
    """
    found, at = [], 0
    while at + 8 <= len(table):
        length, _revision, kind = struct.unpack_from("<IHH", table, at)
        if not 8 <= length <= len(table) - at:
            raise Malformed(_SUBJECT, f"has a signature of {length} bytes, which does not fit into its table")
        if kind == _PKCS_SIGNED_DATA:
            found.append(table[at + 8 : at + length])
        at += length + -length % 8
    return tuple(found)


def _layout(data: Buffer, size: Optional[int] = None) -> _Layout:
    try:
        return _read_layout(data, len(data) if size is None else size)
    except struct.error:
        raise Malformed(_SUBJECT, "is cut short") from None


def _read_layout(data: Buffer, whole: int) -> _Layout:
    if not is_pe(data):
        raise Malformed(_SUBJECT, "does not begin as a PE image")
    (pe,) = struct.unpack_from("<I", data, 60)
    signature, count, optional_size = struct.unpack_from("<4s2xH12xH", data, pe)
    optional = pe + 24
    (magic,) = struct.unpack_from("<H", data, optional)
    if signature != b"PE\0\0" or magic not in _DIRECTORIES_AT:
        raise Malformed(_SUBJECT, "has no PE header")
    (headers,) = struct.unpack_from("<I", data, optional + 60)
    directories = optional + _DIRECTORIES_AT[magic]
    (number,) = struct.unpack_from("<I", data, directories - 4)
    entry, table_at, table_size = 0, 0, 0
    if number > _CERTIFICATE_TABLE:
        entry = directories + 8 * _CERTIFICATE_TABLE
        table_at, table_size = struct.unpack_from("<II", data, entry)
    table = optional + optional_size
    spans = []
    for index in range(count):
        name, size, _address, raw, at, *_rest = _SECTION.unpack_from(data, table + index * _SECTION.size)
        if at + raw > whole:
            raise Malformed(_SUBJECT, f"has a section {name!r} that reaches beyond the end of the file")
        spans.append(_Span(name.rstrip(b"\0").decode("ascii", "replace"), size, at, raw))
    if not table + count * _SECTION.size <= headers <= whole or entry + 8 > headers:
        raise Malformed(_SUBJECT, f"claims {headers} bytes of headers, which cannot be right")
    # Firmware leaves the table out of the digest by cutting its length off the end of the file.
    if table_size and table_at + table_size != whole:
        raise Malformed(_SUBJECT, "has signatures that are not at the end of the file")
    return _Layout(optional + 64, entry, headers, table_at, table_size, tuple(spans))
