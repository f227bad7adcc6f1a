# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.consent import require_consent
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

ERASED = "volume erased"


class ActionModule(SecretAction):
    """Destroy a volume with the operator's consent, and sign a record of it."""

    escrows = False

    def has_use_in_check_mode(self) -> bool:
        return True

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        result, check = self.probed, self._task.check_mode
        begun = f"erasing of {arguments['name']} begun"
        if not check and (self.probed["steps"] or arguments.get("destroy_escrow")):
            require_consent(self.host, arguments.get("consent"), self.probed["steps"])
        if not check and self.probed["steps"]:
            result = self._erase(arguments, store, begun)
            if result.get("failed"):
                return result
        elif not check and not self.probed["uuid"]:
            for uuid in store.volumes_with(self.host, begun, but_not=ERASED):
                self._record(
                    arguments, store, uuid, {"result": "was lost in an interruption; nothing of the volume is left now"}
                )
        return self._without_escrow(arguments, store, result)

    def _erase(self, arguments: dict[str, Any], store: FleetStore, begun: str) -> dict[str, Any]:
        uuid = self.probed["uuid"]
        # Begin nothing that cannot be signed for.
        store.policy_key()
        sent = {**arguments, "may_begin": True}
        try:
            sent["recovery_key"] = store.recovery_key(self.host, uuid).decode() if uuid else None
        except EdgesecError as error:
            self._display.warning(f"{self.host}: the erased keyslots are not tested: {escaped(str(error))}")
        if uuid:
            store.note(self.host, uuid, begun)
        result = self.call(sent)[0]
        if result.get("erased"):
            result["record"] = self._record(arguments, store, uuid, result["erased"])
        return result

    def _record(self, arguments: dict[str, Any], store: FleetStore, uuid: str, erased: dict[str, Any]) -> str:
        volume = {"name": arguments["name"], "device": arguments["device"], "uuid": uuid}
        path = store.put_signed_record(self.host, arguments["name"], {"volume": volume, "erased": erased})
        store.note(self.host, uuid, ERASED)
        store.release_volume(self.host, uuid)
        return path

    def _without_escrow(self, arguments: dict[str, Any], store: FleetStore, result: dict[str, Any]) -> dict[str, Any]:
        erased = store.volumes_with(self.host, ERASED)
        if self._task.check_mode and self.probed["uuid"]:
            erased.append(self.probed["uuid"])
        destroyed = []
        if arguments.get("destroy_escrow"):
            get = store.escrow_of if self._task.check_mode else store.destroy_escrow
            destroyed = [name for uuid in erased for name in get(self.host, uuid)]
        return {**result, "changed": bool(result["changed"] or destroyed), "escrow_destroyed": destroyed}
