# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Shared by the readers of settings: find values that are secrets, and skip placeholders."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional

# Yields the secret values in a text.
Reader = Callable[[bytes], Iterator[bytes]]
# A marker that every text with such a secret contains, the kind of secret, and the reader.
Readers = tuple[tuple[bytes, str, Reader], ...]

_EXAMPLES = re.compile(
    rb"(?i)example|placeholder|change_?me|replace_?me|your[_-]|\.\.\.|\*\*\*|xxxx|\$\{|\{\{|%\(|^\$|^<|^%|@@"
    rb"|^(?:none|null|true|false|yes|no|ext:.*)$"
)


def values(pattern: re.Pattern[bytes], data: bytes) -> Iterator[bytes]:
    """Yield the values that a pattern finds (its first group that matched), without placeholders."""
    for match in pattern.finditer(data):
        value = next((group for group in match.groups() if group is not None), b"").strip().strip(b"\"'")
        if value and not is_example(value):
            yield value


def is_example(value: bytes) -> bool:
    """Whether a value is only a placeholder for a secret."""
    return len(set(value)) < min(4, len(value)) or _EXAMPLES.search(value) is not None


def by(pattern: re.Pattern[bytes]) -> Reader:
    """Make a reader of a pattern's values."""
    return lambda data: values(pattern, data)


def keys_of(pattern: re.Pattern[bytes], size: int) -> Reader:
    """Make a reader of base64 keys with C(size) bytes."""

    def reader(data: bytes) -> Iterator[bytes]:
        for value in values(pattern, data):
            raw = decoded(value)
            if raw is not None and len(raw) == size and len(set(raw)) > size // 4:
                yield value

    return reader


def mixed(pattern: re.Pattern[bytes]) -> Reader:
    """Make a reader of values that look random: letters and digits, many of them different."""

    def reader(data: bytes) -> Iterator[bytes]:
        for value in values(pattern, data):
            if len(set(value)) >= 10 and re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value):
                yield value

    return reader


def within(context: re.Pattern[bytes], reader: Reader) -> Reader:
    """Make a reader that applies only to texts that also match C(context)."""
    return lambda data: reader(data) if context.search(data) else iter(())


def decoded(text: bytes) -> Optional[bytes]:
    """Decode base64; None if the text is not base64."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return None


def json_object(data: bytes) -> Mapping[str, Any]:
    """Parse a JSON object; empty if the text is not one."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
