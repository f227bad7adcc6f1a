# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the recipients of a CMS EnvelopedData (RFC 5652, sections 6.1 and 6.2) from its DER, without any key."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.module_utils._base.der import (
    CONTEXT_0,
    INTEGER,
    SEQUENCE,
    SET,
    Field,
    encode,
    sequence,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed

# How an envelope names a recipient: issuer (DER) and serial number of its certificate.
Recipient = tuple[bytes, int]


def recipients(envelope: bytes) -> set[Recipient]:
    """The certificates that can open an envelope.

    :raises Malformed: it is not such an envelope, or names a recipient in another way.
    """
    try:
        content = _first(sequence(envelope), CONTEXT_0)
        (enveloped,) = _inside(content)
        infos = _first(_inside(enveloped), SET)
        return {_recipient(info) for info in _inside(infos)}
    except (Malformed, ValueError):
        raise Malformed(
            "the envelope", "is not CMS EnvelopedData in DER", "Restore it from the backup of the store"
        ) from None


def _recipient(info: Field) -> Recipient:
    issuer, serial = _inside(_first(_inside(info), SEQUENCE))
    if (issuer.tag, serial.tag) != (SEQUENCE, INTEGER):
        raise Malformed("the recipient", "is not named by issuer and serial number")
    return encode(SEQUENCE, issuer.content), int.from_bytes(serial.content, "big", signed=True)


def _inside(field: Field) -> list[Field]:
    return sequence(encode(SEQUENCE, field.content))


def _first(fields: list[Field], tag: int) -> Field:
    for field in fields:
        if field.tag == tag:
            return field
    raise Malformed("the data", f"has no value of type {tag}")
