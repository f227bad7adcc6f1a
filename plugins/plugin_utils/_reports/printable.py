# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Text of a device, made safe to show."""

from __future__ import annotations

import json
import re

# Whatever is not plain ASCII is looked at one by one.
_SUSPECT = re.compile(r"[^ -~]")
_NEXT_LINE = re.compile(r"\n(?! {4}|\n|\Z)")


def escaped(text: str, kept: str = "") -> str:
    """The text with escapes (C(\\x1b), C(\\u202e)) in place of all that could steer a terminal or mislead a reader.

    These are the characters that Unicode does not count as printable: controls, direction marks, what has no width,
    line separators, lone surrogates. The result holds none of them, so that nothing is escaped twice.

    :param kept: characters that stay as they are, such as C(\\n) in a text of many lines.
    """
    if text.isprintable():
        return str(text)
    return _SUSPECT.sub(lambda found: found[0] if _is_harmless(found[0], kept) else _escape(found[0]), text)


def indented(text: str) -> str:
    """The same for a text of many lines: each line after the first begins with four spaces.

    So no line of it looks like one that ansible-core prints of a task or of another host.
    """
    return _NEXT_LINE.sub("\n    ", escaped(text, "\n\t"))


def escaped_json(text: str) -> str:
    """The same for a text that may be JSON, which it still is afterwards, and may have any number of lines."""
    return _SUSPECT.sub(
        lambda found: found[0] if _is_harmless(found[0], "\n\r\t") else json.dumps(found[0])[1:-1], text
    )


def _is_harmless(character: str, kept: str) -> bool:
    return character.isprintable() or character in kept


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
