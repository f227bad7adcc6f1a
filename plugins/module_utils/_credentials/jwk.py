# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of JSON private keys (JWK: RFC 7517, 7518, 8037) anywhere in a text."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from .private_keys import SMALLEST_RSA, Secret
from .public_halves import EDWARDS, ec_info, edwards_info, fingerprint, rsa_info

JWK_MARKER = b"kty"
_KTY = re.compile(rb'"kty"\s{0,8}:')
# A 16384-bit RSA key takes 14 KiB.
_LONGEST = 32 * 1024
_MOST_OBJECTS = 200
# Nested objects may come before "kty" in the key.
_MOST_BRACES = 4
_SIZES = {"P-256": 32, "P-384": 48, "P-521": 66, "secp256k1": 32}
_EDWARDS_SIZES = {"X25519": 32, "X448": 56, "Ed25519": 32, "Ed448": 57}
_SMALLEST_SYMMETRIC = 16


def jwks_in(text: bytes) -> Iterator[Secret]:
    """Yield the private and symmetric keys in a text. Encrypted keys (JWE) have no "kty" and are skipped."""
    begins: dict[int, Optional[Secret]] = {}
    for number, match in enumerate(_KTY.finditer(text)):
        if number == _MOST_OBJECTS:
            return
        at = match.start()
        for _brace in range(_MOST_BRACES):
            at = text.rfind(b"{", max(0, match.start() - _LONGEST), at)
            if at < 0 or at in begins:
                break
            found = _object(text[at : at + _LONGEST])
            if found is not None and "kty" in found:
                begins[at] = _key(found)
                break
    yield from (secret for secret in begins.values() if secret is not None)


def _object(text: bytes) -> Optional[Mapping[str, Any]]:
    try:
        found, _end = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _key(jwk: Mapping[str, Any]) -> Optional[Secret]:
    kind, curve, private = jwk["kty"], jwk.get("crv"), _bytes(jwk.get("d"))
    if kind == "oct":
        secret = _bytes(jwk.get("k"))
        return Secret("jwk", encrypted=False) if secret and len(secret) >= _SMALLEST_SYMMETRIC and any(secret) else None
    if kind == "AKP":
        return Secret("jwk", encrypted=False) if len(_bytes(jwk.get("priv")) or b"") >= 32 else None
    if not private:
        return None
    if kind == "RSA":
        modulus, exponent = (int.from_bytes(_bytes(jwk.get(name)) or b"", "big") for name in ("n", "e"))
        is_key = modulus.bit_length() >= SMALLEST_RSA and exponent >= 3
        return Secret("jwk", encrypted=False, fingerprint=fingerprint(rsa_info(modulus, exponent))) if is_key else None
    if kind == "EC":
        size = _SIZES.get(str(curve), 0)
        point = [_bytes(jwk.get(name)) for name in ("x", "y")]
        if size and len(private) > size:
            return None
        if not size or any(half is None or len(half) != size for half in point):
            return Secret("jwk", encrypted=False) if len(private) >= 16 else None
        info = ec_info(str(curve), b"\x04" + b"".join(half or b"" for half in point))
        return Secret("jwk", encrypted=False, fingerprint=fingerprint(info))
    if kind == "OKP" and curve in EDWARDS and len(private) == _EDWARDS_SIZES[curve]:
        point_of = _bytes(jwk.get("x"))
        return Secret("jwk", False, fingerprint=fingerprint(edwards_info(curve, point_of)) if point_of else None)
    return None


def _bytes(value: object) -> Optional[bytes]:
    """Decode base64url without padding (RFC 7515 section 2); None if it is not valid."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,32768}={0,2}", value):
        return None
    plain = value.rstrip("=")
    try:
        return base64.urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except ValueError:
        return None
