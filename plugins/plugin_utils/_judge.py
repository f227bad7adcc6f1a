# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Judging: facts and policy in, one verdict for every control out, whatever a device or a user may give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._catalogue import CONTROLS, mapping_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._control import (
    FAIL,
    UNKNOWN,
    Control,
    Finding,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._level import level_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._view import Unseen, View


def judge(facts: Any, policy: Any) -> dict[str, Any]:
    """The judgement of a device.

    :param facts: C(ansible_facts), or the C(edgesec_*) facts of it.
    :param policy: as :func:`_policy.policy` returns it.
    """
    seen = _view(facts, "")
    wanted = _view(policy, "policy")
    findings = {control.id: _find(control, seen, wanted) for control in CONTROLS}
    verdicts = {identifier: finding.verdict for identifier, finding in findings.items()}
    return {
        "schema": 1,
        "host_level": level_of(seen, wanted, verdicts),
        "controls": [_entry(control, findings[control.id]) for control in CONTROLS],
    }


def failing_roles(judgement: Mapping[str, Any]) -> list[str]:
    """The roles that can bring a control to pass which does not; what is unknown counts as failed."""
    return sorted(
        {
            control["role"]
            for control in judgement["controls"]
            if control["role"] is not None and control["verdict"] in (FAIL, UNKNOWN)
        }
    )


def _view(data: Any, name: str) -> View:
    return View(data if isinstance(data, Mapping) else {}, name)


def _find(control: Control, facts: View, policy: View) -> Finding:
    try:
        return control.check(facts, policy)
    except Unseen as unseen:
        return unknown(str(unseen))
    except Exception as error:  # one bad control must not hide the others
        return unknown(f"the control could not be judged ({type(error).__name__})")


def _entry(control: Control, finding: Finding) -> dict[str, Any]:
    return {
        "id": control.id,
        "title": control.title,
        "best_practice": control.best_practice,
        "recommendation": control.recommendation,
        "priority": control.priority,
        "verdict": finding.verdict,
        "expected": control.expected,
        "actual": finding.actual,
        "reason": finding.reason,
        "remedy": finding.by_hand or control.remedy,
        "role": None if finding.by_hand else control.role,
        "source": control.source,
        "mapping": mapping_of(control),
    }
