# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction


class ActionModule(DeviceAction):
    """Pass on what the module may return."""
