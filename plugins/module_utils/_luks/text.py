# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read and write LUKS2 metadata as text, accepting only the exact spelling that libcryptsetup writes.

json-c, the parser of libcryptsetup, also accepts comments, single quotes, repeated names, invalid UTF-8, NaN and
numbers that it clamps. Each could make two readers see two different headers. libcryptsetup itself writes none of
them, so any text that differs from what it would write for the same values is refused.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from .._base.errors import Malformed

# json-c gives up at 32; no known token nests deeper than 8.
_MOST_LEVELS = 16
# json-c clamps integers outside this range.
_SMALLEST_INTEGER, _LARGEST_INTEGER = -(2**63), 2**64 - 1
# A token may hold a PEM key, whose lines may end in CRLF.
_LINES = str.maketrans("", "", "\n\r\t")


def spelled(metadata: Any) -> bytes:
    """Metadata as libcryptsetup writes it: no spaces, members in their order, UTF-8.

    :raises ValueError: a string cannot be encoded in UTF-8.
    """
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")


def parse(subject: str, area: bytes) -> dict[str, Any]:
    """Parse the JSON area of a header copy.

    :param subject: the copy, for errors.
    :param area: the whole area; only NUL bytes may follow the text.
    :raises Malformed: the area is not exactly what libcryptsetup would write.
    """
    text, _nul, rest = area.partition(b"\0")
    if rest.strip(b"\0") or len(text) >= len(area):
        raise Malformed(subject, "has bytes after the end of its JSON")
    try:
        metadata = json.loads(text.decode("utf-8"), parse_float=_no_number, parse_constant=_no_number)
        as_written = spelled(metadata)
    except (ValueError, RecursionError):
        raise Malformed(subject, "has JSON that cannot be parsed") from None
    if not isinstance(metadata, dict) or as_written != text:
        raise Malformed(subject, "has JSON that differs from how libcryptsetup writes it")
    _require_plain(subject, metadata, _MOST_LEVELS)
    return metadata


def is_plain(text: str) -> bool:
    """Whether a text has no control character."""
    return all(character >= " " and character != "\x7f" for character in text)


def _require_plain(subject: str, value: Any, levels: int) -> None:
    """Refuse what JSON allows but no header needs: NUL, control characters, huge numbers, deep nesting."""
    if levels == 0:
        raise Malformed(subject, "has JSON that is nested too deeply")
    if isinstance(value, dict):
        for name, member in value.items():
            if not is_plain(name):
                raise Malformed(subject, f"has a control character in the name {name!r}")
            _require_plain(subject, member, levels - 1)
    elif isinstance(value, list):
        for member in value:
            _require_plain(subject, member, levels - 1)
    elif isinstance(value, str) and not is_plain(value.translate(_LINES)):
        raise Malformed(subject, "has a control character in a string")
    elif isinstance(value, int) and not _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        raise Malformed(subject, "has a number of more than 64 bits")


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
