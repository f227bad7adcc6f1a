# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore


class ActionModule(SecretAction):
    """Send the escrowed header backup to a device whose header is damaged."""

    @property
    def escrows(self) -> bool:
        return False

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        uuid = self.probed["uuid"] or arguments.get("uuid") or self._only_one(store)
        backup = store.header_backup(self.host, uuid)
        keyed = {
            **arguments,
            "backup": base64.b64encode(backup).decode(),
            "recovery_key": store.recovery_key(self.host, uuid).decode(),
        }
        result = self.call(keyed)[0]
        if result.get("changed"):
            store.header_restored(self.host, uuid)
        return {**result, "uuid": uuid}

    def _only_one(self, store: FleetStore) -> str:
        known = store.volumes_with(self.host, "header backup escrowed", but_not="escrow destroyed")
        if len(known) != 1:
            raise EdgesecError(
                f"{self.host}: the volume to restore",
                f"cannot be identified on the device, and the store has {', '.join(known) or 'none'} for this host",
                "Set uuid",
            )
        return known[0]
