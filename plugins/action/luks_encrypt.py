# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.following_action import FollowingAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import new_recovery_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.header_backups import keep_header


class ActionModule(FollowingAction):
    """Escrow the recovery key before the device changes, start the work, and show its progress."""

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        result = super().act()
        arguments = {name: value for name, value in self._task.args.items() if name != "escrow"}
        wait = boolean(arguments.get("wait", True)) and arguments.get("state") != "prepared"
        begun = result.get("changed") and not result.get("failed") and not self._task.check_mode
        if not (begun and wait):
            return result
        now = self.follow(arguments, "none", "encrypted")
        return now if now.get("failed") else {**result, **{name: now[name] for name in ("stage", "phase", "error")}}

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        if arguments.get("state") != "prepared":
            key = self.recovery_key(arguments, store)
            return self.call({**arguments, "recovery_key": key.decode()})[0]
        uuid = str(uuid4())
        key = new_recovery_key()
        store.put_recovery_key(self.host, uuid, key)
        result, backup = self.call({**arguments, "uuid": uuid, "recovery_key": key.decode()})
        if backup is not None:
            keep_header(store, self.host, uuid, backup)
        return result
