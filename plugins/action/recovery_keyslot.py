# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore


class ActionModule(SecretAction):
    """Test the escrowed recovery key on the device, or replace it."""

    @property
    def escrows(self) -> bool:
        return bool(self._task.args.get("state") == "rotated")

    def has_use_in_check_mode(self) -> bool:
        return not self.escrows

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        if self.escrows:
            return self.rotate(arguments, store)
        uuid = self.probed["uuid"]
        keys = {"recovery_key": store.recovery_key(self.host, uuid).decode()}
        following = store.next_recovery_key(self.host, uuid)
        if following is not None:
            keys["next_recovery_key"] = following.decode()
        result = self.call({**arguments, **keys})[0]
        if result.get("tested") and not self._task.check_mode:
            store.note(self.host, uuid, "recovery key tested")
            if store.recovery_key_proven(self.host, uuid):
                result.setdefault("warnings", []).append(
                    f"{self.host}: the envelope of the recovery key of {arguments['name']} was replaced in the store, "
                    "but the key in it opens the volume. It is accepted from now on. If none of your people "
                    "replaced it, run rotate.yml."
                )
        if result.get("tested") and following is not None:
            result.setdefault("warnings", []).append(
                f"{self.host}: a rotation of the recovery key of {arguments['name']} was interrupted. "
                "One of the two keys opens it; run rotate.yml to finish it."
            )
        return result
