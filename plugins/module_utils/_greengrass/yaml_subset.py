# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of YAML settings for devices without PyYAML: strings in nested block mappings, and JSON.

Anything else (lists, block scalars, anchors, tags, flow collections) is read as unknown. A value is never guessed: it
is what YAML says, or None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Optional, Union

from .._base.errors import Malformed

Tree = dict[str, Union[str, "Tree", None]]

_SUBJECT = "the settings"
_DOUBLE = re.compile(r'("(?:[^"\\]|\\.)*")\s*(:(?=\s|$))?')
_SINGLE = re.compile(r"('(?:[^']|'')*')\s*(:(?=\s|$))?")
# Characters that no plain scalar begins with; it may begin with "-" or "?" if no blank follows.
_INDICATORS = frozenset("[]{},&*!|>%@`\"'#")
_NULLS = ("", "~", "null", "Null", "NULL")


def read_settings(text: str) -> Tree:
    """Parse a document into strings by key; numbers become strings, and anything not understood becomes None.

    :raises Malformed: the document is not a mapping, or is not laid out as one.
    """
    if text.lstrip()[:1] == "{":
        try:
            return _of_json(json.loads(text))
        except (ValueError, RecursionError):
            raise Malformed(_SUBJECT, "are not valid JSON") from None
    return _Reader().read(text)


def setting(tree: Mapping[str, Any], *path: str) -> Any:
    """The value at a path, or None. Like Greengrass, ignore the case of keys."""
    found: Any = tree
    for name in path:
        if not isinstance(found, Mapping):
            return None
        same = [key for key in found if key.casefold() == name.casefold()]
        found = found[same[0]] if len(same) == 1 else None
    return found


def _of_json(document: Mapping[str, Any]) -> Tree:
    tree: Tree = {}
    for key, value in document.items():
        if isinstance(value, dict):
            tree[key] = _of_json(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            tree[key] = str(value)
        else:
            tree[key] = value if isinstance(value, str) else None
    return tree


class _Reader:
    """Reads line by line; keeps the open mappings, outermost first, each with its indentation."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.open: list[tuple[int, Tree]] = []
        # The last key read, where it is, and whether its value is still to come.
        self.last: Optional[tuple[int, Tree, str]] = None
        self.awaits = False
        # Whether that value has turned out to be a list, whose items may be indented no further than the key.
        self.is_list = False

    def read(self, text: str) -> Tree:
        for indent, content in _lines(text):
            if not self._belongs_to_last(indent, content):
                self._entry(indent, content)
        return self.tree

    def _belongs_to_last(self, indent: int, content: str) -> bool:
        if self.last is None:
            return False
        at, mapping, key = self.last
        is_item = content == "-" or content.startswith("- ")
        may_open = self.awaits and not self.is_list and indent > at and not is_item
        if may_open and content[0] not in "[{&*!|>%@`?" and _key(content):
            inner: Tree = {}
            mapping[key] = inner
            self.open.append((indent, inner))
            self.awaits = False
            return False
        if indent > at or (is_item and indent == at and self.awaits):
            # A continued value, which this reader does not understand.
            mapping[key] = None
            self.is_list = self.is_list or (self.awaits and is_item)
            self.awaits = self.is_list
            return True
        return False

    def _entry(self, indent: int, content: str) -> None:
        if not self.open:
            self.open.append((indent, self.tree))
        while len(self.open) > 1 and self.open[-1][0] > indent:
            self.open.pop()
        at, mapping = self.open[-1]
        split = _key(content)
        if at != indent or split is None:
            raise Malformed(_SUBJECT, f"have a line that is not a key with a value: {_shown(content)}")
        key, rest = split
        if key in mapping:
            raise Malformed(_SUBJECT, f"have the key {_shown(key)} twice")
        mapping[key] = _scalar(rest)
        self.last, self.awaits = (indent, mapping, key), rest == "" or rest[0] == "#"
        self.is_list = False


def _lines(text: str) -> Iterator[tuple[int, str]]:
    begun = False
    for line in text.splitlines():
        content = line.strip(" ")
        if not content or content[0] == "#":
            continue
        if not begun and (line == "---" or line.startswith("%")):
            begun = line == "---"
            continue
        if line.startswith(("---", "...")) or content[0] == "\t":
            raise Malformed(_SUBJECT, "consist of several documents, or are indented with tabs")
        begun = True
        yield len(line) - len(line.lstrip(" ")), content


def _key(content: str) -> Optional[tuple[str, str]]:
    """Split a line into its key and the rest; None if it has no key."""
    if content[0] in "\"'":
        match = (_DOUBLE if content[0] == '"' else _SINGLE).match(content)
        key = _quoted(match.group(1)) if match and match.group(2) else None
        return None if match is None or key is None else (key, content[match.end() :].strip())
    if content[0] in _INDICATORS or content.startswith(("- ", "? ")) or content in ("-", "?"):
        return None
    key, colon, rest = content.partition(": ")
    if not colon and content.endswith(":"):
        key, rest = content[:-1], ""
    elif not colon:
        return None
    return None if " #" in key or ":\t" in key else (key.rstrip(), rest.strip())


def _scalar(text: str) -> Optional[str]:
    if text[:1] in ("'", '"'):
        match = (_DOUBLE if text[0] == '"' else _SINGLE).match(text)
        after = text[match.end() :] if match else "?"
        if match is None or match.group(2) or (after and not after.startswith("#")):
            return None
        return _quoted(match.group(1))
    plain = re.split(r"\s#", text, maxsplit=1)[0].rstrip()
    if plain in _NULLS or plain[0] in _INDICATORS or plain.startswith(("- ", "? ", ": ")) or plain in ("-", "?", ":"):
        return None
    return None if ": " in plain or plain.endswith(":") or "\t" in plain else plain


def _quoted(text: str) -> Optional[str]:
    if text[0] == "'":
        return text[1:-1].replace("''", "'")
    try:
        value = json.loads(text)
    except ValueError:
        # YAML has escapes that JSON lacks.
        return None
    return value if isinstance(value, str) else None


def _shown(text: str) -> str:
    """The beginning of a line, without its value, which may be a secret."""
    return repr(re.split(r"[:\s]", text, maxsplit=1)[0][:40])
