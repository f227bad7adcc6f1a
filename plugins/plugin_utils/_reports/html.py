# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as one self-contained HTML page: no network, no other file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    MENDED,
    NEW_FAILURE,
    Report,
)

_ROLE = Path(__file__).resolve().parents[3] / "roles" / "compliance"
# Escape what would end a script element, or begin a comment in it.
_IN_SCRIPT = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def write(report: Report) -> str:
    """The report as HTML; the verdicts are in it once, as data, and a script shows them on demand."""
    script, style = ((_ROLE / "files" / f"report.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        (_ROLE / "templates" / "report.html.j2").read_text(encoding="utf-8")
    )
    return page.render(
        report=report,
        verdicts=Counter(found.verdict for host in report.hosts for found in host.verdicts.values()),
        levels=sorted(Counter(host.level for host in report.hosts if host.level).items()),
        not_judged=[host for host in report.hosts if host.status != JUDGED],
        failing=_failing(report),
        new_failures=report.changes.of_kind(NEW_FAILURE) if report.changes else [],
        mended=report.changes.of_kind(MENDED) if report.changes else [],
        data=Markup(json.dumps(_data(report), separators=(",", ":")).translate(_IN_SCRIPT)),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script_hash=_hash(script),
        style_hash=_hash(style),
    )


def _failing(report: Report) -> list[dict[str, Any]]:
    """For each control that any host fails or does not know, the number of such hosts."""
    counts = Counter((name, found.verdict) for host in report.hosts for name, found in host.verdicts.items())
    rows = [
        {"control": each, FAIL: counts[each.id, FAIL], UNKNOWN: counts[each.id, UNKNOWN]} for each in report.controls
    ]
    return sorted((row for row in rows if row[FAIL] or row[UNKNOWN]), key=lambda row: (-row[FAIL], -row[UNKNOWN]))


def _data(report: Report) -> dict[str, Any]:
    """The data for the script: a list of unique texts, and verdicts as indexes into it."""
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    hosts = [
        {
            "name": host.name,
            "status": host.status,
            "reason": host.reason,
            "level": host.level,
            "why": number(host.why),
            "gaps": [number(gap) for gap in host.not_covered],
            "verdicts": [_cell(host.verdicts.get(control.id), number) for control in report.controls],
        }
        for host in report.hosts
    ]
    changed = report.changes.verdicts if report.changes else ()
    return {
        "controls": [
            {
                "id": control.id,
                "title": control.title,
                "priority": control.priority,
                "recommendation": control.recommendation,
                "expected": control.expected,
                "source": control.source,
                "mapping": control.mapping,
            }
            for control in report.controls
        ],
        "hosts": hosts,
        "changes": [[change.host, change.control, change.before] for change in changed],
        "texts": list(numbers),
    }


def _cell(found: Any, number: Callable[[str], int]) -> list[int] | None:
    if found is None:
        return None
    waiver = "; ".join(f"{key}: {value}" for key, value in found.waiver.items())
    return [
        number(text)
        for text in (
            found.verdict,
            found.actual,
            found.reason,
            found.remedy,
            found.role,
            found.severity,
            found.evidence,
            waiver,
        )
    ]


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
