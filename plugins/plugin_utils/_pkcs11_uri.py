# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""PKCS#11 URIs (RFC 7512) of a private key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Malformed

SCHEME = "pkcs11:"

# The characters of section 2.3, both those of the path and those of the query.
_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=&/?|-]|%[0-9A-Fa-f]{2})+")
_PATH = ("token", "manufacturer", "model", "serial", "object", "id", "type")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True)
class Pkcs11Uri:
    """A private key on a token.

    :ivar shown: the URI without its query, for errors.
    :ivar token: what the token must have: C(token) (its label), C(manufacturer), C(model), C(serial).
    :ivar label: label of the key, or empty.
    :ivar key_id: id of the key, or empty.
    :ivar module: path of the PKCS#11 module.
    :ivar pin_source: path of a file with the PIN, or empty.
    """

    shown: str
    token: dict[str, str]
    label: str
    key_id: bytes
    module: str
    pin_source: str


def is_pkcs11(name: str) -> bool:
    """Whether a name is meant to be a PKCS#11 URI rather than a path."""
    return name.lower().startswith(SCHEME)


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """A PKCS#11 URI; what it says is never part of an error, since it may be a PIN.

    :raises Malformed: it is none, or does not say which key by which module.
    """
    path, _mark, query = uri[len(SCHEME) :].partition("?")
    names = _attributes(path, ";", _PATH)
    settings = _attributes(query, "&", _QUERY)
    if names.pop("type", b"private") != b"private":
        raise _malformed("has a type other than private", "Name the private key")
    key_id = names.pop("id", b"")
    texts = {name: _text(name, value) for name, value in names.items()}
    label = texts.pop("object", "")
    if not (label or key_id):
        raise _malformed("names no key", "Add object=LABEL or id=%NN, as p11tool --list-privkeys prints them")
    module = _text("module-path", settings.get("module-path", b""))
    if not module.startswith("/"):
        raise _malformed("names no module", "Add ?module-path= with the absolute path of the token's PKCS#11 module")
    return Pkcs11Uri(f"{SCHEME}{path}", texts, label, key_id, module, _pin_source(settings.get("pin-source", b"")))


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    attributes: dict[str, bytes] = {}
    for each in filter(None, text.split(separator)):
        name, equals, value = each.partition("=")
        if name == "pin-value":
            raise _malformed(
                "holds a PIN (pin-value)", "Set tpm_sealing_policy_key_passphrase, or name a file with pin-source"
            )
        if name not in known:
            raise _malformed("has an attribute that is not known here", f"Known are {', '.join((*_PATH, *_QUERY))}")
        if name in attributes or not equals or not _VALUE.fullmatch(value):
            raise _malformed(f"has {name} twice, without a value, or with a character that has to be %NN")
        attributes[name] = unquote_to_bytes(value)
    return attributes


def _text(name: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise _malformed(f"has a {name} that is no text")
    return text


def _pin_source(value: bytes) -> str:
    text = _text("pin-source", value)
    path = text.removeprefix("file:")
    path = path.removeprefix("//") if path.startswith("///") else path
    if text and not path.startswith("/"):
        raise _malformed("has a pin-source that is no file", "Name a file by its absolute path")
    return path


def _malformed(seen: str, remedy: str = "See RFC 7512") -> Malformed:
    return Malformed("the PKCS#11 URI of the policy key", seen, remedy)
