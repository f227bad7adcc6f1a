# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""PKCS#11 URIs (RFC 7512) of a private key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.pkcs11_uri import SCHEME, attributes, text_of

_SUBJECT = "the PKCS#11 URI of the policy key"
_PIN_VALUE = re.compile(r"(?:^|[;?&])pin-value(?:[=;?&]|$)")
_PATH = ("token", "manufacturer", "model", "serial", "object", "id", "type")
_QUERY = ("module-path", "pin-source")


@dataclass(frozen=True)
class Pkcs11Uri:
    """A private key on a token.

    :ivar shown: the URI without its query, for errors.
    :ivar token: the attributes that the token must have: C(token) (its label), C(manufacturer), C(model), C(serial).
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
    """Whether a name is a PKCS#11 URI rather than a path."""
    return name.lower().startswith(SCHEME)


def parse_pkcs11_uri(uri: str) -> Pkcs11Uri:
    """Parse a PKCS#11 URI; errors never quote it, because it may contain a PIN.

    :raises Malformed: it is not a valid URI, or does not name a key and a module.
    """
    path, _mark, query = uri[len(SCHEME) :].partition("?")
    if _PIN_VALUE.search(uri[len(SCHEME) :]):
        raise _malformed(
            "holds a PIN (pin-value)", "Set tpm_sealing_policy_key_passphrase, or name a file with pin-source"
        )
    names = attributes(path, ";", _PATH, _SUBJECT)
    settings = attributes(query, "&", _QUERY, _SUBJECT)
    if names.pop("type", b"private") != b"private":
        raise _malformed("has a type other than private", "Name the private key")
    key_id = names.pop("id", b"")
    texts = {name: text_of(name, value, _SUBJECT) for name, value in names.items()}
    label = texts.pop("object", "")
    if not (label or key_id):
        raise _malformed("names no key", "Add object=LABEL or id=%NN, as p11tool --list-privkeys prints them")
    module = text_of("module-path", settings.get("module-path", b""), _SUBJECT)
    if not module.startswith("/"):
        raise _malformed("names no module", "Add ?module-path= with the absolute path of the token's PKCS#11 module")
    return Pkcs11Uri(f"{SCHEME}{path}", texts, label, key_id, module, _pin_source(settings.get("pin-source", b"")))


def _pin_source(value: bytes) -> str:
    text = text_of("pin-source", value, _SUBJECT)
    path = text.removeprefix("file:")
    path = path.removeprefix("//") if path.startswith("///") else path
    if text and not path.startswith("/"):
        raise _malformed("has a pin-source that is not a file", "Name a file by its absolute path")
    return path


def _malformed(seen: str, remedy: str) -> Malformed:
    return Malformed(_SUBJECT, seen, remedy)
