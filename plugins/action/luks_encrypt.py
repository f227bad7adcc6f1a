# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display

from ansible_collections.edgesec.hardening.plugins.plugin_utils._escrow import new_recovery_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore

_MIB = 1 << 20
_RUNNING = "running"

display = Display()


class ActionModule(SecretAction):
    """Escrows the recovery key before the device changes, starts the work, and shows how it goes on."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Called by ansible-core."""
        result = super().run(tmp, task_vars)
        arguments = {name: value for name, value in self._task.args.items() if name != "escrow"}
        wait = boolean(arguments.get("wait", True)) and arguments.get("state") != "prepared"
        begun = result.get("changed") and not result.get("failed") and not self._task.check_mode
        return {**result, **self._follow(arguments)} if begun and wait else result

    def with_secret(self, arguments: dict[str, Any], store: FleetStore) -> dict[str, Any]:
        if arguments.get("state") != "prepared":
            key = self.recovery_key(arguments, store)
            return self.call({**arguments, "recovery_key": key.decode()})[0]
        uuid = str(uuid4())
        key = new_recovery_key()
        store.put_recovery_key(self.host, uuid, key)
        result, backup = self.call({**arguments, "uuid": uuid, "recovery_key": key.decode()})
        if backup is not None:
            store.put_header(self.host, uuid, backup)
        return result

    def _follow(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Look every few seconds, and say what is seen, until the work ends.

        :raises AnsibleActionFail: it failed, or stopped before all was encrypted.
        """
        subject = f"{self.host}: {arguments['name']}"
        past: list[tuple[float, int]] = []
        while True:
            now: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=self._variables)
            if now.get("failed") or now["stage"] != _RUNNING:
                break
            display.display(f"{subject}: {now['phase']}{_pace(past, now)}")
            time.sleep(float(arguments.get("poll", 5)))
        if now.get("failed"):
            return now
        if now["stage"] != "none":
            raise AnsibleActionFail(
                f"{subject}: {now['error'] or 'the work ended before all was encrypted.'} Run again to go on."
            )
        if now["error"]:
            raise AnsibleActionFail(f"{subject}: encrypted, but {now['error']}")
        display.display(f"{subject}: encrypted")
        return {"stage": now["stage"], "phase": now["phase"], "error": ""}


def _pace(past: list[tuple[float, int]], now: dict[str, Any]) -> str:
    """Percent, rate over the last minute, and time left, in words."""
    done, total = int(now["done_bytes"]), int(now["total_bytes"])
    if not total:
        return ""
    past.append((time.monotonic(), done))
    del past[:-12]
    text = f", {100 * done // total} % of {total // _MIB} MiB"
    seconds, gained = past[-1][0] - past[0][0], done - past[0][1]
    if seconds <= 0 or gained <= 0:
        return text
    rate = gained / seconds
    left = int((total - done) / rate)
    return f"{text}, {rate / _MIB:.1f} MiB/s, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
