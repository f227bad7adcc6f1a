# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import answer_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.observation import arguments
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.policy import KEYS, policy
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.preflight import obstacles
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.role_variables import check
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import table
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.write import write_files
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope_digests import altered_escrow

FACTS = "edgesec.hardening.compliance_facts"
TCTI = "tpm_sealing_tcti"

# The strategy imports this once and then forks a worker for each host: what all hosts share is read here.
policy({})
answer_of("compliance_facts")


class ActionModule(DeviceAction):
    """Complete the policy of a host, observe it, judge it, and keep the report, in one task."""

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        _validation, options = self.validate_argument_spec(
            argument_spec={
                "report_dir": {"type": "path"},
                "store": {"type": "path"},
                "variables_of": {"type": "list", "elements": "str", "default": []},
            }
        )
        variables = self._variables
        check(options["variables_of"], variables, self._templar.template)
        names = {*KEYS, TCTI} & variables.keys()
        settings: dict[str, Any] = self._templar.template({name: variables[name] for name in names})
        tcti = settings.pop(TCTI, None)
        host = variables["inventory_hostname"]
        wanted = policy(settings, host, variables["group_names"])

        observed = self._execute_module(module_name=FACTS, module_args=arguments(wanted, tcti), task_vars=variables)
        if observed.get("failed"):
            return observed
        judgement = judge(observed["ansible_facts"], wanted)
        if options["report_dir"] and not self._task.check_mode:
            report = {"host": host, "facts": observed["ansible_facts"], **judgement}
            write_files(Path(options["report_dir"]), {f"{host}.json": f"{json.dumps(report)}\n".encode()})
        self._display.display("\n".join([f"{host}:", *table(judgement), ""]))
        roles = failing_roles(judgement)
        altered = altered_escrow(options["store"] or "", host)
        return {
            "changed": False,
            "warnings": observed.get("warnings", []),
            "ansible_facts": observed["ansible_facts"],
            # As text: Ansible copies a result several times, and as data that would cost more than everything above.
            "judgement": json.dumps(judgement),
            "failing_roles": roles,
            "obstacles": [*altered, *obstacles(observed["ansible_facts"], wanted, roles)],
            "escrow_altered": altered,
        }
