# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as CSV (RFC 4180), one line for each verdict: for spreadsheets."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Report

HEAD = (
    "host", "status", "level", "control", "title", "recommendation", "priority", "severity", "verdict", "actual",
    "reason", "expected", "remedy", "role", "evidence", "waiver",
)  # fmt: skip
# Characters that begin a formula in a spreadsheet. NFKC turns superscript and subscript minus signs into U+2212.
_FORMULA = ("=", "+", "-", "@", "\u2212")


def write(report: Report) -> str:
    """The report as CSV; a host that was not judged has one line, with the reason."""
    text = io.StringIO()
    lines = csv.writer(text, quoting=csv.QUOTE_ALL)
    lines.writerow(HEAD)
    lines.writerows([_harmless(cell) for cell in row] for row in _rows(report))
    return text.getvalue()


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    controls = {control.id: control for control in report.controls}
    for host in report.hosts:
        if not host.verdicts:
            yield (host.name, host.status, host.level, *("",) * 7, host.reason, *("",) * 5)
        for identifier, found in host.verdicts.items():
            control = controls[identifier]
            yield (
                host.name, host.status, host.level, identifier, control.title, control.recommendation,
                control.priority, found.severity, found.verdict, found.actual, found.reason, control.expected,
                found.remedy, found.role, found.evidence,
                "; ".join(f"{key}: {value}" for key, value in found.waiver.items()),
            )  # fmt: skip


def _harmless(cell: str) -> str:
    # A reader may normalise text: each sign also exists full-width, as superscript and as subscript.
    first = unicodedata.normalize("NFKC", cell.lstrip()[:1])
    return f"'{cell}" if first.startswith(_FORMULA) else cell
