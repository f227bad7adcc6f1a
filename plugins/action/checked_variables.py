# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.role_variables import check


class ActionModule(DeviceAction):
    """Check the variables of a host; runs only on the controller."""

    _requires_connection = False

    def act(self) -> dict[str, Any]:
        """Called by the gate, after it has checked that none of them comes from a fact."""
        given = self.validate_argument_spec(
            argument_spec={"roles": {"type": "list", "elements": "str", "default": []}},
        )[1]
        check(given["roles"], self._variables, self._templar.template)
        return {"changed": False}
