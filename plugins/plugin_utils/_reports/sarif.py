# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as SARIF 2.1.0: a result for each verdict that needs attention."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    NEW_FAILURE,
    ControlInfo,
    Host,
    Report,
    Verdict,
)

_PAGE = "https://github.com/edgesec/hardening"
_LEVELS = {"Required": "error", "Highly Recommended": "warning"}
# Section 3.27.9 of the standard; controls that pass or do not apply are left out.
_KINDS = {FAIL: "fail", "waived": "fail", UNKNOWN: "open"}


def write(report: Report) -> str:
    """The report as SARIF."""
    run = {
        "tool": {
            "driver": {
                "name": "edgesec.hardening",
                "informationUri": _PAGE,
                "version": report.collection,
                "rules": [_rule(control) for control in report.controls],
            }
        },
        "invocations": [
            {
                "executionSuccessful": all(host.status == JUDGED for host in report.hosts),
                "endTimeUtc": report.made_at,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": f"{host.name}: {host.status}: {host.reason}"},
                        "locations": [_location(host.name)],
                    }
                    for host in report.hosts
                    if host.status != JUDGED
                ],
            }
        ],
        "originalUriBaseIds": {"REPORTS": {"description": {"text": "The directory of the reports of single hosts"}}},
        "results": list(_results(report)),
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document) + "\n"


def _rule(control: ControlInfo) -> dict[str, Any]:
    return {
        "id": control.id,
        "shortDescription": {"text": control.title or control.id},
        "fullDescription": {"text": f"Passes: {control.expected}"},
        "helpUri": f"{_PAGE}/blob/main/docs/controls.md",
        "defaultConfiguration": {"level": _level(control)},
        "properties": {
            "tags": ["security", *sorted({control.priority, control.recommendation} - {""})],
            "mapping": control.mapping,
        },
    }


def _level(control: ControlInfo) -> str:
    return _LEVELS.get(control.priority, "note")


def _results(report: Report) -> Iterator[dict[str, Any]]:
    numbers = {control.id: number for number, control in enumerate(report.controls)}
    fresh = {(each.host, each.control) for each in report.changes.of_kind(NEW_FAILURE)} if report.changes else set()
    for host in report.hosts:
        for identifier, found in host.verdicts.items():
            if found.verdict in _KINDS:
                number = numbers[identifier]
                result = _result(host, report.controls[number], found) | {"ruleIndex": number}
                if report.changes:
                    result["baselineState"] = "new" if (host.name, identifier) in fresh else "unchanged"
                yield result


def _result(host: Host, control: ControlInfo, found: Verdict) -> dict[str, Any]:
    kind = _KINDS[found.verdict]
    remedy = f" Remedy: {found.remedy}." if found.remedy else ""
    result: dict[str, Any] = {
        "ruleId": control.id,
        "kind": kind,
        "level": _level(control) if kind == "fail" else "none",
        "message": {"text": f"{host.name}: {found.seen}.{remedy}"},
        "locations": [_location(host.name)],
        "partialFingerprints": {
            "hostAndControl/v1": hashlib.sha256(f"{host.name}\0{control.id}".encode()).hexdigest(),
        },
    }
    if found.verdict == "waived":
        justification = "; ".join(f"{key}: {value}" for key, value in found.waiver.items())
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": justification}]
    return result


def _location(host: str) -> dict[str, Any]:
    return {
        "physicalLocation": {"artifactLocation": {"uri": quote(f"{host}.json", safe=""), "uriBaseId": "REPORTS"}},
        "logicalLocations": [{"name": host, "kind": "resource"}],
    }
