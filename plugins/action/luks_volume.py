# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any
from uuid import uuid4

from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow import new_recovery_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore


class ActionModule(SecretAction):
    """Makes the recovery key of a new volume, and escrows it before the device changes."""

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        uuid = str(uuid4())
        key = new_recovery_key()
        store.put_recovery_key(self.host, uuid, key)
        result, backup = self.call({**arguments, "uuid": uuid, "recovery_key": key.decode()})
        if backup is not None:
            store.put_header(self.host, uuid, backup)
        return result
