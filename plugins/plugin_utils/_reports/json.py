# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as JSON, schema 1, for other programs and for comparison with a later report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    STATUSES,
    Change,
    Changes,
    Host,
    Report,
    controls_of,
    host_of,
    text_of,
)

SCHEMA = 1


def write(report: Report) -> str:
    """The report as JSON."""
    return json.dumps(_document(report), indent=1) + "\n"


def read(text: str | bytes, name: str) -> Report:
    """Read a report in this format, from this or an earlier version of the collection.

    :param name: name of the file, for errors.
    :raises Malformed: it is not such a report.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(name, "is not JSON", "Name a report.json of this collection") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise Malformed(name, f"is not a report of schema {SCHEMA}", "Name a report.json of this collection")
    try:
        return _report(document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Malformed(name, f"is a damaged report ({type(error).__name__}: {error})", "Name another") from error


def _document(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "made_at": report.made_at,
        "collection": report.collection,
        "controls": [asdict(control) for control in report.controls],
        "hosts": [_host(host) for host in report.hosts],
        "changes": asdict(report.changes) if report.changes else None,
    }


def _host(host: Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "status": host.status,
        "reason": host.reason,
        "host_level": {"level": host.level, "why": host.why, "not_covered": host.not_covered},
        # Without the fields of the catalogue, which would be most of the file.
        "controls": [
            {
                "id": identifier,
                "verdict": found.verdict,
                "actual": found.actual,
                "reason": found.reason,
                "remedy": found.remedy,
                "role": found.role,
                "severity": found.severity,
                "evidence": found.evidence,
                "waiver": found.waiver,
            }
            for identifier, found in host.verdicts.items()
        ],
    }


def _report(document: Mapping[str, Any]) -> Report:
    changed = document["changes"]
    return Report(
        made_at=text_of(document["made_at"]),
        collection=text_of(document["collection"]),
        controls=controls_of([document]),
        hosts=tuple(map(_read_host, document["hosts"])),
        changes=None if changed is None else _changes(changed),
    )


def _read_host(data: Mapping[str, Any]) -> Host:
    if data["status"] not in STATUSES:
        raise ValueError(f"the status of {data['name']!r} is none of {', '.join(STATUSES)}")
    if data["status"] == JUDGED:
        return host_of(data["name"], data)
    return Host(text_of(data["name"]), data["status"], text_of(data["reason"]))


def _changes(data: Mapping[str, Any]) -> Changes:
    return Changes(
        since=text_of(data["since"]),
        verdicts=tuple(
            Change(*(text_of(each[key]) for key in ("host", "control", "before", "after"))) for each in data["verdicts"]
        ),
        **{key: tuple(map(text_of, data[key])) for key in ("new", "gone", "lost", "back")},
    )
