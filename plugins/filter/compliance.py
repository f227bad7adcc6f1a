# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._fail_on import violations
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._policy import policy
from ansible_collections.edgesec.hardening.plugins.plugin_utils._preflight import preflight
from ansible_collections.edgesec.hardening.plugins.plugin_utils._table import compare, table


def _policy(overrides: Any) -> dict[str, Any]:
    try:
        return policy(overrides)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


def _violations(judgement: Any, fail_on: str, unknown: bool = True) -> list[str]:
    try:
        return violations(judgement, fail_on, unknown)
    except EdgesecError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Judging devices by the facts of this collection."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by name."""
        return {
            "compare_judgements": compare,
            "compliance_table": table,
            "failing_roles": failing_roles,
            "judge": judge,
            "policy": _policy,
            "preflight": preflight,
            "violations": _violations,
        }
