# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read and write DER (ITU-T X.690) as far as certificates and keys need it: one-byte tags, definite lengths."""

from __future__ import annotations

from typing import NamedTuple

from .errors import Malformed

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET, CONTEXT_0, CONTEXT_1 = 0x30, 0x31, 0xA0, 0xA1


class Value(NamedTuple):
    """The place of a value in the data: its tag, the offsets where it and its content begin, and where it ends."""

    tag: int
    begin: int
    content: int
    end: int


class Field(NamedTuple):
    """The tag and the content of a value."""

    tag: int
    content: bytes


def value(data: bytes, at: int, end: int) -> Value:
    """Locate the value that begins at a byte.

    :raises Malformed: no value begins there, or it does not end before C(end).
    """
    header = data[at : min(at + 6, end)]
    if len(header) < 2 or header[1] == 0x80 or header[1] > 0x84:
        raise Malformed("the data", f"is not DER at byte {at}")
    more = header[1] - 0x80 if header[1] > 0x80 else 0
    length = int.from_bytes(header[2 : 2 + more], "big") if more else header[1]
    content = at + 2 + more
    if len(header) < 2 + more or content + length > end:
        raise Malformed("the data", "is cut short")
    return Value(header[0], at, content, content + length)


def children(data: bytes, outer: Value, tag: int) -> list[Value]:
    """Locate the values inside a constructed value.

    :raises Malformed: the outer value has another tag, or the inner ones do not fill it.
    """
    if outer.tag != tag:
        raise Malformed("the data", f"has a value of type {outer.tag}, expected {tag}")
    values, at = [], outer.content
    while at < outer.end:
        values.append(value(data, at, outer.end))
        at = values[-1].end
    return values


def sequence(data: bytes) -> list[Field]:
    """Split data that is one SEQUENCE, from the first byte to the last, into its fields.

    :raises Malformed: the data is anything else.
    """
    outer = value(data, 0, len(data))
    if outer.end != len(data):
        raise Malformed("the data", f"has more bytes after its value, which ends at byte {outer.end}")
    return [Field(each.tag, data[each.content : each.end]) for each in children(data, outer, SEQUENCE)]


def encode(tag: int, *contents: bytes) -> bytes:
    """Encode a value."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
