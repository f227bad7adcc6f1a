# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.on_device import local_facts, metrics

Facts = dict[str, Any]
DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana_dashboard.json"


def test_a_local_fact_has_levels_and_all_verdicts_and_nothing_else(after: Facts, policy: Facts) -> None:
    text = local_facts(judge(after, policy))
    facts = json.loads(text)
    assert facts["level"] == "L1"
    assert facts["volumes"] == {"data": "L1"}
    assert set(facts["controls"]) == {control.id for control in CONTROLS}
    assert facts["controls"]["boot.root.verified"] == "fail"
    assert len(text) < 6144


def test_both_change_only_with_the_judgement(after: Facts, policy: Facts) -> None:
    for write in (local_facts, metrics):
        assert write(judge(after, policy, "2026-11-26")) == write(judge(after, policy, "2026-12-31"))


def test_metrics(after: Facts, policy: Facts) -> None:
    policy["encrypted_storage_volumes"][0]["name"] = 'da"ta\n'
    text = metrics(judge(after, policy))
    assert text.endswith("\n")
    assert "\nedgesec_compliance_level 0\n" in text
    assert 'edgesec_compliance_volume_level{volume="da\\"ta\\n"} 0\n' in text
    labels = 'control="boot.root.verified",priority="Recommended",severity="low",verdict="fail"'
    assert f"edgesec_compliance_verdict{{{labels}}} 1\n" in text
    sample = re.compile(r'edgesec_compliance_\w+(\{(\w+="(\\.|[^"\\\n])*",?)+\})? \d+')
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in text.splitlines())


def test_the_dashboard_asks_for_metrics_that_are_written(after: Facts, policy: Facts) -> None:
    written = set(re.findall(r"^# TYPE (\w+)", metrics(judge(after, policy)), re.MULTILINE))
    dashboard = DASHBOARD.read_text(encoding="utf-8")
    asked = [target["expr"] for panel in json.loads(dashboard)["panels"] for target in panel["targets"]]
    assert set(re.findall(r"edgesec_\w+", dashboard)) == written
    assert all(re.search(r"edgesec_\w+", expression) for expression in asked)
