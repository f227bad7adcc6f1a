# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as findings of AWS Security Hub (ASFF), for BatchImportFindings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, PASSED
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    ControlInfo,
    Host,
    Report,
    Verdict,
)

_TYPE = "Software and Configuration Checks/Industry and Regulatory Standards/AWS Well-Architected IoT Lens"
_STATUSES = {PASSED: "PASSED", FAIL: "FAILED", "waived": "WARNING"}
_SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
_BY_PRIORITY = {"Required": "HIGH", "Highly Recommended": "MEDIUM"}


def write(report: Report, account: str, region: str) -> str:
    """The report as a JSON list of findings; BatchImportFindings accepts a hundred at a time.

    It includes what passes, which tells Security Hub that an earlier finding is fixed.

    :param account: number of the AWS account, twelve digits.
    :param region: region of Security Hub.
    """
    common = {
        "SchemaVersion": "2018-10-08",
        "ProductArn": f"arn:{_partition(region)}:securityhub:{region}:{account}:product/{account}/default",
        "AwsAccountId": account,
        "CreatedAt": report.made_at,
        "UpdatedAt": report.made_at,
        "RecordState": "ACTIVE",
        "Types": [_TYPE],
        "ProductFields": {"edgesec/collection": report.collection or "unknown"},
    }
    prefix = f"{region}/{account}/edgesec.hardening"
    return json.dumps([common | finding for finding in _findings(report, prefix, region)]) + "\n"


def _findings(report: Report, prefix: str, region: str) -> Iterator[dict[str, Any]]:
    controls = {control.id: control for control in report.controls}
    for host in report.hosts:
        # The first report in which the host is judged closes this finding.
        yield _unjudged(host) | _place(prefix, region, host, "host.judged")
        for identifier, found in host.verdicts.items():
            yield _finding(controls[identifier], found) | _place(prefix, region, host, identifier)


def _place(prefix: str, region: str, host: Host, control: str) -> dict[str, Any]:
    digest = hashlib.sha256(f"{host.name}\0{control}".encode()).hexdigest()
    return {
        "Id": f"{prefix}/{digest}",
        "GeneratorId": f"edgesec.hardening/{_cut(control, 400)}",
        "Resources": [
            {
                "Type": "Other",
                "Id": _cut(host.name, 512),
                "Partition": _partition(region),
                "Region": region,
                "Details": {"Other": {"host": _cut(host.name, 1024), "control": _cut(control, 1024)}},
            }
        ],
    }


def _unjudged(host: Host) -> dict[str, Any]:
    return {
        "Title": "The host can be reached and judged",
        "Description": _cut(f"{host.status}: {host.reason}" if host.reason else host.status, 1024),
        "Severity": {"Label": "INFORMATIONAL" if host.verdicts else "MEDIUM"},
        "Compliance": {"Status": "PASSED" if host.verdicts else "NOT_AVAILABLE"},
    }


def _finding(control: ControlInfo, found: Verdict) -> dict[str, Any]:
    related = [f"{catalogue} {each}" for catalogue, ids in control.mapping.items() for each in ids]
    finding: dict[str, Any] = {
        "Title": _cut(control.title or control.id, 256),
        "Description": _cut(found.seen, 1024),
        "Severity": {"Label": _severity(control, found) if found.verdict != PASSED else "INFORMATIONAL"},
        "Compliance": {"Status": _STATUSES.get(found.verdict, "NOT_AVAILABLE")},
    }
    if related:
        finding["Compliance"]["RelatedRequirements"] = [_cut(each, 64) for each in related[:32]]
    if found.remedy:
        finding["Remediation"] = {"Recommendation": {"Text": _cut(found.remedy, 512)}}
    return finding


def _severity(control: ControlInfo, found: Verdict) -> str:
    given = found.severity.upper()
    return given if given in _SEVERITIES else _BY_PRIORITY.get(control.priority, "LOW")


def _partition(region: str) -> str:
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _cut(text: str, longest: int) -> str:
    return text[:longest] if text.strip() else "none"
