# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of private keys: what kind a key is, whether it is encrypted, and its public half. Nothing else is kept.

RFC 8017 A.1.2 (RSA), RFC 5915 (EC), RFC 5208 and 5958 (PKCS#8), RFC 7292 (PKCS#12), PROTOCOL.key of OpenSSH,
the "ASN.1 Specification for TPM 2.0 Key Files" of the Trusted Computing Group.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple, Optional

from ._der import BIT_STRING, CONTEXT_0, CONTEXT_1, INTEGER, OCTET_STRING, OID, SEQUENCE, Field, encode, sequence
from ._errors import Malformed

OPENSSH_MAGIC = b"openssh-key-v1\0"
JAVA_MAGICS = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
_RSA = bytes.fromhex("2a864886f70d010101")
_EC = bytes.fromhex("2a8648ce3d0201")
_DSA = bytes.fromhex("2a8648ce380401")
_ED25519 = bytes.fromhex("2b6570")
_CURVES = {
    b"nistp256": bytes.fromhex("2a8648ce3d030107"),
    b"nistp384": bytes.fromhex("2b81040022"),
    b"nistp521": bytes.fromhex("2b81040023"),
}
# pkcs-5 and pkcs-12PbeIds: the algorithms that keys are encrypted by.
_ENCRYPTIONS = (bytes.fromhex("2a864886f70d0105"), bytes.fromhex("2a864886f70d010c01"))
_PKCS7 = bytes.fromhex("2a864886f70d0107")
_KEY_BAG, _SHROUDED_KEY_BAG = (encode(OID, bytes.fromhex(f"2a864886f70d010c0a01{last}")) for last in ("01", "02"))
# Loadable, importable and sealed keys.
_TSS2 = tuple(bytes.fromhex(f"678105 0a01{last}") for last in ("03", "04", "05"))
_SMALLEST_RSA = 512
_NULL = b"\x05\x00"


class Secret(NamedTuple):
    """A secret that was recognised, without itself.

    :ivar encrypted: by a passphrase; None where that is not known.
    :ivar protected: only one TPM can use it.
    :ivar fingerprint: SHA-256 of the SubjectPublicKeyInfo of the public half in hexadecimal digits; None where the
        public half is not there.
    """

    kind: str
    encrypted: Optional[bool]
    protected: bool = False
    fingerprint: Optional[str] = None


def private_key(der: bytes) -> Secret:
    """What a private key in DER is. Kinds: pkcs1_rsa, dsa, sec1_ec, pkcs8, pkcs12, tss2.

    :raises Malformed: it is none.
    """
    fields = sequence(der)
    tags = [field.tag for field in fields]
    if not fields:
        raise _no_key()
    first = fields[0].content
    if tags[0] == OID and first in _TSS2 and tags[-1] == OCTET_STRING:
        return Secret("tss2", encrypted=False, protected=True)
    if tags == [SEQUENCE, OCTET_STRING]:
        return _encrypted(fields)
    if tags[0] != INTEGER:
        raise _no_key()
    version = int.from_bytes(first, "big")
    if tags == [INTEGER] * 9 and version == 0:
        return Secret("pkcs1_rsa", encrypted=False, fingerprint=_fingerprint(_rsa(fields)))
    if tags == [INTEGER] * 6 and version == 0:
        return Secret("dsa", encrypted=False, fingerprint=_fingerprint(_dsa(fields)))
    if tags[:2] == [INTEGER, OCTET_STRING] and version == 1:
        return Secret("sec1_ec", encrypted=False, fingerprint=_fingerprint(_ec(fields, None)))
    if tags[:3] == [INTEGER, SEQUENCE, OCTET_STRING] and version in (0, 1):
        return Secret("pkcs8", encrypted=False, fingerprint=_fingerprint(_pkcs8(fields)))
    if tags[:2] == [INTEGER, SEQUENCE] and version == 3:
        return _pkcs12(der, fields)
    raise _no_key()


def openssh_key(blob: bytes) -> Secret:
    """What a key in OpenSSH's own format is.

    :raises Malformed: it is none.
    """
    if not blob.startswith(OPENSSH_MAGIC):
        raise _no_key()
    parts, rest = _strings(blob[len(OPENSSH_MAGIC) :], 3)
    cipher = parts[0]
    if rest[:4] != b"\0\0\0\x01":
        raise _no_key()
    (public, private), rest = _strings(rest[4:], 2)
    block = 8 if cipher == b"none" else 16
    if not cipher or len(private) < block or len(private) % 8:
        raise _no_key()
    if cipher == b"none" and private[:4] != private[4:8]:
        raise _no_key()
    return Secret("openssh", encrypted=cipher != b"none", fingerprint=_fingerprint(ssh_public_key(public)))


def java_keystore(data: bytes) -> Secret:
    """What a key store of Java with a private key is (JKS and JCEKS).

    :raises Malformed: it is none, or holds certificates only.
    """
    try:
        version, count = struct.unpack_from(">4xII", data)
        at = 12
        if not data.startswith(JAVA_MAGICS) or version not in (1, 2):
            raise _no_key()
        for _entry in range(count):
            (tag,) = struct.unpack_from(">I", data, at)
            at = _skip(data, at + 4, ">H") + 8
            if tag in (1, 3):
                # The keys are always encrypted, and the certificates come behind.
                if tag == 1 and _skip(data, at, ">I") + 4 > len(data):
                    raise _no_key()
                return Secret("java_keystore", encrypted=True)
            at = _skip(data, _skip(data, at, ">H") if version == 2 else at, ">I")
    except struct.error:
        raise _no_key() from None
    raise _no_key()


def ssh_public_key(blob: bytes) -> Optional[bytes]:
    """The SubjectPublicKeyInfo of a public key as SSH has it (RFC 4253 section 6.6); None for a kind that is not known.

    :raises Malformed: it is no such key.
    """
    (kind,), rest = _strings(blob, 1)
    if kind == b"ssh-rsa":
        (exponent, modulus), _rest = _strings(rest, 2)
        return _rsa_info(encode(INTEGER, modulus), encode(INTEGER, exponent))
    if kind == b"ssh-ed25519":
        (point,), _rest = _strings(rest, 1)
        return _info(encode(OID, _ED25519), point)
    if kind.startswith(b"ecdsa-sha2-"):
        (curve, point), _rest = _strings(rest, 2)
        return _info(encode(OID, _EC) + encode(OID, _CURVES[curve]), point) if curve in _CURVES else None
    if kind == b"ssh-dss":
        numbers, _rest = _strings(rest, 4)
        return _dsa_info(*numbers)
    return None


def key_of_ssh(public: bytes, kind: str, *, encrypted: bool) -> Secret:
    """A private key of which SSH's form of the public half is known.

    :raises Malformed: that is no public key.
    """
    return Secret(kind, encrypted, fingerprint=_fingerprint(ssh_public_key(public)))


def _no_key() -> Malformed:
    return Malformed("the data", "is no private key")


def _fingerprint(info: Optional[bytes]) -> Optional[str]:
    return None if info is None else hashlib.sha256(info).hexdigest()


def _number(field: Field) -> int:
    return int.from_bytes(field.content, "big")


def _rsa(fields: list[Field]) -> bytes:
    modulus, exponent, _private, prime, other = (_number(field) for field in fields[1:6])
    if modulus.bit_length() < _SMALLEST_RSA or prime * other != modulus or exponent < 3:
        raise _no_key()
    return _rsa_info(*(encode(INTEGER, field.content) for field in fields[1:3]))


def _dsa(fields: list[Field]) -> bytes:
    prime, order, base, public, private = (_number(field) for field in fields[1:])
    if prime.bit_length() < _SMALLEST_RSA or not order or (prime - 1) % order or pow(base, private, prime) != public:
        raise _no_key()
    return _dsa_info(*(field.content for field in fields[1:5]))


def _ec(fields: list[Field], curve: Optional[bytes]) -> Optional[bytes]:
    """:param curve: the parameters where they stand outside of the key, whole."""
    if not 16 <= len(fields[1].content) <= 72 or any(field.tag not in (CONTEXT_0, CONTEXT_1) for field in fields[2:]):
        raise _no_key()
    inside = {field.tag: field.content for field in fields[2:]}
    curve = inside.get(CONTEXT_0, curve)
    if curve is None:
        raise _no_key()
    if CONTEXT_1 not in inside:
        return None
    return _info(encode(OID, _EC) + curve, _bits(inside[CONTEXT_1]))


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
    if name == _RSA:
        numbers = sequence(inner)
        if len(numbers) != 9:
            raise _no_key()
        return _rsa(numbers)
    if name == _EC and len(algorithm) == 2:
        key = sequence(inner)
        if [field.tag for field in key[:2]] != [INTEGER, OCTET_STRING]:
            raise _no_key()
        return _ec(key, encode(algorithm[1].tag, algorithm[1].content))
    # Version 2 of the format has room for the public key.
    for field in fields[3:]:
        if field.tag == 0x81 and field.content[:1] == b"\0":
            return _info(encode(OID, name), field.content[1:])
    return None


def _encrypted(fields: list[Field]) -> Secret:
    algorithm = sequence(encode(SEQUENCE, fields[0].content))
    if len(algorithm) != 2 or algorithm[0].tag != OID or not algorithm[0].content.startswith(_ENCRYPTIONS):
        raise _no_key()
    if len(fields[1].content) < 16:
        raise _no_key()
    return Secret("pkcs8", encrypted=True)


def _pkcs12(der: bytes, fields: list[Field]) -> Secret:
    """A store with a key: as every usual tool writes it, the bags of keys are named in clear."""
    content = sequence(encode(SEQUENCE, fields[1].content))
    if not content or content[0].tag != OID or not content[0].content.startswith(_PKCS7):
        raise _no_key()
    if _KEY_BAG not in der and _SHROUDED_KEY_BAG not in der:
        raise _no_key()
    return Secret("pkcs12", encrypted=_KEY_BAG not in der)


def _info(algorithm: bytes, key: bytes) -> bytes:
    return encode(SEQUENCE, encode(SEQUENCE, algorithm), encode(BIT_STRING, b"\0", key))


def _rsa_info(modulus: bytes, exponent: bytes) -> bytes:
    return _info(encode(OID, _RSA) + _NULL, encode(SEQUENCE, modulus, exponent))


def _dsa_info(prime: bytes, order: bytes, base: bytes, public: bytes) -> bytes:
    domain = encode(SEQUENCE, *(encode(INTEGER, number) for number in (prime, order, base)))
    return _info(encode(OID, _DSA) + domain, encode(INTEGER, public))


def _strings(data: bytes, count: int) -> tuple[list[bytes], bytes]:
    """Strings with their length before them, and what comes after."""
    found, at = [], 0
    for _string in range(count):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if at + 4 > len(data) or end > len(data):
            raise _no_key()
        found.append(data[at + 4 : end])
        at = end
    return found, data[at:]


def _skip(data: bytes, at: int, length: str) -> int:
    """Where what comes after a string with its length before it begins."""
    (size,) = struct.unpack_from(length, data, at)
    return at + struct.calcsize(length) + int(size)
