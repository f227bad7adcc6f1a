# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The fleet table: lines for a terminal, each with a tone for its colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    MENDED,
    NEW_FAILURE,
    Report,
)

PLAIN = "plain"
GOOD = "good"
DOUBTFUL = "doubtful"
BAD = "bad"
Line = tuple[str, str]

_ROWS = 40
_NARROWEST = 60
_GAP = "  "


def summary(report: Report) -> dict[str, Any]:
    """The content of the table as plain data, for the result of a task."""
    changes = report.changes
    return {
        "hosts": [
            {
                "name": host.name,
                "status": host.status,
                "reason": host.reason,
                "level": host.level,
                "fail": [name for name, found in host.verdicts.items() if found.verdict == FAIL],
                "unknown": [name for name, found in host.verdicts.items() if found.verdict == UNKNOWN],
            }
            for host in report.hosts
        ],
        "since": changes.since if changes else "",
        "changes": {
            "new failures": len(changes.of_kind(NEW_FAILURE)),
            "mended": len(changes.of_kind(MENDED)),
            "new hosts": len(changes.new),
            "hosts gone": len(changes.gone),
            "hosts no longer judged": len(changes.lost),
            "hosts judged again": len(changes.back),
        }
        if changes
        else {},
    }


def fleet_table(seen: Mapping[str, Any], width: int) -> list[Line]:
    """The hosts, worst first; then the controls that fail most often; then the fleet in numbers.

    :param seen: as :func:`summary` returns it.
    :param width: width of the terminal; no line is longer.
    """
    width = max(width, _NARROWEST)
    hosts = sorted(
        seen["hosts"],
        key=lambda host: (host["status"] == JUDGED, -len(host["fail"]), -len(host["unknown"]), host["name"]),
    )
    lines = _table(("host", "level", "fail", "unknown", "does not pass"), [_host(host) for host in hosts], width)
    controls = [(*row, tone) for *row, tone in _controls(hosts)]
    if controls:
        lines += [("", PLAIN), *_table(("control", "hosts that fail", "unknown"), controls, width)]
    lines += [("", PLAIN), (_cut(_counts(hosts), width), PLAIN)]
    if seen["since"]:
        words = ", ".join(f"{number} {what}" for what, number in seen["changes"].items() if number)
        lines.append((_cut(f"Since {seen['since']}: {words or 'no change'}", width), PLAIN))
    return lines


def _host(host: Mapping[str, Any]) -> tuple[str, ...]:
    if host["status"] != JUDGED:
        return (host["name"], "-", "-", "-", f"{host['status']}: {host['reason']}", BAD)
    bad = [*host["fail"], *(f"{name}?" for name in host["unknown"])]
    tone = BAD if host["fail"] else DOUBTFUL if host["unknown"] else GOOD
    return (host["name"], host["level"], str(len(host["fail"])), str(len(host["unknown"])), ", ".join(bad), tone)


def _controls(hosts: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    failed = Counter(control for host in hosts for control in host["fail"])
    unknown = Counter(control for host in hosts for control in host["unknown"])
    names = sorted({*failed, *unknown}, key=lambda name: (-failed[name], -unknown[name], name))
    return [(name, str(failed[name]), str(unknown[name]), BAD if failed[name] else DOUBTFUL) for name in names]


def _counts(hosts: Sequence[Mapping[str, Any]]) -> str:
    kinds = Counter(host["level"] if host["status"] == JUDGED else host["status"] for host in hosts)
    each = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
    return f"{len(hosts)} {'host' if len(hosts) == 1 else 'hosts'}: {each or 'none'}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[Line]:
    """Format columns; the first and the last shrink on a narrow terminal.

    :param rows: the cells of each row, followed by its tone.
    """
    shown = rows[:_ROWS]
    widths = [max(len(row[column]) for row in (head, *shown)) for column in range(len(head))]
    widths[0] = min(widths[0], max(12, width // 2))
    fixed = sum(widths[:-1]) + len(_GAP) * (len(head) - 1)
    widths[-1] = max(0, min(widths[-1], width - fixed))
    lines = [(_row(head, widths, width), PLAIN), ("-" * min(width, fixed + widths[-1]), PLAIN)]
    lines += [(_row(row[:-1], widths, width), row[-1]) for row in shown]
    if len(rows) > len(shown):
        lines.append((f"... and {len(rows) - len(shown)} more, in the report", PLAIN))
    return lines


def _row(cells: Sequence[str], widths: Sequence[int], width: int) -> str:
    return _cut(
        _GAP.join(_cut(cell, size).ljust(size) for cell, size in zip(cells, widths, strict=True)).rstrip(), width
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 3)]}..."[:width]
