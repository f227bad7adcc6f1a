# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of the certificates in a PKCS#7 signature (RFC 2315 section 9, RFC 5280 section 4.1).

Nothing is verified here: firmware and shim do that. It is only compared which certificates are named.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._base.der import CONTEXT_0, SEQUENCE, children, value
from .._base.errors import Malformed

_SET, _BMP_STRING = 0x31, 0x1E
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


def certificate(der: bytes) -> Optional[Certificate]:
    """The certificate that data begins with, or None where it is no certificate."""
    try:
        outer = value(der, 0, len(der))
        (body, *_rest) = children(der, outer, SEQUENCE)
        fields = [each for each in children(der, body, SEQUENCE) if each.tag != CONTEXT_0]
        # serial number, algorithm, issuer, validity, subject
        issuer, subject = fields[2], fields[4]
    except (Malformed, IndexError, ValueError):
        return None
    return Certificate(der[: outer.end], der[subject.begin : subject.end], der[issuer.begin : issuer.end])


def certificates(signature: bytes) -> tuple[Certificate, ...]:
    """The certificates of a PKCS#7 SignedData.

    :raises Malformed: it is none.
    """
    outer = value(signature, 0, len(signature))
    fields = children(signature, outer, SEQUENCE)
    if len(fields) < 2:
        raise Malformed("the signature", "is no PKCS#7 SignedData")
    (signed,) = children(signature, fields[1], CONTEXT_0)[:1] or (fields[1],)
    found = []
    for field in children(signature, signed, SEQUENCE):
        if field.tag == CONTEXT_0:
            for each in children(signature, field, CONTEXT_0):
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
        for group in children(name, value(name, 0, len(name)), SEQUENCE):
            for pair in children(name, group, _SET):
                kind, text = children(name, pair, SEQUENCE)[:2]
                label = _ATTRIBUTES.get(name[kind.content : kind.end])
                if label is not None:
                    encoding = "utf-16-be" if text.tag == _BMP_STRING else "utf-8"
                    parts.append(f"{label}={name[text.content : text.end].decode(encoding, 'replace')}")
    except (Malformed, ValueError):
        pass
    return ", ".join(parts)
