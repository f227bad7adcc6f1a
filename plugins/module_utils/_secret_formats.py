# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of what is in files: passwords, tokens and shared keys in the configuration of well-known programs.

A setting that names a variable, a template or an example is no secret, nor is one in a comment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ._key_formats import BINARY_MAGICS, KEY_MARKERS, binary_key, decoded, keys_in
from ._markers import holds_any, searches_for
from ._private_keys import Secret

# In the first bytes of a file NUL tells that it is no text.
HEAD = 4096
_LONGEST_LINE = 4096

# The values of secrets in a text.
_Reader = Callable[[bytes], Iterator[bytes]]
# What a text with such a secret has in it, the kind, and the reader.
_Readers = tuple[tuple[bytes, str, _Reader], ...]

_WIREGUARD = re.compile(rb"(?m)^\s*PrivateKey\s*=\s*([A-Za-z0-9+/]{43}=)\s*$")
_AWS = re.compile(rb"(?i)secret_?access_?key[\"']?\s{0,8}[:=]\s{0,8}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_AZURE_ACCOUNT = re.compile(rb"AccountKey=([A-Za-z0-9+/]{86}==)")
_AZURE_SHARED = re.compile(rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)")
_TOKENS = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:gh[pousr]_([A-Za-z0-9]{36})|github_pat_([A-Za-z0-9_]{82})|glpat-([A-Za-z0-9_-]{20})"
    rb"|xox[bp]-([0-9]{9,14}-[A-Za-z0-9-]{12,64})|hvs\.([A-Za-z0-9_-]{24,120}))(?![A-Za-z0-9_-])"
)
_PIN = re.compile(
    rb"pkcs11:[^\s\"']{0,512}[;?&]pin-value=([^;&\s\"']{1,64})"
    rb"|(?m:^\s*pkcs11-module-token-pin\s*=\s*([^\s#]{1,64})\s*$)"
    rb"|[\"']?\b(?:userPin|slotUserPin)[\"']?\s{0,8}:\s{0,8}[\"']?([^\s\"',}]{1,64})"
)
_PSK = re.compile(rb"(?m)^\s*(?:psk|sae_password|Passphrase|PreSharedKey)=(\"[^\"\n]{8,63}\"|[^\"\n]{8,64})\s*$")
_NETPLAN = re.compile(rb"(?m)^\s+(?:password|psk):\s*(\"[^\"\n]{8,64}\"|'[^'\n]{8,64}'|[^\s#\"'][^\n#]{7,63})\s*$")
_CLIENT_KEY = re.compile(rb"client-key-data:\s{0,8}[\"']?([A-Za-z0-9+/=]{64,32768})")
_NETRC = re.compile(rb"\b(?:machine\s+\S{1,255}|default)\s+(?:login\s+\S{1,255}\s+)?password\s+(\S{1,1024})")
_PGPASS = re.compile(rb"(?m)^(?:(?:\\.|[^:\\\n#]){1,255}:){4}([^\n]{1,1024})$")
_URL = re.compile(rb"(?m)(?:^|\s)https?://[^\s/:@]{0,255}:([^\s/@]{1,1024})@[^\s/@]{1,255}")
_HISTORY = re.compile(
    rb"\bsshpass\s+-p\s*(\S+)"
    rb"|\b(?:curl|wget)\s.{0,512}?(?:-u|--user)[ =][^\s:]{1,64}:(\S+)"
    rb"|\s--?(?:password|passwd|passphrase|token|secret|api-key)[ =](\S+)"
    rb"|\bmysql(?:dump)?\s.{0,256}?-p([^\s-]\S*)"
    rb"|\b[A-Z0-9_]{0,64}(?:SECRET|PASSWORD|PASSWD|TOKEN|API_KEY|ACCESS_KEY)[A-Z0-9_]{0,32}=(\S+)"
)
_EXAMPLES = re.compile(
    rb"(?i)example|placeholder|change_?me|replace_?me|your[_-]|\.\.\.|\*\*\*|xxxx|\$\{|\{\{|%\(|^\$|^<|^%|@@"
)


def secrets_in(path: str, data: bytes) -> list[Secret]:
    """The secrets in a file, each once.

    :param path: what it is called; some formats are known by their names alone.
    :param data: all of it. Of a binary file (a NUL byte is among its first 4096) the beginning is enough to tell what
        it is, and what else is in it is not looked at.
    """
    if is_binary(data):
        key = binary_key(data)
        return [] if key is None else [key]
    found = [*keys_in(data), *_configured(data), *_named(path, data)]
    if any(secret.kind == "gcp" for secret in found):
        # The key in the account is the account.
        public = next((secret.fingerprint for secret in found if secret.fingerprint), None)
        found = [Secret("gcp", encrypted=False, fingerprint=public)]
    return list(dict.fromkeys(found))


def is_binary(data: bytes) -> bool:
    """Whether a file, or its first bytes, are no text."""
    return 0 in data[:HEAD] or data.startswith(BINARY_MAGICS)


def may_hold_secrets(path: str, data: bytes) -> bool:
    """Whether it is worth while to look closer at a text: quick, and never wrong where it says no."""
    if holds_any(_MARKERS_OF_JSON if _is_json(data) else _MARKERS_OF_TEXT, data):
        return True
    name = path.rpartition("/")[2]
    if name.endswith(_WITH_TOKENS) and holds_any(_MARKERS_OF_TOKENS, data):
        return True
    return name in _NAMES or name in _HISTORIES or "/wireguard/" in path


def _is_json(data: bytes) -> bool:
    head = data[:64]
    return ord("{") in head and head.lstrip().startswith(b"{")


def _configured(data: bytes) -> Iterator[Secret]:
    for marker, kind, reader in _IN_JSON if _is_json(data) else _IN_TEXT:
        if marker in data and any(reader(_without_comments(data))):
            yield Secret(kind, encrypted=False)


def _named(path: str, data: bytes) -> Iterator[Secret]:
    *_directories, parent, name = ("/" + path).split("/")
    if name in _HISTORIES and any(_commands(data)):
        yield Secret("shell_history", encrypted=False)
    if name in _NAMES:
        kind, reader = _NAMES[name]
        if any(reader(_without_comments(data))):
            yield Secret(kind, encrypted=False)
    if name.endswith(_WITH_TOKENS) and holds_any(_MARKERS_OF_TOKENS, data) and any(_mixed(_TOKENS)(data)):
        yield Secret("api_token", encrypted=False)
    if parent == "wireguard" and (name.endswith(".key") or "priv" in name) and _is_curve_key(data):
        yield Secret("wireguard", encrypted=False)


def _without_comments(data: bytes) -> bytes:
    return b"\n".join(line for line in data.splitlines() if not line.lstrip().startswith((b"#", b";", b"//")))


def _values(pattern: re.Pattern[bytes], data: bytes) -> Iterator[bytes]:
    for match in pattern.finditer(data):
        value = next((group for group in match.groups() if group is not None), b"").strip(b"\"'")
        if not is_example(value):
            yield value


def is_example(value: bytes) -> bool:
    """Whether a value stands for a secret without being one."""
    return len(set(value)) < min(4, len(value)) or _EXAMPLES.search(value) is not None


def _keys_of(pattern: re.Pattern[bytes], size: int) -> _Reader:
    def reader(data: bytes) -> Iterator[bytes]:
        for value in _values(pattern, data):
            raw = decoded(value)
            if raw is not None and len(raw) == size and len(set(raw)) > size // 4:
                yield value

    return reader


def _by(pattern: re.Pattern[bytes]) -> _Reader:
    return lambda data: _values(pattern, data)


def _is_curve_key(data: bytes) -> bool:
    """Whether it is a private key as ``wg genkey`` prints one: clamped, which a public key is by chance alone."""
    raw = decoded(data) if len(data) < 64 else None
    return raw is not None and len(raw) == 32 and not raw[0] & 7 and raw[31] & 0xC0 == 0x40


def _mixed(pattern: re.Pattern[bytes]) -> _Reader:
    """Values that look as if drawn by lot: letters and digits, and many different ones."""

    def reader(data: bytes) -> Iterator[bytes]:
        for value in _values(pattern, data):
            if len(set(value)) >= 10 and re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value):
                yield value

    return reader


def _client_key(data: bytes) -> Iterator[bytes]:
    for match in _CLIENT_KEY.finditer(data):
        if any(keys_in(decoded(match.group(1)) or b"")):
            yield match.group(1)


def _gcp(data: bytes) -> Iterator[bytes]:
    document = _json(data)
    kind = document.get("type")
    if kind == "service_account" and any(keys_in(str(document.get("private_key")).encode())):
        yield b"private_key"
    if kind == "authorized_user" and not is_example(str(document.get("refresh_token") or "").encode()):
        yield b"refresh_token"


def _docker(data: bytes) -> Iterator[bytes]:
    registries = _json(data).get("auths")
    for registry in registries.values() if isinstance(registries, dict) else ():
        login = registry.get("auth") if isinstance(registry, dict) else None
        raw = decoded(login.encode()) if isinstance(login, str) else None
        if raw and re.fullmatch(rb"[^:\0]+:[^\0]+", raw, re.DOTALL):
            yield raw


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _commands(data: bytes) -> Iterator[bytes]:
    for line in data.splitlines():
        yield from _values(_HISTORY, line[:_LONGEST_LINE])


_ANYWHERE: _Readers = (
    (b"ecretAccessKey", "aws", _mixed(_AWS)),
    (b"AccountKey=", "azure", _keys_of(_AZURE_ACCOUNT, 64)),
    (b"SharedAccessKey=", "azure", _keys_of(_AZURE_SHARED, 32)),
    (b"userPin", "pkcs11_pin", _by(_PIN)),
)
_IN_JSON: _Readers = (
    *_ANYWHERE,
    (b'"service_account"', "gcp", _gcp),
    (b'"authorized_user"', "gcp", _gcp),
    (b'"auths"', "docker_auth", _docker),
    (b"slotUserPin", "pkcs11_pin", _by(_PIN)),
)
_IN_TEXT: _Readers = (
    *_ANYWHERE,
    (b"PrivateKey", "wireguard", _keys_of(_WIREGUARD, 32)),
    (b"ecret_access_key", "aws", _mixed(_AWS)),
    (b"ECRET_ACCESS_KEY", "aws", _mixed(_AWS)),
    (b"client-key-data:", "kubeconfig", _client_key),
    (b"network={", "wifi", _by(_PSK)),
    (b"-security]", "wifi", _by(_PSK)),
    (b"[Security]", "wifi", _by(_PSK)),
    (b"access-points:", "wifi", _by(_NETPLAN)),
    (b"pin-value=", "pkcs11_pin", _by(_PIN)),
    (b"module-token-pin", "pkcs11_pin", _by(_PIN)),
)
# Looked for in every text of the device.
_MARKERS_OF_JSON, _MARKERS_OF_TEXT = (
    searches_for((*KEY_MARKERS, *(marker for marker, _kind, _reader in readers))) for readers in (_IN_JSON, _IN_TEXT)
)
_MARKERS_OF_TOKENS = searches_for(
    (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"xoxb-", b"xoxp-", b"hvs.")
)
_NAMES: dict[str, tuple[str, _Reader]] = {
    **dict.fromkeys((".netrc", "_netrc", "netrc"), ("netrc", _by(_NETRC))),
    **dict.fromkeys((".pgpass", "pgpass.conf"), ("pgpass", _by(_PGPASS))),
    **dict.fromkeys((".git-credentials", "git-credentials"), ("git_credentials", _by(_URL))),
}
_HISTORIES = frozenset(
    f".{shell}_history" for shell in ("bash", "zsh", "ash", "sh", "ksh", "mysql", "psql", "python", "fish")
) | {"fish_history"}
_WITH_TOKENS = (
    *(".env", ".conf", ".cfg", ".ini", ".json", ".yaml", ".yml", ".toml", ".properties", ".service", ".sh", ".token"),
    *(".npmrc", ".pypirc", ".vault-token", ".netrc", "git-credentials", "_history"),
)
