# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction, GatedBase

MODULES = ("apt", "command", "copy", "file", "shell", "systemd_service", "wait_for_connection")


class ActionModule(DeviceAction):
    """Run a module of ansible-core through the gate, with its own controller half if it has one."""

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        given = self.validate_argument_spec(
            argument_spec={
                "module": {"type": "str", "required": True, "choices": list(MODULES)},
                "arguments": {"type": "dict", "default": {}},
            }
        )[1]
        name, arguments = f"ansible.builtin.{given['module']}", dict(given["arguments"])
        if given["module"] in ("command", "shell"):
            name = "ansible.builtin.command"
            arguments["_uses_shell"] = given["module"] == "shell"
            arguments["_raw_params"] = arguments.pop("cmd", None)
        task = self._task.copy()
        task.action, task.args = name, arguments
        action = type("Gated", (GatedBase, self._half_of(name)), {})(
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        try:
            result: dict[str, Any] = action.run(task_vars=self._variables)
        finally:
            self._discovered_interpreter_key = action._discovered_interpreter_key
            self._discovered_interpreter = action._discovered_interpreter
        return result

    def _half_of(self, module: str) -> type:
        """The controller half of a module: its own, or the default one."""
        loader = self._shared_loader_obj.action_loader
        found: type = loader.get(module, class_only=True) or loader.get("ansible.builtin.normal", class_only=True)
        return found
