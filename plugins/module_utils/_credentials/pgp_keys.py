# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of OpenPGP secret keys (RFC 4880, RFC 9580) and gpg-agent keys (GnuPG's keyformat.txt)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, NoReturn, Optional

from .._base.errors import Malformed
from .private_keys import Secret

# First bytes of a secret key ring: tag 5 with a length of one, two or four bytes, and in the newer format.
PGP_BEGINS = (b"\x94", b"\x95", b"\x96", b"\xc5")
# Canonical S-expressions.
AGENT_BEGINS = (b"(11:private-key", b"(21:protected-private-key", b"(20:shadowed-private-key")
AGENT_MARKERS = (b"(private-key", b"(protected-private-key")
_SECRET_KEY, _SECRET_SUBKEY = 5, 7
_MOST_PACKETS = 1000
# By algorithm: the count of MPIs in the public half; the algorithms on curves; the sizes of raw public keys.
_NUMBERS = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4, 20: 3}
_ON_CURVES, _ECDH = (18, 19, 22), 18
_PLAIN = {25: 32, 26: 56, 27: 32, 28: 57}
_S2K_CHECKED = (253, 254, 255)
_GNU_DUMMY = 101
_AGENT_TEXT = re.compile(rb"(?m)^Key:\s*\((private-key|protected-private-key)\s*\(")
# The secret numbers: d of RSA and of curves, x of DSA and Elgamal.
_AGENT_NUMBER = re.compile(rb"\((?:1:)?[dx]\s*(?:#[0-9A-Fa-f\s]{16,}#|\d{1,4}:)")


class _Key(NamedTuple):
    """A secret key: whether it contains its secret, and whether that is encrypted (None: unknown algorithm)."""

    there: bool
    encrypted: Optional[bool]


def pgp_keys(data: bytes) -> Secret:
    """Describe a secret key ring. It counts as encrypted only if every key is.

    :raises Malformed: the data is not a key ring, or its secrets are on a card or left out (GNU-dummy).
    """
    keys: list[_Key] = []
    try:
        for number, (tag, body) in enumerate(_packets(data)):
            if tag in (_SECRET_KEY, _SECRET_SUBKEY):
                keys.append(_key(body))
            elif number == 0:
                break
    except Malformed:
        # Keys before a truncation can still be used.
        if not keys:
            raise
    there = [each.encrypted for each in keys if each.there]
    if not there:
        raise Malformed("the data", "is not a secret key ring")
    return Secret("pgp", encrypted=False if False in there else None if None in there else True)


def agent_key(data: bytes) -> Secret:
    """Describe a file of private-keys-v1.d. A key on a card (shadowed) does not count.

    :raises Malformed: the file holds no private key.
    """
    if data.startswith(AGENT_BEGINS[1]) and b"(9:protected" in data:
        return Secret("pgp", encrypted=True)
    if data.startswith(AGENT_BEGINS[0]) and _AGENT_NUMBER.search(data):
        return Secret("pgp", encrypted=False)
    raise Malformed("the data", "is not a gpg-agent key")


def agent_keys_in(text: bytes) -> Iterator[Secret]:
    """Yield gpg-agent keys in the newer format, which stores the expression in a text field."""
    for match in _AGENT_TEXT.finditer(text):
        rest = text[match.end() :]
        if match.group(1) != b"private-key":
            if b"(protected " in rest:
                yield Secret("pgp", encrypted=True)
        elif _AGENT_NUMBER.search(rest):
            yield Secret("pgp", encrypted=False)


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _packet in range(_MOST_PACKETS):
        if at == len(data):
            return
        first = data[at]
        if not first & 0x80:
            _no_packet()
        if first & 0x40:
            tag, size, begin = first & 0x3F, *_new_length(data, at + 1)
        else:
            tag, width = first >> 2 & 0x0F, 1 << (first & 3)
            begin = at + 1 + width
            size = int.from_bytes(data[at + 1 : begin], "big")
            # Without a length it extends to the end.
            size, begin = (len(data) - at - 1, at + 1) if width == 8 else (size, begin)
        if begin + size > len(data):
            _no_packet()
        yield tag, data[begin : begin + size]
        at = begin + size


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """Parse a length in the newer format; return it and the body's offset. Keys have no partial lengths."""
    header = data[at : at + 5]
    if not header or 224 <= header[0] < 255 or len(header) < (1 if header[0] < 192 else 2):
        _no_packet()
    if header[0] < 192:
        return header[0], at + 1
    if header[0] < 224:
        return (header[0] - 192 << 8) + header[1] + 192, at + 2
    return int.from_bytes(header[1:], "big"), at + 5


def _key(body: bytes) -> _Key:
    if len(body) < 24 or body[0] not in (3, 4, 5, 6):
        _no_packet()
    version = body[0]
    algorithm = body[7] if version == 3 else body[5]
    if version >= 5:
        at: Optional[int] = 10 + int.from_bytes(body[6:10], "big")
    else:
        at = _end_of_public(body, 8 if version == 3 else 6, algorithm)
    if at is None:
        return _Key(there=True, encrypted=None)
    usage, rest = body[at : at + 1], body[at + 1 :]
    if len(rest) < 6:
        _no_packet()
    if usage == b"\0":
        return _Key(there=True, encrypted=False)
    if usage[0] in _S2K_CHECKED and b"GNU" in rest[:12] and _GNU_DUMMY in rest[:8]:
        return _Key(there=False, encrypted=None)
    if len(rest) < 24:
        _no_packet()
    return _Key(there=True, encrypted=True)


def _end_of_public(body: bytes, at: int, algorithm: int) -> Optional[int]:
    """The offset after the public numbers; None for an unknown algorithm."""
    if algorithm in _PLAIN:
        return at + _PLAIN[algorithm]
    if algorithm in _NUMBERS:
        return _skip(body, at, _NUMBERS[algorithm])
    if algorithm not in _ON_CURVES:
        return None
    at = _skip(body, at + 1 + body[at], 1)
    return at + 1 + (body[at : at + 1] or b"\0")[0] if algorithm == _ECDH else at


def _skip(body: bytes, at: int, numbers: int) -> int:
    for _number in range(numbers):
        at += 2 + (int.from_bytes(body[at : at + 2], "big") + 7) // 8
    return at


def _no_packet() -> NoReturn:
    raise Malformed("the data", "is not a secret key packet")
