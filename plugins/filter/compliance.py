# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.credential_sets import files_of_sets
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.fail_on import violations
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.policy import policy
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.preflight import preflight
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.on_device import local_facts, metrics
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import compare, table


def _policy(overrides: Any, host: str = "", groups: Collection[str] = ()) -> dict[str, Any]:
    try:
        return policy(overrides, host, groups)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


def _credential_sets(names: Any) -> list[dict[str, Any]]:
    try:
        return files_of_sets(names)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


def _violations(judgement: Any, fail_on: str, unknown: bool = True) -> list[str]:
    try:
        return violations(judgement, fail_on, unknown)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Judge devices by the facts of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "compare_judgements": compare,
            "compliance_metrics": metrics,
            "compliance_table": table,
            "credential_sets": _credential_sets,
            "failing_roles": failing_roles,
            "judge": judge,
            "local_facts": local_facts,
            "policy": _policy,
            "preflight": preflight,
            "violations": _violations,
        }
