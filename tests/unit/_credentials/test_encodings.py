# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A key is found however it is encoded, and hostile encodings cost little."""

from __future__ import annotations

import base64
import json
import quopri
import random
import textwrap
from collections.abc import Callable
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.secret_formats import (
    look_into,
    may_hold_secrets,
    secrets_in,
)
from tests.support.planted import Planted, secrets
from tests.support.planted_programs import keys

Encoding = Callable[[str], str]

_NAMES = ("key.pem", "rsa.pem", "ec.pem", "dsa.pem", "id_rsa", "jwk.json", "keys.txt", "ssh_host_ed25519_key")
_DRAWN = {each.name: each for each in (*secrets(), *keys(random.Random(0)))}
KEYS = [_DRAWN[name] for name in _NAMES]
BINARY = [
    _DRAWN[name] for name in ("key.der", "rsa.der", "dropbear_ed25519_host_key", "ring.gpg", "open.p12", "key.jks")
]


def _folded(text: str) -> str:
    return "key: >-\n" + "".join(f"    {line}\n" for line in text.splitlines())


def _literal(text: str) -> str:
    return "data:\n  key: |\n" + "".join(f"    {line}\n" for line in text.splitlines())


def _base64(text: str) -> str:
    return "data:\n  tls.key: " + base64.b64encode(text.encode()).decode() + "\n"


def _wrapped(text: str) -> str:
    lines = textwrap.wrap(base64.b64encode(text.encode()).decode(), 76)
    return "data:\n  tls.key: >-\n" + "".join(f"    {line}\n" for line in lines)


ENCODINGS: dict[str, Encoding] = {
    "json": lambda text: json.dumps({"key": text}),
    "json-lines": lambda text: json.dumps({"key": text.splitlines()}),
    "yaml-literal": _literal,
    "base64": _base64,
    "base64-wrapped": _wrapped,
    "hex": lambda text: "key=" + text.encode().hex() + "\n",
    "xml": lambda text: f"<key>{escape(text)}</key>".replace("\n", "&#10;"),
    "xml-hex": lambda text: f'<key value="{escape(text, {chr(34): "&quot;"})}"/>'.replace("\n", "&#xA;"),
    "cdata": lambda text: f"<key><![CDATA[{text}]]></key>",
    "crlf": lambda text: text.replace("\n", "\r\n"),
    "percent": lambda text: "key=" + quote(text) + "\n",
    "unit": lambda text: "[Service]\nEnvironment=KEY=" + text.replace("\\", "\\\\").replace("\n", "\\n") + "\n",
    "json-of-net": lambda text: json.dumps({"key": text}).replace("+", "\\u002B"),
}
# These change the ends of lines, which not every reader of the inner text bears.
FOLDING: dict[str, Encoding] = {
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
    "one-line": lambda text: text.replace("\n", " "),
    "yaml-folded": _folded,
}


def kinds(data: bytes) -> set[str]:
    return {each.kind for each in secrets_in("/srv/x", data)} if may_hold_secrets("/srv/x", data) else set()


@pytest.mark.parametrize("name", [*ENCODINGS, *FOLDING])
@pytest.mark.parametrize("planted", KEYS, ids=lambda planted: planted.name)
def test_a_key_is_found_in_each_encoding(planted: Planted, name: str) -> None:
    if name not in FOLDING or planted.name != "jwk.json":
        assert kinds({**ENCODINGS, **FOLDING}[name](planted.data.decode()).encode()) == {planted.kind}


@settings(max_examples=300)
@given(st.sampled_from(KEYS), st.lists(st.sampled_from(sorted(ENCODINGS)), max_size=3), st.data())
def test_a_key_is_found_in_encodings_of_encodings(planted: Planted, names: list[str], data: st.DataObject) -> None:
    text = planted.data.decode()
    for name in names:
        text = ENCODINGS[name](text)
    codec = data.draw(st.sampled_from(("utf-8", "utf-16", "utf-16-le", "utf-16-be")))
    assert planted.kind in kinds(text.encode(codec))


@pytest.mark.parametrize("planted", BINARY, ids=lambda planted: planted.name)
@pytest.mark.parametrize("name", ["json", "yaml-literal", "crlf", "xml", "base64"])
def test_a_binary_key_in_base64_is_found(planted: Planted, name: str) -> None:
    text = base64.encodebytes(planted.data).decode()
    assert kinds(ENCODINGS[name](text).encode()) == {planted.kind}


@given(st.binary(max_size=2000))
def test_noise_in_base64_is_no_secret(noise: bytes) -> None:
    assert kinds(_base64(noise.hex()).encode()) == set()
    assert kinds(base64.b64encode(noise)) == set()


def test_layers_without_an_end_are_cut_and_told() -> None:
    text = KEYS[0].data
    for _layer in range(12):
        text = base64.b64encode(text)
    assert look_into("/srv/x", text).cut is True


@pytest.mark.parametrize(
    "text",
    [
        b"PRIVATE KEY" + b"\\" * 500_000,
        b"PRIVATE KEY" + b"&amp;" * 100_000,
        b"PRIVATE KEY" + b"%20%25" * 80_000,
        b'{"kty" : ' * 60_000,
        b"-----BEGIN PRIVATE KEY-----\n" * 20_000,
        (b"A" * 60 + b"\n") * 8000,
        b"A" * 500_000,
        b"0" * 500_000,
        base64.b64encode(b"{" * 300_000),
        b"\n" * 500_000 + b"network={",
        b" " * 500_000 + b"[connection]",
        b"[connection]\n[gsm]\n" * 20_000,
        b"Key: (private-key (" * 20_000,
    ],
    ids=range(13),
)
def test_hostile_texts_come_to_an_end(text: bytes) -> None:
    for name in ("x", ".npmrc", "x.yaml", "passwd", "chap-secrets", "auth-user-pass"):
        look_into(f"/etc/openvpn/{name}", text)
