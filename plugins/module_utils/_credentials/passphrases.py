# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Try well-known passphrases on encrypted keys: the empty one, and tools' defaults.

PKCS#12 is checked by its MAC (RFC 7292 appendix B, RFC 9579), Java key stores by their digest. Python's library lacks
the ciphers of PKCS#8 (RFC 8018) and of older PEM (RFC 1421), but its C(ssl) module reads such keys together with a
certificate. Given a certificate of another key, the kind of failure tells whether the passphrase was right.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Optional

from .._base.der import INTEGER, OCTET_STRING, OID, SEQUENCE, Field, encode, sequence
from .._base.errors import Malformed
from .java_keystores import BOUNCY_BEGINS, JAVA_MAGICS
from .private_keys import Secret

# Empty, Java's default, and the passphrase of every Google Cloud PKCS#12 file.
KNOWN = ("", "changeit", "notasecret")
# Tools use a few thousand. A hostile file may ask for more than the device can compute.
_MOST_ITERATIONS = 600_000
_HASHES = {
    bytes.fromhex("2b0e03021a"): "sha1",
    **{bytes.fromhex(f"6086480165030402{last:02x}"): f"sha{bits}" for last, bits in enumerate((256, 384, 512, 224), 1)},
}
_HMACS = {
    bytes.fromhex(f"2a864886f70d02{last:02x}"): f"sha{bits}" for last, bits in enumerate((1, 224, 256, 384, 512), 7)
}
_PBMAC1, _PBKDF2 = bytes.fromhex("2a864886f70d01050e"), bytes.fromhex("2a864886f70d01050c")
_BLOCKS = {"sha1": 64, "sha224": 64, "sha256": 64, "sha384": 128, "sha512": 128}
_MAC_KEY = 3
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_PBES2, _PBE_3DES = bytes.fromhex("2a864886f70d01050d"), bytes.fromhex("2a864886f70d010c0103")
# AES of each size and 3DES, in CBC mode: every OpenSSL reads these.
_CIPHERS = (*(bytes.fromhex(f"6086480165030401{last:02x}") for last in (2, 22, 42)), bytes.fromhex("2a864886f70d0307"))
_LEGACY = re.compile(rb"DEK-Info: (?:AES-(?:128|192|256)|DES-EDE3)-CBC,")
# A certificate whose private key was never kept.
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbzCCARWgAwIBAgIUFc0zrWcXzd1BQDqZZixLpJG0lA0wCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBeDAgFw0yNjExMzAxNjU5NDhaGA8yMTI2MTEwNjE2NTk0OFow
DDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFaulOqOEZX5
RNXL7ho309e2P6c2kPuEDG2IUlg1zqwtryCZA4jcVFmkkcHudAkW3P5XLss34z7z
5CMJburLc6yjUzBRMB0GA1UdDgQWBBSwOerbIPUzPdqt6beLbsjpc85acDAfBgNV
HSMEGDAWgBSwOerbIPUzPdqt6beLbsjpc85acDAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0gAMEUCIQDwc7QxOjny495LmmHWpAny81qykQOEv6EkBNEX4JUS
cQIgNz5IDAX8TdaDv7Uo5wcN4u5kWsp0+zTM5MXmhLUAKn8=
-----END CERTIFICATE-----
"""
_OPENED = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED", "UNKNOWN_CERTIFICATE_TYPE")


def try_known_passphrases(secret: Secret) -> Secret:
    """Set a secret's C(encrypted) to whether it needs a passphrase that is not well known.

    None if that cannot be tried: the cipher is not supported, or it would take too long.
    """
    if secret.locked is None:
        return secret
    try:
        is_open = _is_open(secret)
    except (Malformed, ValueError, IndexError):
        is_open = None
    return secret._replace(encrypted=None if is_open is None else not is_open, locked=None)


def _is_open(secret: Secret) -> Optional[bool]:
    data = secret.locked or b""
    if data.startswith(JAVA_MAGICS):
        return any(
            hashlib.sha1(each.encode("utf-16-be") + b"Mighty Aphrodite" + data[:-20], usedforsecurity=False).digest()
            == data[-20:]
            for each in KNOWN
        )
    if data.startswith(BOUNCY_BEGINS):
        return _bks(data)
    if secret.kind == "java_keystore":
        return _bcfks(sequence(data))
    if secret.kind == "pkcs12":
        return _pkcs12(data)
    if data.startswith(b"\x30"):
        return _pkcs8(data)
    return _opens(data) or (False if _LEGACY.search(data) else None)


def _bks(data: bytes) -> Optional[bool]:
    """Check the MAC. Version 1 mistook 20 bits for 20 bytes of key."""
    size = 20 if data[3] == 2 else 2
    return _any_mac("sha1", data[8:28], int.from_bytes(data[28:32], "big"), data[32:-20], data[-20:], size)


def _bcfks(fields: list[Field]) -> Optional[bool]:
    """Check the PbkdMacIntegrityCheck. The key's purpose follows the passphrase, both encoded as in PKCS#12."""
    mac, derivation, wanted = sequence(encode(SEQUENCE, fields[1].content))
    name, parameters = sequence(encode(SEQUENCE, derivation.content))
    numbers = sequence(encode(SEQUENCE, parameters.content))
    hashing = _HMACS.get(sequence(encode(SEQUENCE, mac.content))[0].content)
    iterations, size = (int.from_bytes(field.content, "big") for field in numbers[1:3])
    if name != Field(OID, _PBKDF2) or hashing is None or numbers[2].tag != INTEGER or iterations > _MOST_ITERATIONS:
        return None
    function = _HMACS.get(sequence(encode(SEQUENCE, numbers[-1].content))[0].content, "sha1")
    store = encode(SEQUENCE, fields[0].content)
    for each in KNOWN:
        password = next(_bmp(each)) + next(_bmp("INTEGRITY_CHECK"))
        key = hashlib.pbkdf2_hmac(function, password, numbers[0].content, iterations, min(size, 256))
        if hmac.digest(key, store, hashing) == wanted.content:
            return True
    return False


def _pkcs12(der: bytes) -> Optional[bool]:
    fields = sequence(der)
    if len(fields) < 3:
        return None
    info, salt, *rounds = sequence(encode(SEQUENCE, fields[2].content))
    algorithm, wanted = sequence(encode(SEQUENCE, info.content))
    name, *parameters = sequence(encode(SEQUENCE, algorithm.content))
    signed = _signed(fields[1])
    if name.content == _PBMAC1:
        return _pbmac1(parameters[0], signed, wanted.content)
    hashing = _HASHES.get(name.content)
    if hashing is None:
        return None
    iterations = int.from_bytes(rounds[0].content, "big") if rounds else 1
    return _any_mac(hashing, salt.content, iterations, signed, wanted.content, len(wanted.content))


def _signed(info: Field) -> bytes:
    """The bytes that the MAC covers: the content of the authenticated safe."""
    content = sequence(encode(SEQUENCE, info.content))[1]
    (octets,) = sequence(encode(SEQUENCE, content.content))
    if octets.tag != OCTET_STRING:
        raise Malformed("the data", "is not a PKCS#12 file with a MAC")
    return octets.content


def _pbmac1(parameters: Field, signed: bytes, wanted: bytes) -> Optional[bool]:
    derivation, mac = sequence(encode(SEQUENCE, parameters.content))
    _name, inner = sequence(encode(SEQUENCE, derivation.content))
    salt, rounds, *others = sequence(encode(SEQUENCE, inner.content))
    hashing = _HMACS.get(sequence(encode(SEQUENCE, mac.content))[0].content)
    functions = [sequence(encode(SEQUENCE, field.content))[0].content for field in others if field.tag == SEQUENCE]
    function = _HMACS.get(functions[0]) if functions else "sha1"
    sizes = [int.from_bytes(field.content, "big") for field in others if field.tag == INTEGER]
    iterations = int.from_bytes(rounds.content, "big")
    if hashing is None or function is None or not 0 < iterations <= _MOST_ITERATIONS:
        return None
    size = min(sizes[0], 256) if sizes else len(wanted)
    keys = (hashlib.pbkdf2_hmac(function, each.encode(), salt.content, iterations, size) for each in KNOWN)
    return any(hmac.digest(key, signed, hashing) == wanted for key in keys)


def _any_mac(hashing: str, salt: bytes, iterations: int, data: bytes, wanted: bytes, size: int) -> Optional[bool]:
    if not 0 < iterations <= _MOST_ITERATIONS:
        return None
    passwords = (form for each in KNOWN for form in _bmp(each))
    return any(hmac.digest(_key(hashing, form, salt, iterations, size), data, hashing) == wanted for form in passwords)


def _bmp(password: str) -> Iterator[bytes]:
    """Yield a passphrase encoded as in PKCS#12, with a final NUL. Some tools omit the NUL if it is empty."""
    yield password.encode("utf-16-be") + b"\0\0"
    if not password:
        yield b""


def _key(hashing: str, password: bytes, salt: bytes, iterations: int, size: int) -> bytes:
    """The key of a MAC (RFC 7292 B.2). One block is enough for all sizes in use."""
    block = _BLOCKS[hashing]
    filled = b"".join((each * block)[: -(-len(each) // block) * block] for each in (salt, password))
    hashed = getattr(hashlib, hashing)
    digest = hashed(bytes((_MAC_KEY,)) * block + filled, usedforsecurity=False).digest()
    for _round in range(1, iterations):
        digest = hashed(digest, usedforsecurity=False).digest()
    return bytes(digest[:size])


def _pkcs8(der: bytes) -> Optional[bool]:
    algorithm, _sealed = sequence(der)
    name, parameters = sequence(encode(SEQUENCE, algorithm.content))
    first, second = sequence(encode(SEQUENCE, parameters.content))
    if name.content != _PBES2:
        if int.from_bytes(second.content, "big") > _MOST_ITERATIONS:
            return None
        return _opens(_pem(der)) or (False if name.content == _PBE_3DES else None)
    derivation, inner = sequence(encode(SEQUENCE, first.content))
    numbers = [int.from_bytes(each.content, "big") for each in sequence(encode(SEQUENCE, inner.content))[1:4]]
    if derivation.content == _SCRYPT:
        work = prod(numbers)
    elif derivation.content == _PBKDF2:
        work = numbers[0]
    else:
        return None
    if work > _MOST_ITERATIONS:
        return None
    cipher = sequence(encode(SEQUENCE, second.content))[0].content
    return _opens(_pem(der)) or (False if cipher in _CIPHERS else None)


def _pem(der: bytes) -> bytes:
    return (
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END ENCRYPTED PRIVATE KEY-----\n"
    )


def _opens(pem: bytes) -> bool:
    """Whether a key opens with the empty passphrase. OpenSSL reads it, still encrypted, from memory."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with _in_memory(_CERTIFICATE.encode()) as certificate, _in_memory(pem) as key:
        try:
            context.load_cert_chain(certificate, key, password=b"")
        except ssl.SSLError as error:
            return error.reason in _OPENED
    return True


@contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Yield the path of a memory-only file with the data."""
    descriptor = os.memfd_create("edgesec", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
