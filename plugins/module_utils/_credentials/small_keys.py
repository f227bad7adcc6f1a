# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of short private keys: age, NATS nkeys, minisign and signify, Tailscale, Tor services.

An age plugin identity (AGE-PLUGIN-...) is not a key: it names one that hardware keeps.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from .._base.errors import Malformed
from .private_keys import Secret
from .public_halves import edwards_info, fingerprint

AGE_MARKER, NKEY_MARKER = b"AGE-SECRET-KEY-", b"NKEY SEED"
# The algorithm, and how the key is encrypted: bcrypt, scrypt, or not at all.
SIGNIFY_BEGINS = (b"EdBK", b"EdSc", b"Ed\0\0")
TOR_BEGIN = b"== ed25519v1-secret: type0 =="
# Post-quantum hybrid keys have the same size: both store a 32-byte seed.
_AGE = re.compile(rb"AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58}(?![0-9A-Z])")
_BECH32 = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
_NKEY = re.compile(rb"(?<![A-Z2-7])S[ACNOUX][A-Z2-7]{56}(?![A-Z2-7])")
_TAILSCALE = re.compile(rb"privkey:[0-9a-f]{64}\s*")
# An Ed25519 private key followed by its public key.
_SIGNIFY_SIZE, _MINISIGN_SIZE, _TOR_SIZE = 104, 158, 96


def age_keys_in(text: bytes) -> Iterator[Secret]:
    """Yield the age identities in a text."""
    if AGE_MARKER in text:
        for match in _AGE.finditer(text):
            if _is_bech32(match.group()):
                yield Secret("age", encrypted=False)


def nkeys_in(text: bytes) -> Iterator[Secret]:
    """Yield the NATS seeds in a text whose checksum is right."""
    if NKEY_MARKER in text or _NKEY.fullmatch(text.strip()):
        for match in _NKEY.finditer(text):
            raw = base64.b32decode(match.group() + b"=" * (-len(match.group()) % 8))
            if binascii.crc_hqx(raw[:-2], 0) == int.from_bytes(raw[-2:], "little"):
                yield Secret("nkey", encrypted=False)


def tailscale_key(text: bytes) -> Iterator[Secret]:
    """Yield the key that C(tailscaled.state) holds in base64."""
    if _TAILSCALE.fullmatch(text):
        yield Secret("tailscale", encrypted=False)


def signify_key(data: bytes) -> Secret:
    """Describe a signify or minisign key.

    :raises Malformed: the data is not such a key.
    """
    if len(data) == _SIGNIFY_SIZE and data[2:4] == b"BK":
        if any(data[4:8]):
            return Secret("signify", encrypted=True)
        if hashlib.sha512(data[40:]).digest()[:8] == data[24:32]:
            return Secret("signify", encrypted=False, fingerprint=fingerprint(edwards_info("Ed25519", data[-32:])))
    if len(data) == _MINISIGN_SIZE and data[4:6] == b"B2":
        if data[2:4] == b"Sc":
            return Secret("signify", encrypted=True)
        return Secret("signify", encrypted=False, fingerprint=fingerprint(edwards_info("Ed25519", data[94:126])))
    raise Malformed("the data", "is not a signify or minisign key")


def tor_key(data: bytes) -> Secret:
    """Describe a C(hs_ed25519_secret_key) file.

    :raises Malformed: the data is not such a key.
    """
    if len(data) != _TOR_SIZE or data[len(TOR_BEGIN) : 32] != b"\0\0\0":
        raise Malformed("the data", "is not a Tor key")
    return Secret("tor", encrypted=False)


def _is_bech32(text: bytes) -> bool:
    """Whether the checksum of an age key is right (BIP 173)."""
    prefix, _one, rest = text.rpartition(b"1")
    prefix = prefix.lower()
    values = [*(byte >> 5 for byte in prefix), 0, *(byte & 31 for byte in prefix), *(_BECH32.index(b) for b in rest)]
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check == 1
