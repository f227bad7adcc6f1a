# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._approval import approve
from ansible_collections.edgesec.hardening.plugins.plugin_utils._secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore


class ActionModule(SecretAction):
    """Signs the boot state of the device, and adds the TPM's keyslot with the escrowed recovery key."""

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        policy_key = store.policy_key()
        srk_name = bytes.fromhex(self.probed["srk_name"])
        values = {int(pcr): bytes.fromhex(value) for pcr, value in self.probed["pcr_values"].items()}
        latch = {int(self.probed["latch_pcr"]): bytes(32)}
        approval = approve(policy_key, srk_name, {**values, **latch}, self.probed["kernel"])
        # Where the latch is extended already, only a state that has it so can prove the seal in this boot.
        proof = approve(policy_key, srk_name, {**latch, **values}, self.probed["kernel"])
        key = self.recovery_key(arguments, store)
        store.put_approval(self.host, approval)
        result, backup = self.call(
            {
                **arguments,
                "authority": policy_key.public_pem(),
                "approvals": [approval.to_json()],
                "proof": proof.to_json(),
                "latch_pcr": self.probed["latch_pcr"],
                "recovery_key": key.decode(),
            }
        )
        if backup is not None:
            store.put_header(self.host, self.probed["uuid"], backup)
        return result
