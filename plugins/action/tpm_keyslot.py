# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible.module_utils.common.validation import check_type_list

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import keep_header


class ActionModule(SecretAction):
    """Sign the boot states of the device, and add the TPM's keyslot with the escrowed recovery key."""

    @property
    def kept_here(self) -> tuple[str, ...]:
        return ("accepted_by_playbook",)

    def public_arguments(self, store: FleetStore) -> dict[str, Any]:
        """What the controller knows already: its policy key, and the approved boot states."""
        return {"authority": self._authority(store), "approved": store.boot_state_ids(self.host) or None}

    def _authority(self, store: FleetStore) -> str | None:
        """The public part of the policy key, if there is one; check mode opens no key for it."""
        known = store.policy_public_key()
        if known is not None or not store.has_named_policy_key:
            return known
        if not self._task.check_mode:
            return store.policy_key().public_pem()
        self._display.warning(
            f"{self.host}: the policy key was not used before, and check mode does not open it. "
            "So it is not checked whether a volume is sealed under another key."
        )
        return None

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        accept, pcrs, by_playbook = (
            check_type_list(self._task.args.get(name) or []) for name in ("accept", "pcrs", "accepted_by_playbook")
        )
        gate = SigningGate(store, self.host, accept, [int(pcr) for pcr in pcrs], by_playbook=by_playbook)
        if self.probed["counter_value"] is None or arguments["authority"] != gate.authority:
            begun = {**arguments, **gate.begin(self.probed)}
            self.probed = self._execute_module(module_args=begun, task_vars=self._variables)
            if self.probed.get("failed"):
                return self.probed
        gate.check(self.probed)
        key = self.recovery_key(arguments, store)
        signed = gate.sign(self.probed)
        result, backup = self.call({**arguments, **signed, "recovery_key": key.decode()})
        if backup is not None:
            keep_header(store, self.host, self.probed["uuid"], backup)
        return result
