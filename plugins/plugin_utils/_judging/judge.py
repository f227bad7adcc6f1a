# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Judge a device: facts and policy in, one verdict for every control out, whatever the input."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Optional

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS, mapping_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    DECLARED,
    FAIL,
    MEASURED,
    PASSED,
    SITE,
    UNKNOWN,
    WAIVED,
    Control,
    Finding,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.protection_level import (
    VOLUME_CONTROLS,
    levels_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.site_controls import control_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.site_policy import DECLARED as DECLARATIONS

_VOLUMES = "encrypted_storage_volumes"


def judge(facts: Any, policy: Any, today: Optional[str] = None) -> dict[str, Any]:
    """Judge a device.

    :param facts: C(ansible_facts), or only its C(edgesec_*) facts.
    :param policy: as :func:`_judging.policy.policy` returns it.
    :param today: the day (C(YYYY-MM-DD)) for which waivers are checked; by default today in UTC.
    """
    seen = _view(facts, "")
    wanted = _view(policy, "policy")
    site = _part(wanted, SITE)
    controls = (*CONTROLS, *_own_controls(site))
    findings = {control.id: _find(control, seen, wanted) for control in controls}
    verdicts = {identifier: finding.verdict for identifier, finding in findings.items()}
    # Levels ignore declarations and waivers: neither makes a device safer than observed.
    host, volumes = levels_of(seen, wanted, verdicts, _of_volume(seen, wanted))
    day = today or datetime.datetime.now(datetime.UTC).date().isoformat()
    return {
        "schema": 1,
        "host_level": host,
        "volumes": volumes,
        "controls": [_entry(control, findings[control.id], wanted, site, day) for control in controls],
    }


def failing_roles(judgement: Mapping[str, Any]) -> list[str]:
    """The roles that can fix a control that fails or is unknown; waived controls do not count."""
    return sorted(
        {
            control["role"]
            for control in judgement["controls"]
            if control["role"] is not None and control["verdict"] in (FAIL, UNKNOWN)
        }
    )


def _view(data: Any, name: str) -> View:
    return View(data if isinstance(data, Mapping) else {}, name)


def _part(policy: View, name: str) -> View:
    """An optional part of a policy; empty if it is missing or not a mapping."""
    return _view(policy.raw().get(name), f"policy.{name}")


def _own_controls(site: View) -> list[Control]:
    try:
        return [control_of(entry.raw()) for entry in site.children("controls")]
    except (Unseen, LookupError, AttributeError, TypeError):
        # The filter that makes policies has refused wrong entries already.
        return []


def _find(control: Control, facts: View, policy: View) -> Finding:
    try:
        return control.check(facts, policy)
    except Unseen as unseen:
        return unknown(str(unseen))
    except Exception as error:  # one bad control must not hide the others
        return unknown(f"the control could not be judged ({type(error).__name__})")


def _of_volume(facts: View, policy: View) -> Callable[[View], dict[str, str]]:
    """Return a function that judges one volume as if it were the only one declared."""
    chosen = [control for control in CONTROLS if control.id in VOLUME_CONTROLS]

    def verdicts(volume: View) -> dict[str, str]:
        alone = View({**policy.raw(), _VOLUMES: [volume.raw()]}, "policy")
        return {control.id: _find(control, facts, alone).verdict for control in chosen}

    return verdicts


def _entry(control: Control, found: Finding, policy: View, site: View, today: str) -> dict[str, Any]:
    finding = _with_declaration(control, found, policy)
    waiver = _waiver_of(control, site) if finding.verdict in (FAIL, UNKNOWN) else None
    if waiver is not None:
        finding = _with_waiver(finding, waiver, today)
    return {
        "id": control.id,
        "title": control.title,
        "best_practice": control.best_practice,
        "recommendation": control.recommendation,
        "priority": control.priority,
        "severity": _severity(control, site),
        "verdict": finding.verdict,
        "evidence": finding.evidence,
        "expected": control.expected,
        "actual": finding.actual,
        "reason": finding.reason,
        "remedy": finding.by_hand or control.remedy,
        "role": None if finding.by_hand else control.role,
        "waiver": waiver,
        "source": control.source,
        "mapping": mapping_of(control),
    }


def _with_declaration(control: Control, finding: Finding, policy: View) -> Finding:
    """Apply the owner's declaration if nothing was measured; the evidence says that it was declared."""
    if not control.declarable or finding.evidence == MEASURED or finding.verdict not in (FAIL, UNKNOWN):
        return finding
    try:
        said = _part(policy, DECLARATIONS).child(control.id)
        return Finding(PASSED, f"declared by {said.text('by')}: {said.text('reason')}", evidence=DECLARED)
    except Unseen:
        return finding


def _waiver_of(control: Control, site: View) -> Optional[dict[str, str]]:
    """The waiver with the latest expiry; None if there is none."""
    try:
        waivers = [
            {name: waiver.text(name) for name in ("reason", "expires")}
            for waiver in site.children("waivers")
            if waiver.text("control") == control.id
        ]
    except Unseen:
        return None
    return max(waivers, key=lambda waiver: waiver["expires"], default=None)


def _with_waiver(finding: Finding, waiver: Mapping[str, str], today: str) -> Finding:
    if waiver["expires"] >= today:
        return replace(finding, verdict=WAIVED)
    words = f"the waiver expired on {waiver['expires']}"
    return replace(
        finding,
        verdict=FAIL,
        actual=f"{finding.actual}; {words}",
        reason=f"{finding.reason}; {words}" if finding.reason else words,
    )


def _severity(control: Control, site: View) -> str:
    try:
        return site.child("severities").text(control.id)
    except Unseen:
        return control.severity
