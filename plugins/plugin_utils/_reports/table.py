# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Judgements as tables of plain text, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any, TypeVar

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    FAIL,
    NOT_APPLICABLE,
    PASSED,
    UNKNOWN,
    VERDICTS,
    WAIVED,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped

WIDTH = 100
_SHORT = {PASSED: "pass", FAIL: "FAIL", UNKNOWN: "unknown", NOT_APPLICABLE: "n/a", WAIVED: "waived"}
_GAP = "  "
T = TypeVar("T")


def table(judgement: Mapping[str, Any]) -> list[str]:
    """One judgement: verdict, control, best practice, what was seen; then the protection level."""
    controls = judgement["controls"]
    rows = [(_SHORT[each["verdict"]], each["id"], each["best_practice"], _seen(each)) for each in controls]
    lines = _columns(("", "control", "Lens", "seen"), rows)
    return [*lines, "", _summary(controls), *_level(judgement["host_level"])]


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Two judgements side by side, control by control, then the protection level of each."""
    earlier = {each["id"]: each for each in before["controls"]}
    later = {each["id"]: each for each in after["controls"]}
    rows = []
    for identifier, first, second in paired(earlier, later):
        shown = second or first or {}
        rows.append(
            (
                identifier,
                shown["best_practice"],
                _SHORT[first["verdict"]] if first else "-",
                _SHORT[second["verdict"]] if second else "-",
                _seen(shown),
            )
        )
    lines = _columns(("control", "Lens", "before", "after", "seen after"), rows)
    return [
        *lines,
        "",
        f"before: {_summary(before['controls'])}",
        *_level(before["host_level"]),
        f"after:  {_summary(after['controls'])}",
        *_level(after["host_level"]),
    ]


def _seen(control: Mapping[str, Any]) -> str:
    return str(control["reason"] if control["verdict"] in (UNKNOWN, NOT_APPLICABLE) else control["actual"])


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Format columns as wide as needed; the last one wraps in the rest of the line."""
    widths = [max(len(escaped(row[column])) for row in (head, *rows)) for column in range(len(head) - 1)]
    left = sum(widths) + len(_GAP) * len(widths)
    lines = []
    for row in (head, *rows):
        pieces = wrap(escaped(row[-1]), WIDTH - left) or [""]
        start = _GAP.join(escaped(cell).ljust(width) for cell, width in zip(row[:-1], widths, strict=True))
        lines.append(f"{start}{_GAP}{pieces[0]}".rstrip())
        lines += [" " * left + piece for piece in pieces[1:]]
        if row is head:
            lines.append("-" * WIDTH)
    return lines


def paired(before: Mapping[str, T], after: Mapping[str, T]) -> list[tuple[str, T | None, T | None]]:
    """The values of two mappings for each name; None if one lacks it."""
    return [(name, before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after))]


def _summary(controls: Sequence[Mapping[str, Any]]) -> str:
    counts = ((verdict, sum(each["verdict"] == verdict for each in controls)) for verdict in VERDICTS)
    return ", ".join(f"{number} {_SHORT[verdict].lower()}" for verdict, number in counts)


def _level(level: Mapping[str, Any]) -> list[str]:
    lines = wrap(escaped(f"Protection level {level['level']}: {level['why']}"), WIDTH)
    if level["not_covered"]:
        lines.append("Not covered:")
    for gap in level["not_covered"]:
        lines += wrap(escaped(gap), WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return lines
