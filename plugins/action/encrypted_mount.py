# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore


class ActionModule(SecretAction):
    """Open a volume with its escrowed recovery key."""

    escrows = False

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        key = self.recovery_key(arguments, store)
        return self.call({**arguments, "recovery_key": key.decode()})[0]
