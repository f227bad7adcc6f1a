# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Observe the declared identity: its certificate, and the key in its token.

The key's attributes, read from the token when the key was made, are in a record next to the certificate; reading that
is cheap. On request the token itself is read, with the PIN from the device.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Optional

from .._base.errors import Malformed
from .._base.tree import read_bytes, read_text
from .._identity import key_pair as element
from .._identity.pkcs11 import TokenError
from .._identity.x509 import Certificate, parse_certificate


def observe(root: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Collect C(certificate) and C(key) of the fact C(edgesec_identity), and their source or the error.

    :param given: the option C(identity), with a C(library).
    """
    path = given["certificate"]
    facts = {"certificate": _certificate_facts(root, path)}
    if not given["probe"]:
        return {**facts, "key": _recorded(root, path)}
    facts["source"] = given["library"]
    try:
        return {**facts, "key": _in_token(root, given)}
    except TokenError as error:
        return {**facts, "error": {"reason": error.reason, "message": str(error)}}


def _certificate_facts(root: str, path: str) -> dict[str, Any]:
    certificate, reason = _certificate(root, path)
    return {
        "path": path,
        "exists": certificate is not None,
        "reason": reason,
        "serial": certificate.serial if certificate else None,
        "fingerprint": certificate.fingerprint if certificate else None,
        "not_before": certificate.not_before if certificate else None,
        "not_after": certificate.not_after if certificate else None,
        "public_key": hashlib.sha256(certificate.public_key).hexdigest() if certificate else None,
    }


def _certificate(root: str, path: str) -> tuple[Optional[Certificate], Optional[str]]:
    pem = read_bytes(root, path)
    if pem is None:
        return None, "it cannot be read"
    try:
        return parse_certificate(pem, path), None
    except Malformed as error:
        return None, error.seen


def _recorded(root: str, path: str) -> Optional[dict[str, Any]]:
    """The record of what was read from the token; None if it is missing or malformed."""
    try:
        record = json.loads(read_text(root, f"{path}.json") or "")
        if record["v"] != 1:
            return None
        return {
            "token_kind": str(record["token_kind"]),
            "public_key": str(record["public_key"]),
            "attributes": {name: _flag(record["attributes"].get(name)) for name in element.WANTED},
            "read_at": int(record["read_at"]),
            "live": False,
        }
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None


def _flag(value: object) -> Optional[bool]:
    return value if isinstance(value, bool) else None


def _in_token(root: str, given: Mapping[str, Any]) -> dict[str, Any]:
    place = element.place_of(given)
    pin = element.read_pin(root, given["pin_file"])
    with element.opened(place) as library:
        token = element.named(library, place)
        with library.session(token, pin) as session:
            public, private = element.key_pair(session, place.key)
            # A key may be listed and yet unusable.
            element.prove(session, place.key, public, private)
            return {
                "token_kind": element.kind(library, token, place.environment),
                "public_key": hashlib.sha256(public.spki).hexdigest(),
                "attributes": element.attributes(session, private),
                "read_at": int(time.time()),
                "live": True,
            }
