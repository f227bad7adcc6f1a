# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Refused
from ansible_collections.edgesec.hardening.plugins.plugin_utils._approval import (
    BootState,
    begin_counter,
    most_states,
    running_state,
    words,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore


class ActionModule(SecretAction):
    """Signs the boot states of the device, and adds the TPM's keyslot with the escrowed recovery key."""

    def public_arguments(self, store: FleetStore) -> dict[str, Any]:
        """What the controller has said before: its key, and which boot states are to be approved."""
        states = store.boot_states(self.host)
        return {"authority": self._authority(store), "approved": [state.id for state in states] or None}

    def _authority(self, store: FleetStore) -> str | None:
        """The public part of the policy key, where there is one; check mode opens none for it."""
        known = store.policy_public_key()
        if known is not None or not store.has_named_policy_key:
            return known
        if not self._task.check_mode:
            return store.policy_key().public_pem()
        self._display.warning(
            f"{self.host}: the policy key was not used before, and check mode does not open it. "
            "Whether a volume is sealed under another one is not told."
        )
        return None

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        policy_key = store.policy_key()
        authority = policy_key.public_pem()
        if self.probed["counter_value"] is None or arguments["authority"] != authority:
            said = {"authority": authority, "counter_begin": begin_counter(policy_key, self.probed)}
            begun = {**arguments, **said, "latch_pcr": self.probed["latch_pcr"]}
            self.probed = self._execute_module(module_args=begun, task_vars=self._variables)
            if self.probed.get("failed"):
                return self.probed
        uuid = self.probed["uuid"]
        self._require_plausible_counter(store)
        signed = words(policy_key, self.probed, self._states(store, most_states(policy_key)))
        key = self.recovery_key(arguments, store)
        store.put_counter(self.host, uuid, self.probed["epoch"])
        result, backup = self.call({**arguments, **signed, "recovery_key": key.decode()})
        if backup is not None:
            store.put_header(self.host, uuid, backup)
        return result

    def _states(self, store: FleetStore, most: int) -> list[BootState]:
        """The boot states to approve, the running one among them."""
        running = running_state(self.probed)
        known = store.boot_states(self.host)
        usable = [state for state in known if state.once or state.pcrs == running.pcrs]
        kept = [state for state in usable if state.digest == running.digest and not state.once]
        if not kept:
            if usable and not self._takes_change:
                raise Refused(
                    f"{self.host}: the boot state",
                    "is none of those that were approved before, though its volume says nothing of them",
                    "Find out why. If the change is yours, run once with tpm_sealing_accept: [boot_change]",
                )
            store.put_boot_state(self.host, running)
            kept = [running]
        # The running one whatever its age, and of the others the newest.
        others = [state for state in usable if state not in kept]
        kept = [*others[max(0, len(others) + len(kept) - most) :], *kept]
        for state in known:
            if state not in kept:
                store.retire_boot_state(self.host, state.id)
        return kept

    def _require_plausible_counter(self, store: FleetStore) -> None:
        """Sign for no counter far ahead: what was approved for it could be revoked no more."""
        before = store.counter(self.host, self.probed["uuid"])
        if before is not None and self.probed["epoch"] > before + 1 and not self._takes_change:
            raise Refused(
                f"{self.host}: the revocation counter",
                f"has come to {self.probed['counter_value']}, and was last signed for {before}",
                "Find out who removed it and made it anew. If that was you, run once with "
                "tpm_sealing_accept: [boot_change]",
            )

    @property
    def _takes_change(self) -> bool:
        return bool({"boot_change", "tpm_change"} & set(self._task.args.get("accept") or ()))
