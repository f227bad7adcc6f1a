# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Public keys that a TPM can verify approvals with: ECDSA P-256, and RSA of 2048 or 3072 bits with exponent 65537.

Every TPM 2.0 for PCs supports P-256 and 2048-bit RSA, many support 3072 bits, few more.
"""

from __future__ import annotations

import base64
from typing import NamedTuple, Union

from .._base.errors import Malformed

# A TPM also reads exponent 0 as this value, but then the key has another name.
RSA_EXPONENT = 65537

# In DER, SubjectPublicKeyInfo has constant bytes around the key, for each kind and size: before an uncompressed point
# on P-256 (RFC 5480), and around the modulus of RSA (RFC 3279, 2.3.1).
_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_RSA_PREFIXES = {
    2048: bytes.fromhex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100"),
    3072: bytes.fromhex("308201a2300d06092a864886f70d01010105000382018f003082018a0282018100"),
}
_RSA_SUFFIX = bytes.fromhex("0203") + RSA_EXPONENT.to_bytes(3, "big")


class P256Key(NamedTuple):
    """The point of an ECDSA P-256 key."""

    x: bytes
    y: bytes

    @property
    def scheme(self) -> str:
        """Its signatures, as tpm2-tools name them."""
        return "ecdsa"

    @property
    def description(self) -> str:
        """For people."""
        return "ECDSA P-256"


class RsaKey(NamedTuple):
    """The modulus of an RSA key, big-endian."""

    modulus: bytes

    @property
    def scheme(self) -> str:
        """Its signatures, as tpm2-tools name them."""
        return "rsassa"

    @property
    def bits(self) -> int:
        """Its size, in bits."""
        return 8 * len(self.modulus)

    @property
    def description(self) -> str:
        """For people."""
        return f"RSA of {self.bits} bits"


PublicKey = Union[P256Key, RsaKey]


def parse_public_key(pem: str) -> PublicKey:
    """Parse a public key from SubjectPublicKeyInfo in PEM.

    :raises Malformed: it is not a supported key.
    """
    der = _der(pem)
    if der.startswith(_P256_PREFIX) and len(der) == len(_P256_PREFIX) + 64:
        return P256Key(der[-64:-32], der[-32:])
    for bits, prefix in _RSA_PREFIXES.items():
        if der.startswith(prefix) and der.endswith(_RSA_SUFFIX):
            modulus = der[len(prefix) : -len(_RSA_SUFFIX)]
            if len(modulus) == bits // 8 and modulus[0] & 0x80 and modulus[-1] & 1:
                return RsaKey(modulus)
    raise _malformed()


def _der(pem: str) -> bytes:
    lines = pem.strip().splitlines()
    if len(lines) < 3 or lines[0] != "-----BEGIN PUBLIC KEY-----" or lines[-1] != "-----END PUBLIC KEY-----":
        raise _malformed()
    try:
        return base64.b64decode("".join(lines[1:-1]), validate=True)
    except ValueError:
        raise _malformed() from None


def _malformed() -> Malformed:
    return Malformed(
        "the policy public key",
        "is neither ECDSA P-256 nor RSA of 2048 or 3072 bits with exponent 65537, in PEM",
        "Generate one with: openssl ecparam -name prime256v1 -genkey",
    )
