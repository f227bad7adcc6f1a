# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make text from a device safe to show."""

from __future__ import annotations

import json
import re

# Every character that is not plain ASCII is checked.
_SUSPECT = re.compile(r"[^ -~]")
_NEXT_LINE = re.compile(r"\n(?! {4}|\n|\Z)")


def escaped(text: str, kept: str = "") -> str:
    """The text with escapes (C(\\x1b), C(\\u202e)) for all that could steer a terminal or mislead a reader.

    Escaped are the characters that Unicode counts as not printable: controls, direction marks, zero-width characters,
    line separators, lone surrogates. The result contains none of them, so escaping it again changes nothing.

    :param kept: characters that stay unchanged, such as C(\\n) in a text of many lines.
    """
    if text.isprintable():
        return str(text)
    return _SUSPECT.sub(lambda found: found[0] if _is_harmless(found[0], kept) else _escape(found[0]), text)


def indented(text: str) -> str:
    """Like :func:`escaped`, for a text of many lines: each line after the first begins with four spaces.

    So no line of it looks like output of ansible-core about a task or another host.
    """
    return _NEXT_LINE.sub("\n    ", escaped(text, "\n\t"))


def escaped_json(text: str) -> str:
    """Like :func:`escaped`, for a text that may be JSON and have any number of lines; JSON stays valid JSON."""
    return _SUSPECT.sub(
        lambda found: found[0] if _is_harmless(found[0], "\n\r\t") else json.dumps(found[0])[1:-1], text
    )


def _is_harmless(character: str, kept: str) -> bool:
    return character.isprintable() or character in kept


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
