# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of secrets in the configuration of services, clouds and command-line tools."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .key_formats import keys_in
from .setting_values import Reader, Readers, by, decoded, is_example, json_object, keys_of, mixed, values, within

_LONGEST_LINE = 4096

_AWS = re.compile(rb"(?i)secret_?access_?key[\"']?\s{0,8}[:=]\s{0,8}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_AZURE_ACCOUNT = re.compile(rb"AccountKey=([A-Za-z0-9+/]{86}==)")
_AZURE_SHARED = re.compile(rb"SharedAccessKey=([A-Za-z0-9+/]{43}=)")
# The Azure CLI's token caches (MSAL, and ADAL before it).
_AZURE_CACHE = re.compile(rb"\"(?:secret|refreshToken)\"\s{0,8}:\s{0,8}\"([^\"\\\s]{32,8192})\"")
_GCP_CACHE = re.compile(rb"\"refresh_token\"\s{0,8}:\s{0,8}\"([^\"\\\s]{20,2048})\"")
_TOKENS = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:gh[pousr]_([A-Za-z0-9]{36})|github_pat_([A-Za-z0-9_]{82})|glpat-([A-Za-z0-9_-]{20})"
    rb"|xox[bp]-([0-9]{9,14}-[A-Za-z0-9-]{12,64})|hvs\.([A-Za-z0-9_-]{24,120})|pypi-(AgE[A-Za-z0-9_-]{50,512}))(?![A-Za-z0-9_-])"
)
_NPM = re.compile(
    rb"(?m)^[^#;\n]{0,512}?(?:\b|_)_(?:authToken|auth|password)\s{0,8}=\s{0,8}([^\s$]{8,2048})[ \t\r]{0,64}$"
)
_PIP = re.compile(rb"(?m)^[ \t]{0,64}password\s{0,8}[:=]\s{0,8}([^\n]{4,2048}?)[ \t\r]{0,64}$")
_VAULT = re.compile(rb"\s{0,64}(?:hv[sbr]|[sbr])\.([A-Za-z0-9_-]{24,200})\s{0,64}")
_K3S = re.compile(rb"\bK10[0-9a-f]{64}::[\w.-]{1,64}:([^\s:]{8,256})")
_PIN = re.compile(
    rb"pkcs11:[^\s\"']{0,512}[;?&]pin-value=([^;&\s\"']{1,64})"
    rb"|(?m:^[ \t]{0,64}pkcs11-module-token-pin\s{0,64}=\s{0,64}([^\s#]{1,64})[ \t\r]{0,64}$)"
    rb"|[\"']?\b(?:userPin|slotUserPin)[\"']?\s{0,8}:\s{0,8}[\"']?([^\s\"',}]{1,64})"
)
_CLIENT_KEY = re.compile(rb"client-key-data[\"']?:\s{0,8}[\"']?([A-Za-z0-9+/=]{64,32768})")
_KUBE_TOKEN = re.compile(
    rb"(?m)^[ \t]{0,64}-?\s{1,64}[\"']?(?:token|password)[\"']?:\s{0,8}([^\s#]{8,4096})[ \t\r]{0,64}$"
)
_IS_KUBECONFIG = re.compile(rb"(?m)^kind:\s{0,8}[\"']?Config\b")
_IS_KUBE_SECRET = re.compile(
    rb"(?m)^\s{0,16}kind:\s{0,8}[\"']?Secret[\"']?[ \t\r]{0,64}$|\"kind\"\s{0,8}:\s{0,8}\"Secret\""
)
_KUBE_DATA = re.compile(rb"(?m)^([ \t]{0,16})(?:data|stringData):[ \t]*\n((?:\1[ \t]+[^\n]*(?:\n|\Z)){1,1000})")
_KUBE_VALUE = re.compile(rb"(?m)^[ \t]+[\"']?[\w.-]{1,253}[\"']?:[ \t]+([^\s|>][^\n]{0,65536})$")
_LOGIN = re.compile(
    rb"\b(?:machine\s{1,64}\S{1,255}|default)\s{1,64}(?:(?:login|account)\s{1,64}\S{1,255}\s{1,64}){0,2}password\s{1,64}(\S{1,1024})"
)
_PGPASS = re.compile(rb"(?m)^(?:(?:\\.|[^:\\\n#]){1,255}:){4}([^\n]{1,1024})$")
_URL = re.compile(rb"(?m)(?:^|\s)https?://[^\s/:@]{0,255}:([^\s/@]{1,1024})@[^\s/@]{1,255}")
_BEGIN, _END = rb"(?m:^)[ \t]{0,64}", rb"[ \t\r]{0,64}(?m:$)"
_MYSQL = re.compile(
    _BEGIN + rb"\[(?:client|mysql)[\w.-]{0,64}\][ \t\r]{0,64}(?:\n(?![ \t]{0,64}\[)[^\n]*){0,100}?\n[ \t]{0,64}"
    rb"(?:password|pass)[ \t]{0,64}=[ \t]{0,64}([^\n]{1,256}?)" + _END
)
_MOSQUITTO = re.compile(_BEGIN + rb"(?:remote_password|bridge_psk)[ \t]{1,64}([^\n]{1,512}?)" + _END)
# mosquitto_passwd(1) and htpasswd(1). A shadow(5) line has more fields, so it does not match.
_HASHES = re.compile(
    rb"(?m)^[^:\s#]{1,128}:(\$6\$[A-Za-z0-9+/=]{8,64}\$[A-Za-z0-9+/=]{86,88}"
    rb"|\$7\$\d{1,9}\$[A-Za-z0-9+/=]{8,128}\$[A-Za-z0-9+/=]{86,88}|\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}"
    rb"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}|\$argon2[id]{1,2}\$[^:\s]{40,256})[ \t\r]{0,64}$"
)
_REDIS = re.compile(
    _BEGIN + rb"(?:requirepass|masterauth|sentinel[ \t]{1,64}auth-pass[ \t]{1,64}\S{1,128})[ \t]{1,64}"
    rb"[\"']?([^\s\"']{1,512})[\"']?" + _END + rb"|" + _BEGIN + rb"user[ \t]{1,64}\S{1,128}\s[^\n#]{0,512}?>(\S{1,512})"
)
_DNSSEC = re.compile(
    rb"(?m)^(?:PrivateExponent|PrivateKey|Key|Private_value\(x\)):\s{0,8}([A-Za-z0-9+/=]{16,4096})[ \t\r]{0,64}$"
)
_TSIG = re.compile(
    rb"algorithm\s{1,64}[\"']?hmac-[\w-]{2,16}[\"']?\s{0,64};\s{0,64}secret\s{1,64}\"([A-Za-z0-9+/=]{16,256})\"\s{0,64};"
)
_HISTORY = re.compile(
    rb"\bsshpass\s{1,64}-p\s{0,64}(\S+)"
    rb"|\b(?:curl|wget)\s.{0,512}?(?:-u|--user)[ =][^\s:]{1,64}:(\S+)"
    rb"|\s--?(?:password|passwd|passphrase|token|secret|api-key)[ =](\S+)"
    rb"|\bmysql(?:dump)?\s.{0,256}?-p([^\s-]\S*)"
    rb"|\b[A-Z0-9_]{0,64}(?:SECRET|PASSWORD|PASSWD|TOKEN|API_KEY|ACCESS_KEY)[A-Z0-9_]{0,32}=(\S+)"
)
_CERTIFICATE = (b"-----BEGIN CERTIFICATE-----", b"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t")


def _client_key(data: bytes) -> Iterator[bytes]:
    for match in _CLIENT_KEY.finditer(data):
        if any(keys_in(decoded(match.group(1)) or b"")):
            yield match.group(1)


def _kube_secret(data: bytes) -> Iterator[bytes]:
    found = [value for match in _KUBE_DATA.finditer(data) for value in values(_KUBE_VALUE, match.group(2))]
    document = json_object(data)
    for each in document.get("items") or [document]:
        if isinstance(each, dict) and each.get("kind") == "Secret":
            inside = (each.get(name) for name in ("data", "stringData"))
            found += [str(value).encode() for fields in inside if isinstance(fields, dict) for value in fields.values()]
    for value in found:
        if not is_example(value) and not value.startswith(_CERTIFICATE):
            yield value


def _gcp(data: bytes) -> Iterator[bytes]:
    document = json_object(data)
    kind = document.get("type")
    if kind == "service_account" and any(keys_in(str(document.get("private_key")).encode())):
        yield b"private_key"
    if kind == "authorized_user" and not is_example(str(document.get("refresh_token") or "").encode()):
        yield b"refresh_token"


def _docker(data: bytes) -> Iterator[bytes]:
    registries = json_object(data).get("auths")
    for registry in registries.values() if isinstance(registries, dict) else ():
        login = registry.get("auth") if isinstance(registry, dict) else None
        raw = decoded(login.encode()) if isinstance(login, str) else None
        if raw and re.fullmatch(rb"[^:\0]+:[^\0]+", raw, re.DOTALL):
            yield raw


def commands(data: bytes) -> Iterator[bytes]:
    """Yield the secrets in a shell history."""
    for line in data.splitlines():
        yield from values(_HISTORY, line[:_LONGEST_LINE])


def hashes(data: bytes) -> Iterator[bytes]:
    """Yield the hashed passwords of a service's users."""
    return (match.group(1) for match in _HASHES.finditer(data))


def login(data: bytes) -> Iterator[bytes]:
    """Yield the passwords in a file such as C(.netrc) or apt's C(auth.conf)."""
    return values(_LOGIN, data)


TOKENS: Reader = mixed(_TOKENS)
TOKEN_MARKERS = (
    *(b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"xoxb-", b"xoxp-", b"hvs.", b"pypi-"),
)
_ANYWHERE: Readers = (
    (b"ecretAccessKey", "aws", mixed(_AWS)),
    (b"AccountKey=", "azure", keys_of(_AZURE_ACCOUNT, 64)),
    (b"SharedAccessKey=", "azure", keys_of(_AZURE_SHARED, 32)),
    (b"userPin", "pkcs11_pin", by(_PIN)),
    (b"slotUserPin", "pkcs11_pin", by(_PIN)),
    (b"client-key-data", "kubeconfig", _client_key),
)
IN_JSON: Readers = (
    *_ANYWHERE,
    (b'"service_account"', "gcp", _gcp),
    (b'"authorized_user"', "gcp", _gcp),
    (b'"auths"', "docker_auth", _docker),
    (b'"RefreshToken"', "azure", by(_AZURE_CACHE)),
    (b'"refreshToken"', "azure", by(_AZURE_CACHE)),
    (b'"Secret"', "kubernetes", within(_IS_KUBE_SECRET, _kube_secret)),
)
IN_TEXT: Readers = (
    *_ANYWHERE,
    (b"ecret_access_key", "aws", mixed(_AWS)),
    (b"ECRET_ACCESS_KEY", "aws", mixed(_AWS)),
    (b"current-context:", "kubeconfig", within(_IS_KUBECONFIG, by(_KUBE_TOKEN))),
    (b"pin-value=", "pkcs11_pin", by(_PIN)),
    (b"module-token-pin", "pkcs11_pin", by(_PIN)),
    (b"[client", "mysql", by(_MYSQL)),
    (b"[mysql", "mysql", by(_MYSQL)),
    (b"remote_password", "mqtt", by(_MOSQUITTO)),
    (b"bridge_psk", "mqtt", by(_MOSQUITTO)),
    (b"_authToken", "api_token", by(_NPM)),
    (b"K10", "kubernetes", by(_K3S)),
    (b"Private-key-format:", "dnssec", by(_DNSSEC)),
    (b"algorithm hmac-", "dnssec", by(_TSIG)),
)
NAMED_READERS = (
    (re.compile(r"[._]?netrc|.*\.netrc|auth\.conf|(?:.*[._-])?apt.*auth.*\.conf"), "netrc", login),
    (re.compile(r"(?:.*)\.?pgpass(?:\.conf)?"), "pgpass", by(_PGPASS)),
    (re.compile(r"\.?git-credentials"), "git_credentials", by(_URL)),
    (re.compile(r"\.?npmrc"), "api_token", by(_NPM)),
    (re.compile(r"\.?pypirc"), "api_token", by(_PIP)),
    (re.compile(r"\.?vault-token"), "api_token", by(_VAULT)),
    (re.compile(r".*\.ya?ml"), "kubernetes", within(_IS_KUBE_SECRET, _kube_secret)),
    (re.compile(r".*(?:redis|valkey|sentinel).*\.conf|.*users\.acl"), "redis", by(_REDIS)),
    (re.compile(r".*(?:passw|pwd|pwfile|htpass|users|mosq).*"), "password_hash", hashes),
    (re.compile(r"credentials\.db"), "gcp", by(_GCP_CACHE)),
)
