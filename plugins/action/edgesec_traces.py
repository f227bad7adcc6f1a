# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._consent import require_consent
from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow_option import take_store


class ActionModule(ActionBase):
    """Has the traces of the collection removed with the operator's consent, and signs a record of it."""

    _requires_connection = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by ansible-core."""
        super().run(tmp, task_vars)
        host = str((task_vars or {})["inventory_hostname"])
        try:
            arguments, store = take_store(self._task.args, self._loader)
            found: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=task_vars)
            if found.get("failed") or not found["traces"] or self._task.check_mode:
                return found
            require_consent(host, arguments.get("consent"), [f"remove {trace}" for trace in found["traces"]])
            # What cannot be signed for is not begun.
            store.policy_key()
            done: dict[str, Any] = self._execute_module(
                module_args={**arguments, "may_begin": True}, task_vars=task_vars
            )
            if not done.get("failed"):
                done["record"] = store.put_signed_record(host, "traces", {"removed": done["traces"]})
            return done
        except EdgesecError as error:
            raise AnsibleActionFail(str(error)) from error
