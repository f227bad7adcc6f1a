# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of Java key stores: JKS and JCEKS (JavaKeyStore.java of OpenJDK), and Bouncy Castle's BKS, UBER and
BCFKS (BcKeyStoreSpi.java, BcFKSKeyStoreSpi.java).
"""

from __future__ import annotations

import struct
from typing import NoReturn

from .._base.der import OCTET_STRING, OID, SEQUENCE, Field, encode, sequence
from .._base.errors import Malformed
from .private_keys import Secret

JAVA_MAGICS = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
# Version 1 or 2, and a salt of 20 bytes.
BOUNCY_BEGINS = (b"\0\0\0\x01\0\0\0\x14", b"\0\0\0\x02\0\0\0\x14")
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_MOST_ENTRIES = 10_000
_CERTIFICATE, _KEY, _SECRET, _SEALED = 1, 2, 3, 4
_PRIVATE, _SYMMETRIC = 0, 2


def java_keystore(data: bytes) -> Secret:
    """Describe a key store that holds a key.

    :raises Malformed: the data is not a key store, or holds only certificates.
    """
    try:
        if data.startswith(JAVA_MAGICS):
            return _jks(data)
        return _bouncy_castle(data)
    except struct.error:
        _no_store()


def bcfks(fields: list[Field]) -> Secret:
    """Describe a BCFKS key store. All of it is encrypted, so whether it holds a key is unknown.

    :param fields: the fields of the outermost SEQUENCE.
    :raises Malformed: the data is not a BCFKS key store.
    """
    store, check = (sequence(encode(SEQUENCE, field.content)) for field in fields)
    if [field.tag for field in store] != [SEQUENCE, OCTET_STRING] or len(check) < 2 or check[0].tag != SEQUENCE:
        _no_store()
    algorithm = sequence(encode(SEQUENCE, store[0].content))
    if not algorithm or algorithm[0] != Field(OID, _PBES2):
        _no_store()
    return Secret("java_keystore", encrypted=True, locked=encode(SEQUENCE, *(encode(*field) for field in fields)))


def _jks(data: bytes) -> Secret:
    version, count = struct.unpack_from(">4xII", data)
    at = 12
    if version not in (1, 2):
        _no_store()
    for _entry in range(min(count, _MOST_ENTRIES)):
        (tag,) = struct.unpack_from(">I", data, at)
        at = _skip(data, at + 4, ">H") + 8
        if tag in (1, 3):
            # Keys are always encrypted; certificates follow them.
            if tag == 1 and _skip(data, at, ">I") + 4 > len(data):
                _no_store()
            return Secret("java_keystore", encrypted=True, locked=data)
        at = _skip(data, _skip(data, at, ">H") if version == 2 else at, ">I")
    return _no_store()


def _bouncy_castle(data: bytes) -> Secret:
    """BKS names its entries in clear and encrypts the keys; UBER encrypts the whole of it."""
    if not data.startswith(BOUNCY_BEGINS) or not 0 < struct.unpack_from(">I", data, 28)[0] <= 10_000_000:
        _no_store()
    at = 32
    try:
        for _entry in range(_MOST_ENTRIES):
            tag = data[at]
            if tag == 0 and len(data) - at - 1 == 20:
                break
            at = _skip(data, at + 1, ">H") + 8
            (chain,) = struct.unpack_from(">I", data, at)
            at += 4
            for _certificate in range(min(chain, 100)):
                at = _skip(data, _skip(data, at, ">H"), ">I")
            if tag in (_SECRET, _SEALED) and _skip(data, at, ">I") <= len(data):
                return Secret("java_keystore", encrypted=True, locked=data)
            if tag == _KEY and data[at] in (_PRIVATE, _SYMMETRIC):
                return Secret("java_keystore", encrypted=False)
            if tag != _CERTIFICATE:
                raise IndexError
            at = _skip(data, _skip(data, at, ">H"), ">I")
        _no_store()
    except (IndexError, struct.error):
        if len(data) < 100 or data[3] != 1 or _is_orderly(data[32:]):
            _no_store()
        # Trying the empty passphrase would need Twofish.
        return Secret("java_keystore", encrypted=None)


def _is_orderly(data: bytes) -> bool:
    """Whether bytes are too regular for ciphertext: among 64 random bytes, more than 40 differ."""
    return len(set(data[:64])) < 40 or len(data) < 64


def _no_store() -> NoReturn:
    raise Malformed("the data", "is not a Java key store with a key")


def _skip(data: bytes, at: int, length: str) -> int:
    """The offset after a length-prefixed string."""
    (size,) = struct.unpack_from(length, data, at)
    return at + struct.calcsize(length) + int(size)
