# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make the report on a fleet from the variables of its hosts, or read it from a file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports import json as report_json
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.changes import changes
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.formats import collection_version
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    FAILED,
    UNREACHABLE,
    Host,
    Report,
    controls_of,
    host_of,
    text_of,
)

RESULT = "compliance_result"


def fleet_report(hosts: Mapping[str, Mapping[str, Any]], made_at: str, baseline: Report | None = None) -> Report:
    """Make the report on hosts.

    :param hosts: the variables of each host, by name; C(compliance_result) has the result or the failure of
        M(edgesec.hardening.compliance_judgement).
    :param made_at: ISO 8601 with a zone.
    :param baseline: an earlier report to compare with.
    """
    judgements, found = [], []
    for name, variables in hosts.items():
        result = _result_of(variables)
        judgement = _judgement(result)
        if judgement is None:
            found.append(_not_judged(name, result))
        else:
            judgements.append(judgement)
            found.append(host_of(name, judgement))
    return _compared(Report(made_at, collection_version(), controls_of(judgements), tuple(found)), baseline)


def saved_report(path: Path, baseline: Report | None = None) -> Report:
    """Read a report that was written as JSON.

    :param baseline: an earlier report to compare with, instead of the one that it was compared with then.
    :raises EdgesecError: the file cannot be read, or is not a report.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EdgesecError(
            f"the report {path}", f"cannot be read: {error.strerror}", "Name the report.json of an earlier run"
        ) from error
    return _compared(report_json.read(data, f"the report {path}"), baseline)


def _result_of(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the controller registered for a host; a fact of the host never counts."""
    facts, result = variables.get("ansible_facts"), variables.get(RESULT)
    if isinstance(facts, Mapping) and RESULT in facts and facts[RESULT] == result:
        return {"failed": True, "msg": f"the host has {RESULT} among its facts, as if it had judged itself"}
    return result if isinstance(result, Mapping) else {}


def _judgement(result: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if result.get("failed") or result.get("unreachable") or not isinstance(result.get("judgement"), str):
        return None
    try:
        judgement = json.loads(result["judgement"])
    except (ValueError, RecursionError):
        return None
    return judgement if isinstance(judgement, Mapping) else None


def _not_judged(name: str, result: Mapping[str, Any]) -> Host:
    status = UNREACHABLE if result.get("unreachable") else FAILED
    missing = "what was registered for it is not a judgement" if "judgement" in result else "no reason was given"
    return Host(text_of(name), status, text_of(result.get("msg")).strip() or missing)


def _compared(report: Report, baseline: Report | None) -> Report:
    return dataclasses.replace(report, changes=changes(baseline, report)) if baseline else report
