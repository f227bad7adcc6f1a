# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls that a site adds to the catalogue: a fact, an operator, and the expected value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import SITE_TOPIC
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    RECOMMENDATIONS,
    Control,
    Finding,
    failed,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

OPERATORS = ("equals", "in", "matches", "at_least", "exists")
_KEYS = ("id", "title", "recommendation", "fact", "operator", "expected", "remedy")
_ID = re.compile(r"site(\.[a-z][a-z0-9_]{0,63}){1,4}")
# Regular expressions are not tried on longer texts of a device.
_LONGEST = 4096
_SHOWN = 100


def check_controls(given: Any, place: str) -> list[dict[str, Any]]:
    """The controls of a site policy, as plain data.

    :raises EdgesecError: one is wrong; the error names the place.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise EdgesecError(place, "is not a list", "Begin each control with a dash")
    checked: list[dict[str, Any]] = []
    for number, entry in enumerate(given):
        checked.append(_check(entry, f"{place}[{number}]"))
        if [each["id"] for each in checked].count(checked[-1]["id"]) > 1:
            raise EdgesecError(f"{place}[{number}].id", f"{checked[-1]['id']} is used twice", "Give each its own id")
    return checked


def control_of(entry: Mapping[str, Any]) -> Control:
    """The control of a checked entry."""
    expected = "any value" if entry["operator"] == "exists" else f"{entry['operator']} {entry['expected']}"
    return Control(
        id=entry["id"],
        title=entry["title"],
        recommendation=entry["recommendation"],
        expected=f"{entry['fact']} {expected}",
        remedy=entry["remedy"],
        role=None,
        topic=SITE_TOPIC,
        source=entry["fact"].split(".")[0],
        check=lambda facts, _policy: _find(facts, entry),
    )


def _check(entry: Any, place: str) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise EdgesecError(place, "is not a mapping", f"Use the keys {', '.join(_KEYS)}")
    unknown = sorted(map(str, set(entry) - set(_KEYS)))
    if unknown:
        raise EdgesecError(place, f"has unknown keys {', '.join(unknown)}", f"Use some of {', '.join(_KEYS)}")
    for name in _KEYS:
        value = entry.get(name)
        if name != "expected" and (not isinstance(value, str) or not value.strip()):
            raise EdgesecError(f"{place}.{name}", "is missing" if value is None else f"is {value!r}", "Use some words")
    if not _ID.fullmatch(entry["id"]):
        raise EdgesecError(
            f"{place}.id", f"is {entry['id']!r}", "Use lower-case words with dots between, beginning with site"
        )
    for name, allowed in (("recommendation", RECOMMENDATIONS), ("operator", OPERATORS)):
        if entry[name] not in allowed:
            raise EdgesecError(f"{place}.{name}", f"is {entry[name]!r}", f"Use one of {', '.join(allowed)}")
    _check_expected(entry["operator"], entry.get("expected"), f"{place}.expected")
    return {name: entry.get(name) for name in _KEYS}


def _check_expected(operator: str, value: Any, place: str) -> None:
    fits = {
        "equals": value is not None,
        "in": isinstance(value, list) and bool(value),
        "matches": isinstance(value, str),
        "at_least": isinstance(value, (int, float)) and not isinstance(value, bool),
        "exists": value is None,
    }
    remedies = {
        "equals": "Give the required value",
        "in": "Give a list of the allowed values",
        "matches": "Give a regular expression that matches the whole text",
        "at_least": "Give a number",
        "exists": "Leave it out",
    }
    if not fits[operator]:
        raise EdgesecError(place, f"is {value!r}, which the operator {operator} cannot use", remedies[operator])
    if operator == "matches":
        try:
            re.compile(value)
        except re.error as error:
            raise EdgesecError(place, f"is not a regular expression ({error})", "Correct it") from None


def _find(facts: View, entry: Mapping[str, Any]) -> Finding:
    value = _value_at(facts, entry["fact"])
    operator, expected = entry["operator"], entry["expected"]
    if value is None and operator != "exists":
        raise Unseen(f"{entry['fact']} could not be determined")
    fulfilled = _holds(value, operator, expected, entry["fact"])
    shown = str(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return passed(shown) if fulfilled else failed(shown if value is not None else "there is none")


def _holds(value: Any, operator: str, expected: Any, fact: str) -> bool:
    if operator == "exists":
        return value is not None
    if operator == "equals":
        return _same(value, expected)
    if operator == "in":
        return any(_same(value, each) for each in expected)
    if operator == "at_least":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Unseen(f"{fact} is not a number")
        return bool(value >= expected)
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Unseen(f"{fact} is not a text of at most {_LONGEST} characters")
    return re.fullmatch(expected, value) is not None


def _same(value: Any, expected: Any) -> bool:
    """Equal, and true is not 1."""
    return isinstance(value, bool) is isinstance(expected, bool) and bool(value == expected)


def _value_at(facts: View, path: str) -> Any:
    """The value at C(edgesec_boot.mounts.0.path): keys of mappings, and numbers in lists."""
    value: Any = facts.raw()
    for number, part in enumerate(parts := path.split(".")):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and len(part) < 6 and int(part) < len(value):
            value = value[int(part)]
        else:
            raise Unseen(f"{'.'.join(parts[: number + 1])} is missing")
    return value
