# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.consent import require_consent
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import take_store


class ActionModule(DeviceAction):
    """Remove the traces of the collection with the operator's consent, and sign a record of it."""

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        arguments, store = take_store(self._task.args, self._loader)
        found = self._execute_module(module_args=arguments, task_vars=self._variables)
        if found.get("failed") or not found["traces"] or self._task.check_mode:
            return found
        require_consent(self.host, arguments.get("consent"), [f"remove {trace}" for trace in found["traces"]])
        # Begin nothing that cannot be signed for.
        store.policy_key()
        done = self._execute_module(module_args={**arguments, "may_begin": True}, task_vars=self._variables)
        if not done.get("failed"):
            done["record"] = store.put_signed_record(self.host, "traces", {"removed": done["traces"]})
        return done
