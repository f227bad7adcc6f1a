# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose table the callback shows at the end of a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.callback.compliance import REPORT, CallbackModule

OWN, FORGED = {"hosts": ["own"]}, {"hosts": ["forged"]}


def result(action: str, summary: Any, resolved: str | None = None) -> Any:
    return SimpleNamespace(
        _task=SimpleNamespace(action=action, resolved_action=resolved or action), _result={"fleet_summary": summary}
    )


@pytest.mark.parametrize(
    "action", ["edgesec.hardening.compliance_judgement", "ansible.builtin.copy", "compliance_report"]
)
def test_a_table_from_a_device_is_not_shown(action: str) -> None:
    callback = CallbackModule()
    callback.v2_runner_on_ok(result(action, FORGED))
    assert callback._seen is None
    callback.v2_runner_on_ok(result(REPORT, OWN))
    callback.v2_runner_on_ok(result(action, FORGED))
    assert callback._seen == OWN


def test_the_report_is_known_by_its_short_name_as_well() -> None:
    callback = CallbackModule()
    callback.v2_runner_on_ok(result("compliance_report", OWN, REPORT))
    assert callback._seen == OWN
