# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observing the identity of a device: its certificate, and the key in its token.

What a token told of its key when it was made is in a record beside the certificate, and is read from there: that costs
nothing. Where it is asked for, the token itself is read, with the PIN that is on the device.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any, Optional

from . import _element as element
from ._cryptoki import TokenError
from ._errors import Malformed
from ._greengrass import END_OF_SUPPORT, V1
from ._greengrass_copies import find_copies
from ._greengrass_nucleus import CLASSIC_ROOT, Nucleus, is_in_element, nuclei
from ._observe import json_clean, read_bytes, read_text
from ._x509 import Certificate, parse_certificate


def collect(root: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The fact C(edgesec_identity).

    :param given: the option C(identity); without a C(library) no identity is declared.
    """
    facts: dict[str, Any] = {
        "schema": 1,
        "declared": bool(given.get("library")),
        "now": int(time.time()),
        "certificate": None,
        "key": None,
        "error": None,
        "greengrass": [_greengrass(root, each) for each in nuclei(root, given.get("greengrass_root") or CLASSIC_ROOT)],
        "source": "the certificate and its record",
    }
    if not facts["declared"]:
        return facts
    path = given["certificate"]
    certificate, reason = _certificate(root, path)
    facts["certificate"] = {
        "path": path,
        "exists": certificate is not None,
        "reason": reason,
        "serial": certificate.serial if certificate else None,
        "fingerprint": certificate.fingerprint if certificate else None,
        "not_before": certificate.not_before if certificate else None,
        "not_after": certificate.not_after if certificate else None,
        "public_key": hashlib.sha256(certificate.public_key).hexdigest() if certificate else None,
    }
    if not given["probe"]:
        facts["key"] = _recorded(root, path)
        return facts
    facts["source"] = given["library"]
    try:
        facts["key"] = _in_token(root, given)
    except TokenError as error:
        facts["error"] = {"reason": error.reason, "message": str(error)}
    return facts


def _greengrass(root: str, nucleus: Nucleus) -> dict[str, Any]:
    key = nucleus.private_key
    copies = None if nucleus.kind == V1 else find_copies(root, nucleus)
    in_element = is_in_element(root, nucleus)
    return dict(
        json_clean(
            {
                "nucleus": nucleus.kind,
                "root": nucleus.root,
                "end_of_support": END_OF_SUPPORT.get(nucleus.kind),
                "in_element": in_element,
                # A URI may hold a PIN.
                "key_file": None if key is None or in_element else key,
                "copies": list(copies.paths) if copies else [],
                "copies_complete": copies.complete if copies else None,
                "reason": nucleus.reason,
                "source": nucleus.source,
            }
        )
    )


def _certificate(root: str, path: str) -> tuple[Optional[Certificate], Optional[str]]:
    pem = read_bytes(root, path)
    if pem is None:
        return None, "there is none to be read"
    try:
        return parse_certificate(pem, path), None
    except Malformed as error:
        return None, error.seen


def _recorded(root: str, path: str) -> Optional[dict[str, Any]]:
    """What was read back from the token, or None where there is no record that can be understood."""
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
            # A key may be listed, and of no use.
            element.prove(session, place.key, public, private)
            return {
                "token_kind": element.kind(library, token, place.environment),
                "public_key": hashlib.sha256(public.spki).hexdigest(),
                "attributes": element.attributes(session, private),
                "read_at": int(time.time()),
                "live": True,
            }
