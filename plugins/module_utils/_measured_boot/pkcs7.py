# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Parse the certificates in a PKCS#7 signature (RFC 2315 section 9, RFC 5280 section 4.1).

Nothing is verified here: firmware and shim do that. The certificates are only compared.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .._base.der import CONTEXT_0, SEQUENCE, children, value
from .._base.errors import Malformed

_SET, _BMP_STRING = 0x31, 0x1E
# The attributes of a name to show, by the contents of their object identifiers (RFC 4519, RFC 2985).
_ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}


class Certificate(NamedTuple):
    """A certificate in DER, with the DER names of its subject and issuer."""

    der: bytes
    subject: bytes
    issuer: bytes


def certificate(der: bytes) -> Optional[Certificate]:
    """Parse the certificate at the start of the data; None if there is none."""
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
    """Parse the certificates of a PKCS#7 SignedData.

    :raises Malformed: the data is not a SignedData.
    """
    outer = value(signature, 0, len(signature))
    fields = children(signature, outer, SEQUENCE)
    if len(fields) < 2:
        raise Malformed("the signature", "is not a PKCS#7 SignedData")
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
    """A name (subject or issuer) as text, such as C(CN=CA, O=Example); unknown attributes are left out.

    :param name: the name in DER.
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
