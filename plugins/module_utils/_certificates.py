# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of the certificates in a PKCS#7 signature (RFC 2315 section 9, RFC 5280 section 4.1).

Nothing is verified here: firmware and shim do that. It is only compared which certificates are named.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from ._errors import Malformed

_SEQUENCE, _SET, _CONTEXT_0 = 0x30, 0x31, 0xA0
_BMP_STRING = 0x1E
# Attributes of a name that people read, by the contents of their object identifiers (RFC 4519, RFC 2985).
_ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}


class Certificate(NamedTuple):
    """A certificate in DER, and in it the names of who is certified and of who certified it."""

    der: bytes
    subject: bytes
    issuer: bytes


class _Value(NamedTuple):
    tag: int
    begin: int
    content: int
    end: int


def certificate(der: bytes) -> Optional[Certificate]:
    """The certificate that data begins with, or None where it is no certificate."""
    try:
        outer = _value(der, 0, len(der))
        (body, *_rest) = _inner(der, outer, _SEQUENCE)
        fields = [each for each in _inner(der, body, _SEQUENCE) if each.tag != _CONTEXT_0]
        # serial number, algorithm, issuer, validity, subject
        issuer, subject = fields[2], fields[4]
    except (Malformed, IndexError, ValueError):
        return None
    return Certificate(der[: outer.end], der[subject.begin : subject.end], der[issuer.begin : issuer.end])


def certificates(signature: bytes) -> tuple[Certificate, ...]:
    """The certificates of a PKCS#7 SignedData.

    :raises Malformed: it is none.
    """
    outer = _value(signature, 0, len(signature))
    fields = _inner(signature, outer, _SEQUENCE)
    if len(fields) < 2:
        raise Malformed("the signature", "is no PKCS#7 SignedData")
    (signed,) = _inner(signature, fields[1], _CONTEXT_0)[:1] or (fields[1],)
    found = []
    for field in _inner(signature, signed, _SEQUENCE):
        if field.tag == _CONTEXT_0:
            for each in _inner(signature, field, _CONTEXT_0):
                read = certificate(signature[each.begin : each.end])
                if read is not None:
                    found.append(read)
    return tuple(found)


def name_text(name: bytes) -> str:
    """A name (subject or issuer) for people to read, such as C(CN=CA, O=Example); what is not known is left out.

    :param name: in DER.
    """
    parts = []
    try:
        for group in _inner(name, _value(name, 0, len(name)), _SEQUENCE):
            for pair in _inner(name, group, _SET):
                kind, text = _inner(name, pair, _SEQUENCE)[:2]
                label = _ATTRIBUTES.get(name[kind.content : kind.end])
                if label is not None:
                    encoding = "utf-16-be" if text.tag == _BMP_STRING else "utf-8"
                    parts.append(f"{label}={name[text.content : text.end].decode(encoding, 'replace')}")
    except (Malformed, ValueError):
        pass
    return ", ".join(parts)


def _inner(data: bytes, outer: _Value, tag: int) -> list[_Value]:
    if outer.tag != tag:
        raise Malformed("the signature", f"has a value of type {outer.tag} where {tag} should be")
    values, at = [], outer.content
    while at < outer.end:
        values.append(_value(data, at, outer.end))
        at = values[-1].end
    return values


def _value(data: bytes, at: int, end: int) -> _Value:
    header = data[at : min(at + 6, end)]
    if len(header) < 2 or header[1] == 0x80 or header[1] > 0x84:
        raise Malformed("the signature", f"is not in DER at byte {at}")
    more = header[1] - 0x80 if header[1] > 0x80 else 0
    length = int.from_bytes(header[2 : 2 + more], "big") if more else header[1]
    content = at + 2 + more
    if len(header) < 2 + more or content + length > end:
        raise Malformed("the signature", "is cut short")
    return _Value(header[0], at, content, content + length)
