# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import WIDTH, compare, table

Facts = dict[str, Any]


def test_a_judgement_as_a_table(before: Facts, policy: Facts) -> None:
    lines = table(judge(before, policy))
    assert all(len(line) <= WIDTH for line in lines)
    row = next(line for line in lines if "storage.writable.encrypted" in line)
    assert row.split()[:3] == ["FAIL", "storage.writable.encrypted", "3.1.2.3"]
    assert row.endswith("data: blank, not encrypted")
    assert any(line.startswith("Protection level L0: nothing sealed") for line in lines)
    assert "Not covered:" in lines


def test_what_does_not_apply_says_why(before: Facts, policy: Facts) -> None:
    row = next(line for line in table(judge(before, policy)) if "storage.swap.encrypted" in line)
    assert row.startswith("n/a")
    assert row.endswith("no swap is in use")


def test_two_judgements_side_by_side(before: Facts, after: Facts, policy: Facts) -> None:
    lines = compare(judge(before, policy), judge(after, policy))
    assert all(len(line) <= WIDTH for line in lines)
    row = next(line for line in lines if line.startswith("boot.mounts.read_only"))
    assert row.split()[2:4] == ["FAIL", "pass"]
    assert sum(line.startswith("Protection level L") for line in lines) == 2


def test_a_control_of_only_one_judgement_is_shown(before: Facts, policy: Facts) -> None:
    old, new = judge(before, policy), judge(before, policy)
    new["controls"] = new["controls"][1:]
    row = next(line for line in compare(old, new) if line.startswith("storage.writable.encrypted"))
    assert row.split()[2:4] == ["FAIL", "-"]


@given(st.text())
def test_what_a_device_reports_cannot_steer_the_terminal(text: str) -> None:
    control = {"id": "a.b", "best_practice": "3.1.2.3", "verdict": "fail", "actual": f"\x1b[2J\r{text}", "reason": ""}
    level = {"level": "L0", "why": text, "not_covered": [text]}
    lines = table({"controls": [control], "host_level": level})
    assert all(line.isprintable() and len(line) <= WIDTH for line in lines)
