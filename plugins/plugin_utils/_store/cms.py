# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the recipients of a CMS EnvelopedData (RFC 5652, sections 6.1 and 6.2) from its DER, without any key."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed

_SEQUENCE, _SET, _INTEGER, _CONTEXT_0 = 0x30, 0x31, 0x02, 0xA0

# How an envelope names a recipient: issuer (DER) and serial number of its certificate.
Recipient = tuple[bytes, int]


def recipients(envelope: bytes) -> set[Recipient]:
    """The certificates that can open an envelope.

    :raises Malformed: it is not such an envelope, or names a recipient in another way.
    """
    content_info = _only(_elements(envelope), _SEQUENCE)
    content = _first(_elements(content_info), _CONTEXT_0)
    enveloped = _only(_elements(content), _SEQUENCE)
    infos = _first(_elements(enveloped), _SET)
    return {_recipient(_elements(info)) for _tag, info in _elements(infos)}


def _recipient(info: list[tuple[int, bytes]]) -> Recipient:
    named = _elements(_first(info, _SEQUENCE))
    if [tag for tag, _content in named] != [_SEQUENCE, _INTEGER]:
        raise _malformed()
    (_tag, issuer), (_tag, serial) = named
    return _encoded(_SEQUENCE, issuer), int.from_bytes(serial, "big", signed=True)


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element in a sequence of elements."""
    found = []
    while data:
        if len(data) < 2:
            raise _malformed()
        tag, length, begin = data[0], data[1], 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(data[2:begin], "big")
        # Without a length it is the indefinite form, which DER forbids.
        if (begin == 2 and data[1] & 0x80) or len(data) < begin + length:
            raise _malformed()
        found.append((tag, data[begin : begin + length]))
        data = data[begin + length :]
    return found


def _encoded(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _first(elements: list[tuple[int, bytes]], wanted: int) -> bytes:
    for tag, content in elements:
        if tag == wanted:
            return content
    raise _malformed()


def _only(elements: list[tuple[int, bytes]], wanted: int) -> bytes:
    if len(elements) != 1:
        raise _malformed()
    return _first(elements, wanted)


def _malformed() -> Malformed:
    return Malformed("the envelope", "is not CMS EnvelopedData in DER", "Restore it from the backup of the store")
