# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of private keys in every usual format, recognised by structure rather than by label.

Documents that quote a key's first lines, public keys, certificates and truncated keys do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Callable, Optional

from .._base.der import SEQUENCE, sequence
from .._base.errors import Malformed
from .java_keystores import BOUNCY_BEGINS, JAVA_MAGICS, bcfks, java_keystore
from .jwk import jwks_in
from .pgp_keys import AGENT_BEGINS, AGENT_MARKERS, PGP_BEGINS, agent_key, agent_keys_in, pgp_keys
from .private_keys import Secret, private_key
from .setting_values import decoded
from .small_keys import (
    AGE_MARKER,
    NKEY_MARKER,
    SIGNIFY_BEGINS,
    TOR_BEGIN,
    age_keys_in,
    nkeys_in,
    signify_key,
    tailscale_key,
    tor_key,
)
from .ssh_keys import DROPBEAR_BEGINS, OPENSSH_MAGIC, SSH_COM_MAGIC, dropbear_key, key_of_ssh, openssh_key, ssh_com_key


def _in_der(der: bytes) -> Secret:
    fields = sequence(der)
    return bcfks(fields) if [field.tag for field in fields] == [SEQUENCE, SEQUENCE] else private_key(der)


# The kinds of key that each PEM label allows. Any kind may follow another label.
_LABELS: dict[bytes, tuple[str, ...]] = {
    b"RSA PRIVATE KEY": ("pkcs1_rsa",),
    b"EC PRIVATE KEY": ("sec1_ec",),
    b"SM2 PRIVATE KEY": ("sec1_ec",),
    b"DSA PRIVATE KEY": ("dsa",),
    b"PRIVATE KEY": ("pkcs8",),
    b"ENCRYPTED PRIVATE KEY": ("pkcs8",),
    b"TSS2 PRIVATE KEY": ("tss2",),
    b"TSS2 KEY BLOB": ("tss2",),
    b"OPENSSH PRIVATE KEY": ("openssh",),
    b"SSH2 ENCRYPTED PRIVATE KEY": ("ssh_com",),
    b"PGP PRIVATE KEY BLOCK": ("pgp",),
}
# SSH.com writes fewer dashes, and a space.
_BEGIN = re.compile(rb"----(-|\s)BEGIN ([A-Z0-9 ]{3,32}(?:KEY|BLOCK|BLOB))\1----")
# A 16384-bit RSA key takes 13 KiB; a PGP key ring may take more.
_LONGEST = 64 * 1024
_MOST = 100
_LEGACY = re.compile(rb"Proc-Type:\s{0,4}4,ENCRYPTED\s{1,8}DEK-Info:\s{0,4}([A-Za-z0-9-]{1,32},[0-9A-Fa-f]{8,64})")
_SMALLEST_LOCKED = 48
# What programs put between the lines of a key: list quotes and commas, comment signs and quotation marks.
_JUNK = b" \t\r\n\f\"'`,;#>|*\\="
_PUTTY = re.compile(
    rb"PuTTY-User-Key-File-[23]: (\S{1,64})\r?\nEncryption: (\S{1,32})\r?\n"
    rb"(?:Comment: [^\n]{0,1024}\r?\n)?Public-Lines: (\d{1,4})\r?\n"
)
# Every text with a key contains one of these.
KEY_MARKERS = (
    *(b"PRIVATE KEY", b"TSS2 KEY BLOB", b"PuTTY-User-Key-File-", AGE_MARKER, NKEY_MARKER),
    *AGENT_MARKERS,
    # The first one with its space encoded.
    *(b"PRIVATE%20KEY", b"PRIVATE%25", b"PRIVATE+KEY", b"PRIVATE=20KEY", b"PRIVATE&#32;KEY", b"PRIVATE\\u0020KEY"),
)
_BINARY: tuple[tuple[tuple[bytes, ...], Callable[[bytes], Secret]], ...] = (
    ((b"\x30",), _in_der),
    ((OPENSSH_MAGIC,), openssh_key),
    ((SSH_COM_MAGIC,), ssh_com_key),
    (DROPBEAR_BEGINS, dropbear_key),
    ((*JAVA_MAGICS, *BOUNCY_BEGINS), java_keystore),
    (PGP_BEGINS, pgp_keys),
    (AGENT_BEGINS, agent_key),
    (SIGNIFY_BEGINS, signify_key),
    ((TOR_BEGIN,), tor_key),
)
# Every binary key file begins with one of these.
BINARY_BEGINS = tuple(begin for begins, _reader in _BINARY for begin in begins)
# Beginnings that no text has.
BINARY_MAGICS = (
    *JAVA_MAGICS,
    *(b"\x30\x81", b"\x30\x82", b"\x30\x80"),
    *(OPENSSH_MAGIC, SSH_COM_MAGIC),
    *AGENT_BEGINS,
)
# A small key or a PGP ring may contain no byte that distinguishes it from text.
MAYBE_BINARY = (*PGP_BEGINS, b"\x30")


def keys_in(data: bytes) -> Iterator[Secret]:
    """Yield the private keys in a text."""
    if b"-BEGIN " in data or b" BEGIN SSH2" in data:
        yield from _armoured(data)
    if b"PuTTY-User-Key-File-" in data:
        yield from _putty(data)
    yield from age_keys_in(data)
    yield from nkeys_in(data)
    yield from tailscale_key(data)
    if b"kty" in data:
        yield from jwks_in(data)
    if any(marker in data for marker in AGENT_MARKERS):
        yield from agent_keys_in(data)


def binary_key(data: bytes) -> Optional[Secret]:
    """Recognise a binary file as a private key or key store; None if it is neither."""
    for begins, reader in _BINARY:
        if data.startswith(begins):
            try:
                return reader(data)
            except (Malformed, ValueError, IndexError):
                return None
    return None


def _armoured(data: bytes) -> Iterator[Secret]:
    found = 0
    for match in _BEGIN.finditer(data):
        dash, label = match.groups()
        if not label.endswith(b"PRIVATE KEY") and label not in _LABELS:
            continue
        found += 1
        if found > _MOST:
            return
        end = data.find(b"----" + dash + b"END " + label + dash + b"----", match.end(), match.end() + _LONGEST)
        if end < 0:
            continue
        secret = _of_label(label, data[match.end() : end])
        if secret is not None:
            yield secret


def _of_label(label: bytes, body: bytes) -> Optional[Secret]:
    legacy = _LEGACY.search(body)
    if legacy is not None:
        body = body[legacy.end() :]
    lines = [line for line in body.splitlines() if b":" not in line]
    checksum = None
    if label == b"PGP PRIVATE KEY BLOCK":
        checksum = next((line.strip()[1:] for line in lines if re.fullmatch(rb"\s*=[A-Za-z0-9+/]{4}\s*", line)), None)
        lines = [line for line in lines if not line.lstrip().startswith(b"=")]
    plain = b"".join(lines).translate(None, _JUNK)
    raw = decoded(plain + b"=" * (-len(plain) % 4))
    if not raw or (checksum is not None and decoded(checksum) != _crc24(raw)):
        return None
    if legacy is not None:
        return _legacy(label, legacy.group(1), plain) if len(raw) >= _SMALLEST_LOCKED and len(raw) % 8 == 0 else None
    secret = binary_key(raw)
    return secret if secret is not None and secret.kind in _LABELS.get(label, (secret.kind,)) else None


def _legacy(label: bytes, cipher: bytes, text: bytes) -> Optional[Secret]:
    """A key encrypted as in RFC 1421."""
    kinds = _LABELS.get(label, ("pkcs8",))
    head = b"-----BEGIN %s-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: %s\n\n" % (label, cipher)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    padding = b"=" * (-len(text) % 4)
    return Secret(kinds[0], encrypted=True, locked=head + lines + padding + b"\n-----END %s-----\n" % label)


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
