# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of the attributes of PKCS#11 URIs (RFC 7512)."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from .._base.errors import Malformed

SCHEME = "pkcs11:"

# The characters of section 2.3, both those of the path and those of the query.
_VALUE = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=&/?|-]|%[0-9A-Fa-f]{2})+")


def attributes(text: str, separator: str, known: Collection[str], subject: str) -> dict[str, bytes]:
    """Parse the attributes in one half of a URI. Errors never quote a value, because it may be a PIN.

    :param separator: C(;) in the path, C(&) in the query.
    :param subject: the URI's name in errors.
    :raises Malformed: an attribute is unknown or repeated, or its value is missing or not allowed by RFC 7512.
    """
    found: dict[str, bytes] = {}
    for each in filter(None, text.split(separator)):
        name, equals, value = each.partition("=")
        if name not in known:
            raise Malformed(subject, "has an unknown attribute", f"Known are {', '.join(sorted(known))}")
        if name in found or not equals or not _VALUE.fullmatch(value):
            raise Malformed(
                subject, f"has {name} twice, without a value, or with a character to write as %NN", "See RFC 7512"
            )
        found[name] = unquote_to_bytes(value)
    return found


def text_of(name: str, value: bytes, subject: str) -> str:
    """Decode the text of an attribute.

    :raises Malformed: the value is not UTF-8, or contains a NUL.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Malformed(subject, f"has a {name} that is not text", "See RFC 7512")
    return text
