# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of DER (ITU-T X.690), as far as certificates and keys need it: tags of one byte, definite lengths."""

from __future__ import annotations

from typing import NamedTuple

from .errors import Malformed

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET, CONTEXT_0, CONTEXT_1 = 0x30, 0x31, 0xA0, 0xA1


class Value(NamedTuple):
    """Where a value is in the data: its tag, and where it, its content and what comes after it begin."""

    tag: int
    begin: int
    content: int
    end: int


class Field(NamedTuple):
    """A value taken out of the data."""

    tag: int
    content: bytes


def value(data: bytes, at: int, end: int) -> Value:
    """The value that begins at a byte.

    :raises Malformed: there is none, or it does not end before C(end).
    """
    header = data[at : min(at + 6, end)]
    if len(header) < 2 or header[1] == 0x80 or header[1] > 0x84:
        raise Malformed("the data", f"is not in DER at byte {at}")
    more = header[1] - 0x80 if header[1] > 0x80 else 0
    length = int.from_bytes(header[2 : 2 + more], "big") if more else header[1]
    content = at + 2 + more
    if len(header) < 2 + more or content + length > end:
        raise Malformed("the data", "is cut short")
    return Value(header[0], at, content, content + length)


def children(data: bytes, outer: Value, tag: int) -> list[Value]:
    """The values inside of a constructed one.

    :raises Malformed: it has another tag, or they do not fill it.
    """
    if outer.tag != tag:
        raise Malformed("the data", f"has a value of type {outer.tag} where {tag} should be")
    values, at = [], outer.content
    while at < outer.end:
        values.append(value(data, at, outer.end))
        at = values[-1].end
    return values


def sequence(data: bytes) -> list[Field]:
    """The fields of a SEQUENCE that the data is, from the first byte to the last.

    :raises Malformed: it is no such thing.
    """
    outer = value(data, 0, len(data))
    if outer.end != len(data):
        raise Malformed("the data", f"goes on after the value that ends at byte {outer.end}")
    return [Field(each.tag, data[each.content : each.end]) for each in children(data, outer, SEQUENCE)]


def encode(tag: int, *contents: bytes) -> bytes:
    """A value in DER."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + content
