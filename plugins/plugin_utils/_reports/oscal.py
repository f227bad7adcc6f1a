# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as OSCAL 1.1.3 assessment results: a finding for each control, an observation for each result.

Hosts with the same result of a control are the subjects of one observation. All UUIDs (version 5) are derived from the
report's time and from what they name, so that the same report gives the same file.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    ControlInfo,
    Host,
    Report,
    Verdict,
)

VERSION = "1.1.3"
_NS = "https://github.com/edgesec/hardening/oscal"
_CATALOGUE = "nist_800_53"
_NIST_ID = re.compile(r"([A-Z]{2}-[0-9]+)(?:\(([0-9]+)\))?")


def write(report: Report) -> str:
    """The report as OSCAL assessment results, in JSON."""
    return json.dumps({"assessment-results": _Writer(report).document()}) + "\n"


class _Writer:
    def __init__(self, report: Report) -> None:
        self._report = report
        self._space = uuid5(NAMESPACE_URL, f"{_NS}/{report.made_at}")
        self._items = {host.name: self._uuid("host", host.name) for host in report.hosts}

    def document(self) -> dict[str, Any]:
        plan = self._uuid("plan")
        return {
            "uuid": self._uuid("results"),
            "metadata": {
                "title": "Compliance of edge devices, by edgesec.hardening",
                "last-modified": self._report.made_at,
                "version": self._report.made_at,
                "oscal-version": VERSION,
            },
            "import-ap": {"href": f"#{plan}"},
            "results": [self._result()],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": "The controls of edgesec.hardening",
                        "description": "There is no assessment plan but this catalogue.",
                        "rlinks": [{"href": "https://github.com/edgesec/hardening/blob/main/docs/controls.md"}],
                    }
                ]
            },
        }

    def _result(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "uuid": self._uuid("result"),
            "title": "One look at every host",
            "description": "Every host was observed once and judged by the controls of edgesec.hardening, "
            f"version {self._report.collection or 'unknown'}.",
            "start": self._report.made_at,
            "end": self._report.made_at,
            "reviewed-controls": {"control-selections": [self._selection()]},
        }
        if self._report.hosts:
            result["local-definitions"] = {"inventory-items": [self._item(host) for host in self._report.hosts]}
        observations, findings = [], []
        for control in self._report.controls:
            seen = self._observations(control)
            observations += seen
            findings.append(self._finding(control, seen))
        observations += [self._not_judged(host) for host in self._report.hosts if host.status != JUDGED]
        return result | {key: what for key, what in (("observations", observations), ("findings", findings)) if what}

    def _selection(self) -> dict[str, Any]:
        found = {
            f"{match[1].lower()}{f'.{match[2]}' if match[2] else ''}"
            for control in self._report.controls
            for each in control.mapping.get(_CATALOGUE, ())
            if (match := _NIST_ID.fullmatch(each))
        }
        if not found:
            return {"include-all": {}}
        return {
            "description": "Controls of NIST SP 800-53 revision 5 that those of this collection serve.",
            "include-controls": [{"control-id": each} for each in sorted(found)],
        }

    def _item(self, host: Host) -> dict[str, Any]:
        props = [_prop("status", host.status)]
        if host.level:
            props.append(_prop("protection-level", host.level))
        return {"uuid": self._items[host.name], "description": _some(host.name), "props": props}

    def _observations(self, control: ControlInfo) -> list[dict[str, Any]]:
        groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
        kept: dict[tuple[Any, ...], Verdict] = {}
        for host in self._report.hosts:
            found = host.verdicts.get(control.id)
            if found is not None:
                key = (found.verdict, found.seen, found.remedy, tuple(sorted(found.waiver.items())))
                groups[key].append(host.name)
                kept[key] = found
        return [self._observation(control, kept[key], hosts) for key, hosts in groups.items()]

    def _observation(self, control: ControlInfo, found: Verdict, hosts: list[str]) -> dict[str, Any]:
        props = [_prop("control", control.id), _prop("verdict", found.verdict)]
        props += [_prop(name, value) for name, value in (("grade", found.evidence), *_waiver(found)) if value.strip()]
        return {
            "uuid": self._uuid("observation", control.id, found.verdict, found.seen, found.remedy, *hosts),
            "title": _some(control.title),
            "description": _some(found.seen),
            "props": props,
            "methods": ["TEST"],
            "types": ["finding" if found.verdict == FAIL else "control-objective"],
            "subjects": [{"subject-uuid": self._items[host], "type": "inventory-item"} for host in hosts],
            "collected": self._report.made_at,
            **({"remarks": f"Remedy: {found.remedy}"} if found.remedy and found.verdict == FAIL else {}),
        }

    def _not_judged(self, host: Host) -> dict[str, Any]:
        return {
            "uuid": self._uuid("not judged", host.name),
            "title": "A host that could not be judged",
            "description": _some(f"{host.status}: {host.reason}"),
            "props": [_prop("status", host.status)],
            "methods": ["TEST"],
            "subjects": [{"subject-uuid": self._items[host.name], "type": "inventory-item"}],
            "collected": self._report.made_at,
        }

    def _finding(self, control: ControlInfo, observations: list[dict[str, Any]]) -> dict[str, Any]:
        counts = {
            verdict: len(self._report.hosts_with(control.id, verdict))
            for verdict in sorted({found.verdict for host in self._report.hosts for found in host.verdicts.values()})
        }
        bad = counts.get(FAIL, 0) + counts.get(UNKNOWN, 0)
        words = ", ".join(f"{verdict} on {number}" for verdict, number in counts.items() if number)
        finding: dict[str, Any] = {
            "uuid": self._uuid("finding", control.id),
            "title": _some(control.title),
            "description": f"Hosts by verdict: {words or 'none'}.",
            "props": [_prop("control", control.id)]
            + [_prop(catalogue, each) for catalogue, ids in control.mapping.items() for each in ids if each.strip()],
            "target": {
                "type": "objective-id",
                "target-id": _token(control.id),
                "description": _some(control.expected),
                "status": {"state": "not-satisfied" if bad else "satisfied", "reason": "fail" if bad else "pass"},
            },
        }
        if observations:
            finding["related-observations"] = [{"observation-uuid": each["uuid"]} for each in observations]
        return finding

    def _uuid(self, *what: str) -> str:
        return str(uuid5(self._space, "\0".join(what)))


def _waiver(found: Verdict) -> list[tuple[str, str]]:
    return [(f"waiver-{key}", value) for key, value in found.waiver.items()]


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": _token(name), "ns": _NS, "value": _some(value).strip()}


def _token(text: str) -> str:
    """The text as an XML name without colons, which OSCAL requires for identifiers."""
    token = re.sub(r"[^A-Za-z0-9._-]", "_", text)
    return token if re.match(r"[A-Za-z_]", token) else f"_{token}"


def _some(text: str) -> str:
    return text if text.strip() else "none"
