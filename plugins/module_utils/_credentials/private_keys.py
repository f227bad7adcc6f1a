# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of private keys: the kind of key, whether it is encrypted, and its public half. Nothing else is kept.

RFC 8017 A.1.2 (RSA, with more than two primes as well), RFC 5915 (EC, and SM2 in the same form), RFC 5208 and 5958
(PKCS#8), RFC 7292 (PKCS#12), the "ASN.1 Specification for TPM 2.0 Key Files" of the Trusted Computing Group.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple, Optional

from .._base.der import BIT_STRING, CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, OID, SEQUENCE, Field, encode, sequence
from .._base.errors import Malformed
from .public_halves import EC, RSA, dsa_info, fingerprint, public_info, rsa_info

# pkcs-5 and pkcs-12PbeIds: the algorithms that encrypt keys.
_ENCRYPTIONS = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
_PKCS7 = bytes.fromhex("2a864886f70d0107")
_KEY_BAG, _SHROUDED_KEY_BAG = (encode(OID, bytes.fromhex(f"2a864886f70d010c0a01{last}")) for last in ("01", "02"))
# Loadable, importable and sealed keys.
_TSS2 = tuple(bytes.fromhex(f"678105 0a01{last}") for last in ("03", "04", "05"))
SMALLEST_RSA = 512
# DSA's order has 256 bits; a hostile one would take long to compute with.
_LARGEST_ORDER = 512
_MOST_PRIMES = 5


class Secret(NamedTuple):
    """The description of a recognised secret, without the secret itself.

    :ivar encrypted: whether a passphrase encrypts it; None if unknown.
    :ivar protected: whether only one TPM can use it.
    :ivar fingerprint: SHA-256 of the public half's SubjectPublicKeyInfo in hexadecimal digits; None if the
        public half is missing.
    :ivar locked: the encrypted data in a form that tools read, until well-known passphrases have been tried on it.
    """

    kind: str
    encrypted: Optional[bool]
    protected: bool = False
    fingerprint: Optional[str] = None
    locked: Optional[bytes] = None


def private_key(der: bytes) -> Secret:
    """Describe a private key in DER. Kinds: pkcs1_rsa, dsa, sec1_ec, pkcs8, pkcs12, tss2.

    :raises Malformed: the data is not a private key.
    """
    fields = sequence(der)
    tags = [field.tag for field in fields]
    if not fields:
        raise _no_key()
    first = fields[0].content
    if tags[0] == OID and first in _TSS2 and tags[-1] == OCTET_STRING:
        return Secret("tss2", encrypted=False, protected=True)
    if tags == [SEQUENCE, OCTET_STRING]:
        return _encrypted(der, fields)
    if tags[0] != INTEGER:
        raise _no_key()
    version = int.from_bytes(first, "big")
    if (tags == [INTEGER] * 9 and version == 0) or (tags == [*[INTEGER] * 9, SEQUENCE] and version == 1):
        return Secret("pkcs1_rsa", encrypted=False, fingerprint=fingerprint(_rsa(fields)))
    if tags == [INTEGER] * 6 and version == 0:
        return Secret("dsa", encrypted=False, fingerprint=fingerprint(_dsa(fields)))
    if tags[:2] == [INTEGER, OCTET_STRING] and version == 1:
        return Secret("sec1_ec", encrypted=False, fingerprint=fingerprint(_ec(fields, None)))
    if tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING] and version in (0, 1):
        return Secret("pkcs8", encrypted=False, fingerprint=fingerprint(_pkcs8(fields)))
    if tags[:2] == [INTEGER, SEQUENCE] and version == 3:
        return _pkcs12(der, fields)
    raise _no_key()


def _no_key() -> Malformed:
    return Malformed("the data", "is not a private key")


def _number(field: Field) -> int:
    return int.from_bytes(field.content, "big")


def _rsa(fields: list[Field]) -> bytes:
    modulus, exponent, _private, *primes = (_number(field) for field in fields[1:6])
    # Each further prime (OtherPrimeInfo) comes with its exponent and coefficient.
    for other in sequence(encode(SEQUENCE, fields[9].content)) if len(fields) == 10 else ():
        numbers = sequence(encode(SEQUENCE, other.content))
        if other.tag != SEQUENCE or [number.tag for number in numbers] != [INTEGER] * 3:
            raise _no_key()
        primes.append(_number(numbers[0]))
    if modulus.bit_length() < SMALLEST_RSA or len(primes) > _MOST_PRIMES or prod(primes) != modulus or exponent < 3:
        raise _no_key()
    return rsa_info(modulus, exponent)


def _dsa(fields: list[Field]) -> bytes:
    prime, order, base, public, private = (_number(field) for field in fields[1:])
    require_dsa(prime, order, base, public, private)
    return dsa_info(prime, order, base, public)


def require_dsa(prime: int, order: int, base: int, public: int, private: int) -> None:
    """Require that the numbers form a DSA key.

    :raises Malformed: they do not.
    """
    sensible = prime.bit_length() >= SMALLEST_RSA and order.bit_length() <= _LARGEST_ORDER and 0 < private < order
    if not sensible or (prime - 1) % order or pow(base, private, prime) != public:
        raise _no_key()


def _ec(fields: list[Field], curve: Optional[bytes]) -> Optional[bytes]:
    """:param curve: the whole parameters, if they are outside the key."""
    if not 16 <= len(fields[1].content) <= 72 or any(field.tag not in (CONTEXT_0, CONTEXT_1) for field in fields[2:]):
        raise _no_key()
    inside = {field.tag: field.content for field in fields[2:]}
    curve = inside.get(CONTEXT_0, curve)
    if curve is None:
        raise _no_key()
    if CONTEXT_1 not in inside:
        return None
    return public_info(encode(OID, EC) + curve, _bits(inside[CONTEXT_1]))


def _bits(whole: bytes) -> bytes:
    (field,) = sequence(encode(SEQUENCE, whole))
    if field.tag != BIT_STRING or field.content[:1] != b"\0":
        raise _no_key()
    return field.content[1:]


def _pkcs8(fields: list[Field]) -> Optional[bytes]:
    algorithm = sequence(encode(SEQUENCE, fields[1].content))
    if not algorithm or algorithm[0].tag != OID or len(fields[2].content) < 16:
        raise _no_key()
    name, inner = algorithm[0].content, fields[2].content
    if name == RSA:
        numbers = sequence(inner)
        if [field.tag for field in numbers] not in ([INTEGER] * 9, [*[INTEGER] * 9, SEQUENCE]):
            raise _no_key()
        return _rsa(numbers)
    if name == EC and len(algorithm) == 2:
        key = sequence(inner)
        if [field.tag for field in key[:2]] != [INTEGER, OCTET_STRING]:
            raise _no_key()
        return _ec(key, encode(algorithm[1].tag, algorithm[1].content))
    # Version 2 of the format may include the public key.
    for field in fields[3:]:
        if field.tag == 0x81 and field.content[:1] == b"\0":
            return public_info(encode(OID, name), field.content[1:])
    return None


def _encrypted(der: bytes, fields: list[Field]) -> Secret:
    algorithm = sequence(encode(SEQUENCE, fields[0].content))
    if len(algorithm) != 2 or algorithm[0].tag != OID or not algorithm[0].content.startswith(_ENCRYPTIONS):
        raise _no_key()
    if len(fields[1].content) < 16:
        raise _no_key()
    return Secret("pkcs8", encrypted=True, locked=der)


def _pkcs12(der: bytes, fields: list[Field]) -> Secret:
    """A store that holds a key. Every common tool writes the types of key bags in clear."""
    content = sequence(encode(SEQUENCE, fields[1].content))
    if not content or content[0].tag != OID or not content[0].content.startswith(_PKCS7):
        raise _no_key()
    if _KEY_BAG not in der and _SHROUDED_KEY_BAG not in der:
        raise _no_key()
    return Secret("pkcs12", encrypted=False) if _KEY_BAG in der else Secret("pkcs12", encrypted=True, locked=der)
