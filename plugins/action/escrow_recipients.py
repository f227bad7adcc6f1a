# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import take_store


class ActionModule(DeviceAction):
    """Encrypt the escrow of a host to the present certificates; runs only on the controller."""

    _requires_connection = False
    _VALID_ARGS = frozenset(("store", "escrow"))

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        store = take_store(self._task.args, self._loader)[1]
        store.require_usable_certificates()
        envelopes = store.envelopes.outdated(self.host)
        if not self._task.check_mode:
            for name in envelopes:
                store.envelopes.encrypt_anew(self.host, name)
        listed = "".join(f"{name}\n" for name in envelopes)
        return {
            "changed": bool(envelopes),
            "envelopes": envelopes,
            "diff": {"before": listed, "after": "", "before_header": "not encrypted to the present certificates"},
        }
