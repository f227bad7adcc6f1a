# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.following_action import FollowingAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import keep_header

_IDLE, _RUNNING = "idle", "running"


class ActionModule(FollowingAction):
    """Start the rotation, show its progress, and escrow the resulting header."""

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        uuid = self.probed["uuid"]
        stage = self.probed["stage"]
        keyed = {**arguments, "recovery_key": self.recovery_key(arguments, store).decode()}
        # Do not begin again a rotation that finished on the device after the controller was gone.
        is_done = stage == _IDLE and store.volume_key_rotated_from(self.host, uuid) not in (None, self._fingerprint)
        if not is_done:
            proof = self._proof(store)
            # A store that was restored from a backup does not know of a rotation in progress.
            if stage == _IDLE or store.volume_key_rotated_from(self.host, uuid) is None:
                store.begin_volume_key_rotation(self.host, uuid, self._fingerprint)
            if stage != _RUNNING:
                begun = self.call({**keyed, **proof})[0]
                if begun.get("failed"):
                    self._escrow_if_unchanged(arguments, keyed, store)
                    return begun
            now = self.follow(arguments, _IDLE, "encrypted with another volume key")
            if now.get("failed"):
                return now
        result = self._escrow(keyed, store)
        if not result.get("failed"):
            store.end_volume_key_rotation(self.host, uuid)
        return result

    @property
    def _fingerprint(self) -> str:
        """The fingerprint of the volume key that the device has."""
        return str(self.probed["fingerprint"])

    def _escrow(self, keyed: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        """Check that the recovery key opens the volume, and escrow its header."""
        result, backup = self.call({**keyed, "finished": True})
        if backup is not None:
            keep_header(store, self.host, self.probed["uuid"], backup)
        return result

    def _escrow_if_unchanged(self, arguments: dict[str, Any], keyed: dict[str, Any], store: FleetStore) -> None:
        """Escrow the header again if the rotation did not begin: its backup was put aside."""
        now = self._execute_module(module_args=arguments, task_vars=self._variables)
        if (now.get("stage"), now.get("fingerprint")) == (_IDLE, self._fingerprint):
            self._escrow(keyed, store)

    def _proof(self, store: FleetStore) -> dict[str, Any]:
        """What makes the TPM unseal the volume's secret once more in this boot; empty if nothing is sealed."""
        signed = self.probed["to_be_signed"]
        return SigningGate(store, self.host).prove(self.probed["uuid"], signed) if signed else {}
