# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What readers of settings share: values that are secrets, and those that only stand for one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Callable, Optional

# The values of secrets in a text.
Reader = Callable[[bytes], Iterator[bytes]]
# What a text with such a secret has in it, the kind, and the reader.
Readers = tuple[tuple[bytes, str, Reader], ...]

_EXAMPLES = re.compile(
    rb"(?i)example|placeholder|change_?me|replace_?me|your[_-]|\.\.\.|\*\*\*|xxxx|\$\{|\{\{|%\(|^\$|^<|^%|@@"
    rb"|^(?:none|null|true|false|yes|no|ext:.*)$"
)


def values(pattern: re.Pattern[bytes], data: bytes) -> Iterator[bytes]:
    """The values that a pattern finds, by its first group that matched, without those that are no secrets."""
    for match in pattern.finditer(data):
        value = next((group for group in match.groups() if group is not None), b"").strip().strip(b"\"'")
        if value and not is_example(value):
            yield value


def is_example(value: bytes) -> bool:
    """Whether a value stands for a secret without being one."""
    return len(set(value)) < min(4, len(value)) or _EXAMPLES.search(value) is not None


def by(pattern: re.Pattern[bytes]) -> Reader:
    """A reader of the values of a pattern."""
    return lambda data: values(pattern, data)


def keys_of(pattern: re.Pattern[bytes], size: int) -> Reader:
    """A reader of keys of so many bytes, in base64."""

    def reader(data: bytes) -> Iterator[bytes]:
        for value in values(pattern, data):
            raw = decoded(value)
            if raw is not None and len(raw) == size and len(set(raw)) > size // 4:
                yield value

    return reader


def mixed(pattern: re.Pattern[bytes]) -> Reader:
    """A reader of values that look as if drawn by lot: letters and digits, and many different ones."""

    def reader(data: bytes) -> Iterator[bytes]:
        for value in values(pattern, data):
            if len(set(value)) >= 10 and re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value):
                yield value

    return reader


def within(context: re.Pattern[bytes], reader: Reader) -> Reader:
    """A reader of texts that something else is in as well."""
    return lambda data: reader(data) if context.search(data) else iter(())


def decoded(text: bytes) -> Optional[bytes]:
    """What text in base64 holds; None where it is no base64."""
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError:
        return None


def json_object(data: bytes) -> Mapping[str, Any]:
    """The object that a text is; an empty one where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
