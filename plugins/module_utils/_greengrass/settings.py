# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure renderer and reader of the settings that make Greengrass use a key in a PKCS#11 token.

Classic (v2, in Java) and lite (in C) each have their own dialect of the URI:

- Classic decodes the whole URI, then reads C(object) and C(type): a label cannot contain a semicolon, nor begin or
  end with a blank. Library, slot and PIN come from the configuration of its component (Pkcs11URI.java and
  PKCS11CryptoKeyService.java of aws-greengrass-pkcs11-provider).
- Lite passes the URI to OpenSSL, whose pkcs11-provider reads RFC 7512. The provider logs in with the PIN from its own
  configuration. The URI therefore names the token: that PIN must not be tried on another one (PKCS11_SUPPORT.md of
  aws-greengrass-lite, provider-pkcs11(7)).

Configuration is written as JSON, which every YAML 1.2 reader accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from .._base.errors import Malformed, Refused
from .._identity.pkcs11_uri import SCHEME, attributes, text_of

CLASSIC, LITE, V1 = "classic", "lite", "v1"
END_OF_SUPPORT = {V1: "2026-10-07"}
PROVIDER = "aws.greengrass.crypto.Pkcs11Provider"
PRIVATE, CERTIFICATE = "private", "cert"
# pkcs11-provider silently truncates a longer PIN (get_pin_file in util.c), and would then try a wrong one.
LONGEST_PIN_IN_FILE = 31
HIDDEN = "********"

_PATH = ("token", "manufacturer", "model", "serial", "object", "id", "type")
_JAVA_INT = 0x7FFFFFFF
# Characters that have no special meaning to SunPKCS11, openssl.cnf or pkcs11-provider.
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+:@-]*")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Uri(NamedTuple):
    """The object that a URI names.

    :ivar kind: C(private) or C(cert).
    :ivar token: the token's label, or empty.
    """

    label: str
    kind: str
    token: str = ""


class ClassicSettings(NamedTuple):
    """The configuration of classic's PKCS#11 component.

    :ivar slot: the slot's ID, which is neither its index nor its token's label.
    """

    name: str
    library: str
    slot: int
    label: str
    pin: str

    def require_valid(self) -> None:
        """Check that the nucleus reads the settings as intended.

        :raises Refused: it would misread one.
        """
        if not _NAME.fullmatch(self.name):
            raise Refused(
                f"the name {self.name!r}", "is not valid for SunPKCS11", "Use up to 64 letters, digits, _ and -"
            )
        require_plain_path(self.library, "the PKCS#11 library")
        if not 0 <= self.slot <= _JAVA_INT:
            raise Refused(
                f"the slot {self.slot}", "has an ID that does not fit a Java int", "Use a library with smaller slot IDs"
            )
        if not self.pin or not self.pin.isprintable():
            raise Refused(
                "the PIN", "is empty, or has characters that YAML does not allow", "Give the token another PIN"
            )
        render_classic(self.label, PRIVATE)

    def to_text(self) -> str:
        """The file for C(--init-config), which is merged into the configuration in force."""
        return _text(
            {
                "system": {
                    "certificateFilePath": render_classic(self.label, CERTIFICATE),
                    "privateKeyPath": render_classic(self.label, PRIVATE),
                },
                "services": {
                    PROVIDER: {
                        "configuration": {
                            "name": self.name,
                            "library": self.library,
                            "slot": self.slot,
                            "userPin": self.pin,
                        }
                    }
                },
            }
        )


def render_classic(label: str, kind: str) -> str:
    """Render the URI of an object for classic.

    :raises Refused: its label cannot be part of a URI.
    """
    _require_label(label)
    if ";" in label or label != label.strip():
        raise Refused(
            f"the label {label!r}",
            "has a semicolon, or a blank at either end, where the classic nucleus truncates it",
            "Give the key another label",
        )
    return f"{SCHEME}object={quote(label, safe='')};type={kind}"


def parse_classic(text: str) -> Uri:
    """Parse a URI as the classic nucleus does.

    :raises Malformed: the URI names no key or certificate, or not the one it seems to name.
    """
    uri = _parse(text, "the PKCS#11 URI of classic")
    if ";" in uri.label or uri.label != uri.label.strip():
        raise Malformed("the PKCS#11 URI of classic", "has a label that the nucleus truncates", "Use another label")
    # The nucleus ignores the token: its component's configuration names the slot.
    return Uri(uri.label, uri.kind)


def render_lite(token: str, label: str) -> str:
    """Render the URI of a private key for lite.

    :raises Refused: a label cannot be part of a URI.
    """
    _require_label(token)
    _require_label(label)
    return f"{SCHEME}token={quote(token, safe='')};object={quote(label, safe='')};type={PRIVATE}"


def parse_lite(text: str) -> Uri:
    """Parse a URI made by :func:`render_lite`.

    :raises Malformed: the URI does not name a token and an object, or contains a PIN.
    """
    uri = _parse(text, "the PKCS#11 URI of lite")
    if not uri.token:
        raise Malformed("the PKCS#11 URI of lite", "names no token, so all tokens would be tried", "Add token=LABEL")
    return uri


def lite_text(token: str, label: str, certificate: str) -> str:
    """The fragment for C(/etc/greengrass/config.d)."""
    return _text({"system": {"privateKeyPath": render_lite(token, label), "certificateFilePath": certificate}})


def openssl_text(library: str, pin_file: str) -> str:
    """Render an C(openssl.cnf) that makes lite's daemons use a PKCS#11 library. The PIN stays in its file.

    :raises Refused: a path has characters that are special to OpenSSL.
    """
    for path, what in ((library, "the PKCS#11 library"), (pin_file, "the PIN file")):
        require_plain_path(path, what)
    return f"""\
# Written by edgesec.hardening.
openssl_conf = openssl_init

[openssl_init]
providers = provider_sect

[provider_sect]
default = default_sect
pkcs11 = pkcs11_sect

[default_sect]
activate = 1

[pkcs11_sect]
pkcs11-module-path = {library}
pkcs11-module-token-pin = file:{pin_file}
activate = 1
"""


def drop_in_text(environment: Mapping[str, str]) -> str:
    """Render the drop-in that sets variables for a unit (systemd.exec(5)).

    :raises Refused: a name or value is not allowed in a drop-in.
    """
    lines = ["# Written by edgesec.hardening.", "[Service]"]
    for name, value in sorted(environment.items()):
        if not _VARIABLE.fullmatch(name) or not value.isprintable():
            raise Refused(f"the variable {name!r}", "cannot be set for a unit", "Correct device_identity_environment")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        lines.append(f'Environment="{name}={escaped}"')
    return "\n".join(lines) + "\n"


def without_pin(text: str) -> str:
    """Replace the PIN in a text from :meth:`ClassicSettings.to_text`; any other text is hidden completely."""
    try:
        document = json.loads(text)
        document["services"][PROVIDER]["configuration"]["userPin"] = HIDDEN
    except (ValueError, TypeError, KeyError, RecursionError):
        return "(another text)\n" if text else ""
    return _text(document)


def require_plain_path(path: str, what: str) -> None:
    """Refuse a path that one of the readers would misread.

    :raises Refused: the path is not absolute, or has characters other than letters, digits and C(_./+:@-).
    """
    if not _PLAIN_PATH.fullmatch(path):
        raise Refused(
            f"{what} {path!r}",
            "is not absolute, or has characters other than letters, digits and _./+:@-",
            "Move it to such a path",
        )


def _text(document: Mapping[str, object]) -> str:
    # Unescaped, because YAML has no surrogate escapes.
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _require_label(label: str) -> None:
    if not label or not label.isprintable():
        raise Refused(f"the label {label!r}", "is empty, or has unprintable characters", "Choose another label")


def _parse(text: str, subject: str) -> Uri:
    if not text.startswith(SCHEME):
        raise Malformed(subject, "does not begin with pkcs11:", "See RFC 7512")
    found = attributes(text[len(SCHEME) :], ";", _PATH, subject)
    texts = {name: text_of(name, value, subject) for name, value in found.items() if name != "id"}
    kind = texts.get("type", "")
    if not texts.get("object") or kind not in (PRIVATE, CERTIFICATE):
        raise Malformed(subject, "does not name a private key or a certificate by its label", "Add object= and type=")
    return Uri(texts["object"], kind, texts.get("token", ""))
