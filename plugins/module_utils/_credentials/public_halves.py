# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Public halves of keys as SubjectPublicKeyInfo (RFC 5280 4.1.2.7): a key has one fingerprint in every format."""

from __future__ import annotations

import hashlib
from typing import Optional

from .._base.der import BIT_STRING, INTEGER, OID, SEQUENCE, encode

RSA = bytes.fromhex("2a864886f70d010101")
EC = bytes.fromhex("2a8648ce3d0201")
DSA = bytes.fromhex("2a8648ce380401")
# RFC 8410.
EDWARDS = {
    name: bytes.fromhex(f"2b65{last:02x}") for last, name in enumerate(("X25519", "X448", "Ed25519", "Ed448"), 0x6E)
}
# RFC 5480 and RFC 8812, by JOSE name.
CURVES = {
    "P-256": bytes.fromhex("2a8648ce3d030107"),
    "P-384": bytes.fromhex("2b81040022"),
    "P-521": bytes.fromhex("2b81040023"),
    "secp256k1": bytes.fromhex("2b8104000a"),
}
_NULL = b"\x05\x00"


def fingerprint(info: Optional[bytes]) -> Optional[str]:
    """SHA-256 of a SubjectPublicKeyInfo in hexadecimal digits."""
    return None if info is None else hashlib.sha256(info).hexdigest()


def public_info(algorithm: bytes, key: bytes) -> bytes:
    """Encode a SubjectPublicKeyInfo.

    :param algorithm: the fields of the AlgorithmIdentifier in DER.
    """
    return encode(SEQUENCE, encode(SEQUENCE, algorithm), encode(BIT_STRING, b"\0", key))


def rsa_info(modulus: int, exponent: int) -> bytes:
    """The SubjectPublicKeyInfo of an RSA key."""
    return public_info(encode(OID, RSA) + _NULL, encode(SEQUENCE, _integer(modulus), _integer(exponent)))


def dsa_info(prime: int, order: int, base: int, public: int) -> bytes:
    """The SubjectPublicKeyInfo of a DSA key."""
    domain = encode(SEQUENCE, *(_integer(number) for number in (prime, order, base)))
    return public_info(encode(OID, DSA) + domain, _integer(public))


def ec_info(curve: str, point: bytes) -> Optional[bytes]:
    """The SubjectPublicKeyInfo of a point on a curve; None for an unknown curve.

    :param curve: its JOSE name.
    """
    return public_info(encode(OID, EC) + encode(OID, CURVES[curve]), point) if curve in CURVES else None


def edwards_info(curve: str, point: bytes) -> bytes:
    """The SubjectPublicKeyInfo of an X25519, X448, Ed25519 or Ed448 point."""
    return public_info(encode(OID, EDWARDS[curve]), point)


def _integer(number: int) -> bytes:
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))
