# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of what is in files: private keys in every usual form, told by their structure and not by their labels.

Documents that quote the first lines of a key, public keys, certificates and keys that were cut short are none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Optional

from ._errors import Malformed
from ._private_keys import (
    JAVA_MAGICS,
    OPENSSH_MAGIC,
    Secret,
    java_keystore,
    key_of_ssh,
    openssh_key,
    private_key,
)

# What a PEM label promises, by the kinds that may be behind it.
_LABELS: dict[bytes, tuple[str, ...]] = {
    b"RSA PRIVATE KEY": ("pkcs1_rsa",),
    b"EC PRIVATE KEY": ("sec1_ec",),
    b"DSA PRIVATE KEY": ("dsa",),
    b"PRIVATE KEY": ("pkcs8",),
    b"ANY PRIVATE KEY": ("pkcs8",),
    b"ENCRYPTED PRIVATE KEY": ("pkcs8",),
    b"TSS2 PRIVATE KEY": ("tss2",),
    b"TSS2 KEY BLOB": ("tss2",),
}
_OPENSSH, _PGP = b"OPENSSH PRIVATE KEY", b"PGP PRIVATE KEY BLOCK"
_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{3,32})-----")
# A key of RSA with 16384 bits has 13 KiB; a ring of PGP keys may have more.
_LONGEST = 64 * 1024
_MOST = 100
_AGE = re.compile(rb"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}(?![0-9A-Z])")
_BECH32 = b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"
_PUTTY = re.compile(
    rb"PuTTY-User-Key-File-[23]: (\S{1,64})\r?\nEncryption: (\S{1,32})\r?\n"
    rb"(?:Comment: [^\n]{0,1024}\r?\n)?Public-Lines: (\d{1,4})\r?\n"
)
# One of them is in every text with a key.
KEY_MARKERS = (b"PRIVATE KEY", b"TSS2 KEY BLOB", b"AGE-SECRET-KEY-1", b"PuTTY-User-Key-File-")
# With one of these begins every binary file that is a key.
BINARY_BEGINS = (*JAVA_MAGICS, b"\x30", OPENSSH_MAGIC)
# Those that are found in no text.
BINARY_MAGICS = (*JAVA_MAGICS, b"\x30\x81", b"\x30\x82", b"\x30\x80", OPENSSH_MAGIC)


def keys_in(data: bytes) -> Iterator[Secret]:
    """The private keys in a text."""
    if b"-----BEGIN " in data:
        yield from _armoured(data)
    if b"PuTTY-User-Key-File-" in data:
        yield from _putty(data)
    if b"AGE-SECRET-KEY-1" in data:
        for match in _AGE.finditer(data):
            if _is_bech32(match.group()):
                yield Secret("age", encrypted=False)


def binary_key(data: bytes) -> Optional[Secret]:
    """The private key or key store that a binary file is."""
    try:
        if data.startswith(OPENSSH_MAGIC):
            return openssh_key(data)
        return java_keystore(data) if data.startswith(JAVA_MAGICS) else private_key(data)
    except (Malformed, ValueError):
        return None


def decoded(text: bytes) -> Optional[bytes]:
    """What text in base64 holds; None where it is no base64."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return None


def _armoured(data: bytes) -> Iterator[Secret]:
    # In JSON the ends of lines are written out.
    data = data.replace(b"\\r", b"").replace(b"\\n", b"\n")
    found = 0
    for match in _BEGIN.finditer(data):
        label = match.group(1)
        if label not in _LABELS and label not in (_OPENSSH, _PGP):
            continue
        found += 1
        if found > _MOST:
            return
        end = data.find(b"-----END " + label + b"-----", match.end(), match.end() + _LONGEST)
        if end < 0:
            continue
        secret = _of_label(label, data[match.end() : end])
        if secret is not None:
            yield secret


def _of_label(label: bytes, body: bytes) -> Optional[Secret]:
    lines = [line.strip() for line in body.strip().splitlines()]
    headers = [line for line in lines if b": " in line]
    text = b"".join(line for line in lines if line not in headers)
    if label == _PGP:
        return _pgp(lines[len(headers) :])
    raw = decoded(text)
    if raw is None:
        return None
    if any(line.startswith(b"DEK-Info:") for line in headers):
        (kind,) = _LABELS.get(label, ("",))[:1]
        return Secret(kind, encrypted=True) if kind and len(raw) >= 48 and len(raw) % 8 == 0 else None
    try:
        secret = openssh_key(raw) if label == _OPENSSH else private_key(raw)
    except (Malformed, ValueError):
        return None
    if label != _OPENSSH and secret.kind not in _LABELS[label]:
        return None
    return secret


def _pgp(lines: list[bytes]) -> Optional[Secret]:
    """A ring of secret keys (RFC 4880 sections 4.2 and 6.2). Whether they are encrypted is not looked at."""
    checksum = next((line[1:] for line in lines if re.fullmatch(rb"=[A-Za-z0-9+/]{4}", line)), None)
    raw = decoded(b"".join(line for line in lines if not line.startswith(b"=")))
    if not raw or len(raw) < 32 or (checksum is not None and decoded(checksum) != _crc24(raw)):
        return None
    tag = raw[0] & 0x3F if raw[0] & 0x40 else (raw[0] & 0x3C) >> 2
    return Secret("pgp", encrypted=None) if raw[0] & 0x80 and tag == 5 else None


def _crc24(data: bytes) -> bytes:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _bit in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return (crc & 0xFFFFFF).to_bytes(3, "big")


def _putty(data: bytes) -> Iterator[Secret]:
    for match in _PUTTY.finditer(data):
        lines = data[match.end() :].splitlines()
        count = int(match.group(3))
        public = decoded(b"".join(lines[:count]))
        private = re.search(rb"Private-Lines: (\d{1,4})", b"\n".join(lines[count : count + 8]))
        if public is None or private is None:
            continue
        try:
            yield key_of_ssh(public, "putty", encrypted=match.group(2) != b"none")
        except Malformed:
            continue


def _is_bech32(text: bytes) -> bool:
    """Whether the checksum is right (BIP 173), without which a text is no key of age."""
    prefix, _one, rest = text.rpartition(b"1")
    prefix = prefix.lower()
    values = [*(byte >> 5 for byte in prefix), 0, *(byte & 31 for byte in prefix), *(_BECH32.index(b) for b in rest)]
    check = 1
    for value in values:
        top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check == 1
