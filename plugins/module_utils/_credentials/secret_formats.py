# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of secrets in files: private keys, passwords, tokens and shared keys, in clear or encoded.

A setting that names a variable, a template or an example is not a secret; nor is one in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from .._base.der import SEQUENCE
from .encodings import Layers, from_utf_16, has_run, utf_16
from .jwk import JWK_MARKER
from .key_formats import BINARY_BEGINS, BINARY_MAGICS, KEY_MARKERS, MAYBE_BINARY, binary_key, keys_in
from .markers import holds_any, searches_for
from .network_secrets import NAMED_NETWORK_READERS, NETWORK_READERS, openvpn_login
from .private_keys import Secret
from .service_secrets import IN_JSON, IN_TEXT, NAMED_READERS, TOKEN_MARKERS, TOKENS, commands, login
from .setting_values import Reader, decoded

# A NUL among a file's first bytes means that it is not text.
HEAD = 4096
# Texts that are only a key, with no marker: a NATS seed, or a Tailscale key inside base64.
_SEEDS = (b"S", b"privkey:")
_LONGEST_SEED = 80
_BRACE = ord("{")
_FIRST_BYTES = frozenset(begin[0] for begin in BINARY_BEGINS)
_SQLITE = b"SQLite format 3\0"
# The systemd-creds key: the machine ID and 4096 random bytes.
_SYSTEMD_KEY = ("credential.secret", 16 + 4096)
# A key inside one of these is part of the account, so it is reported once.
_ACCOUNTS = ("gcp", "kubeconfig")


class Found(NamedTuple):
    """The secrets found in a file.

    :ivar secrets: each once. An encrypted one may still open with an empty passphrase
        (:mod:`_credentials.passphrases`).
    :ivar cut: whether something was encoded too deep, or was too much, to follow.
    """

    secrets: list[Secret]
    cut: bool


def secrets_in(path: str, data: bytes) -> list[Secret]:
    """List the secrets in a file, each once."""
    return look_into(path, data).secrets


def look_into(path: str, data: bytes) -> Found:
    """Find the secrets in a file.

    :param path: its path; some formats are recognised only by file name.
    :param data: the whole file. For a binary file (a NUL among its first 4096 bytes) the beginning is enough, and the
        rest is not searched unless the file is UTF-16 text or an SQLite database.
    """
    as_text = text_reader(data)
    if as_text is not None:
        return look_into_text(path, as_text(data))
    name, size = _SYSTEMD_KEY
    key = binary_key(data)
    if key is None and name in path and len(data) == size:
        key = Secret("systemd_credential", encrypted=False)
    return Found([] if key is None else [key], cut=False)


def look_into_text(path: str, text: bytes) -> Found:
    """Find the secrets in a text or a piece of one."""
    layers = Layers(text, BINARY_BEGINS, _is_marked)
    found = [*_named(path, text)]
    for layer in layers:
        key = binary_key(layer)
        if key is not None:
            found.append(key)
        elif _is_marked(layer):
            found += [*keys_in(layer), *_configured(layer)]
    return Found(_each_once(found), layers.cut)


def text_reader(head: bytes) -> Optional[Callable[[bytes], bytes]]:
    """Choose the function that converts pieces of a file to text, by its first bytes; None if it is not text."""
    if not is_binary(head):
        return bytes
    if head.startswith(_SQLITE):
        return lambda piece: piece.replace(b"\0", b"\n")
    encoding = utf_16(head)
    if encoding is None:
        return None
    return lambda piece: from_utf_16(piece, encoding)


def is_binary(data: bytes) -> bool:
    """Whether a file, or its beginning, is not text."""
    return data.find(0, 0, HEAD) >= 0 or data.startswith(BINARY_MAGICS)


def may_hold_secrets(path: str, data: bytes) -> bool:
    """Whether a file deserves a closer look. Fast; False is always right.

    :param data: the whole text; for a binary file the beginning is enough.
    """
    if is_binary(data):
        begins = data[0] in _FIRST_BYTES and data.startswith(BINARY_BEGINS) and not _outgrows_der(data)
        if begins or _SYSTEMD_KEY[0] in path:
            return True
        as_text = text_reader(data)
        return as_text is not None and may_hold_secrets(path, as_text(data))
    if _is_marked(data) or has_run(data):
        return True
    if data.startswith(_BEGINS) and (data.startswith(MAYBE_BINARY) or _LOGIN_BEGIN.match(data)):
        return True
    name = path.rpartition("/")[2]
    if name.endswith(_WITH_TOKENS) and holds_any(_MARKERS_OF_TOKENS, data):
        return True
    return _NAMES.search(name) is not None or "/wireguard/" in path or "/openvpn/" in path


def _outgrows_der(data: bytes) -> bool:
    """Whether the data goes on long after the SEQUENCE that it would be in DER: an initramfs (cpio), and no key."""
    return data[0] == SEQUENCE and data[1] < 0x80 and len(data) > HEAD


def _is_marked(text: bytes) -> bool:
    if holds_any(_MARKERS_OF_JSON if _is_json(text) else _MARKERS_OF_TEXT, text):
        return True
    return ((_BRACE in text or b"%" in text) and JWK_MARKER in text) or (
        text.startswith(_SEEDS) and len(text) < _LONGEST_SEED
    )


def _is_json(data: bytes) -> bool:
    return data.find(_BRACE, 0, 64) >= 0 and data[:64].lstrip().startswith(b"{")


def _configured(data: bytes) -> Iterator[Secret]:
    seen: set[tuple[str, Reader]] = set()
    plain = None
    for marker, kind, reader in _JSON if _is_json(data) else _TEXT:
        if marker in data and (kind, reader) not in seen:
            seen.add((kind, reader))
            plain = _without_comments(data) if plain is None else plain
            if any(reader(plain)):
                yield Secret(kind, encrypted=False)


def _named(path: str, data: bytes) -> Iterator[Secret]:
    *_directories, parent, name = ("/" + path).split("/")
    plain_name = _COPY.sub("", name)
    if plain_name in _HISTORIES and any(commands(data)):
        yield Secret("shell_history", encrypted=False)
    plain = _without_comments(data)
    for pattern, kind, reader in (*NAMED_READERS, *NAMED_NETWORK_READERS):
        if pattern.fullmatch(plain_name) and any(reader(plain)):
            # A hashed password must be guessed first.
            yield Secret(kind, encrypted=kind == "password_hash")
    if _LOGIN_BEGIN.match(data) and any(login(plain)):
        yield Secret("netrc", encrypted=False)
    if name.endswith(_WITH_TOKENS) and holds_any(_MARKERS_OF_TOKENS, data) and any(TOKENS(data)):
        yield Secret("api_token", encrypted=False)
    if parent == "wireguard" and (plain_name.endswith(".key") or "priv" in name) and _is_curve_key(data):
        yield Secret("wireguard", encrypted=False)
    if "/openvpn/" in path and any(openvpn_login(data)):
        yield Secret("vpn", encrypted=False)


def _each_once(found: list[Secret]) -> list[Secret]:
    account = next((secret.kind for secret in found if secret.kind in _ACCOUNTS), None)
    if account is not None:
        public = next((secret.fingerprint for secret in found if secret.fingerprint), None)
        return [Secret(account, encrypted=False, fingerprint=public)]
    if any(secret.kind != "kubernetes" for secret in found):
        found = [secret for secret in found if secret.kind != "kubernetes"]
    return list(dict.fromkeys(found))


def _without_comments(data: bytes) -> bytes:
    return b"\n".join(line for line in data.splitlines() if not _COMMENT.match(line))


def _is_curve_key(data: bytes) -> bool:
    """Whether it is a private key as ``wg genkey`` prints it: clamped, as a public key is only by chance."""
    raw = decoded(data) if len(data) < 64 else None
    return raw is not None and len(raw) == 32 and not raw[0] & 7 and raw[31] & 0xC0 == 0x40


_JSON, _TEXT = IN_JSON, (*IN_TEXT, *NETWORK_READERS)
# Searched for in every text on the device.
_MARKERS_OF_JSON, _MARKERS_OF_TEXT = (
    searches_for((*KEY_MARKERS, *(marker for marker, _kind, _reader in readers))) for readers in (_JSON, _TEXT)
)
_MARKERS_OF_TOKENS = searches_for(TOKEN_MARKERS)
# npm has settings that begin with a registry's address.
_COMMENT = re.compile(rb"\s*(?:[#;]|//(?![^\s=]*:_))")
# What editors, packages and people append to the name of a copy.
_COPY = re.compile(
    r"(?:~|[-.](?:bak|old|orig|save|saved|backup|copy|disabled|new|dist|tmp|\d{1,14}|dpkg-\w+|ucf-\w+|rpm\w+)"
    r"|\.?20\d\d-?\d\d-?\d\d)+$"
)
_HISTORIES = frozenset(
    f".{shell}_history" for shell in ("bash", "zsh", "ash", "sh", "ksh", "mysql", "psql", "python", "fish")
) | {"fish_history"}
# Every file name that :func:`_named` treats specially contains one of these.
_NAMES = re.compile(
    r"netrc|auth|pgpass|git-cred|npmrc|pypirc|vault|redis|valkey|sentinel|users|passw|pwd|pwfile|htpass|mosq|wpa_psk|secrets"
    r"|credentials\.db|_history|\.ya?ml"
)
_BEGINS = (b"machine", b"#", b"\n", *MAYBE_BINARY)
_LOGIN_BEGIN = re.compile(rb"(?:[ \t\r\n]{0,64}#[^\n]{0,1024}\n){0,256}[ \t\r\n]{0,64}machine\s")
_WITH_TOKENS = (
    *(".env", ".conf", ".cfg", ".ini", ".json", ".yaml", ".yml", ".toml", ".properties", ".service", ".sh", ".token"),
    *(".npmrc", ".pypirc", ".vault-token", ".netrc", "git-credentials", "_history"),
)
