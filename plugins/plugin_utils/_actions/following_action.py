# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Show the progress of work that a module has started."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.secret_action import SecretAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.printable import escaped

_MIB = 1 << 20
_RUNNING = "running"

display = Display()


class FollowingAction(SecretAction):
    """The controller half of a module whose work continues after the module has returned."""

    def follow(self, arguments: dict[str, Any], done_stage: str, done: str) -> dict[str, Any]:
        """Poll the work and show its progress until it ends; returns the last state seen.

        :param done_stage: the stage that means that all work is done.
        :param done: what was done, in words for the operator.
        :raises AnsibleActionFail: the work failed, or stopped early.
        """
        subject = f"{self.host}: {arguments['name']}"
        past: list[tuple[float, int]] = []
        while True:
            now: dict[str, Any] = self._execute_module(module_args=arguments, task_vars=self._variables)
            if now.get("failed") or now["stage"] != _RUNNING:
                break
            display.display(f"{subject}: {escaped(str(now['phase']))}{_pace(past, now)}")
            time.sleep(float(arguments.get("poll", 5)))
        if now.get("failed"):
            return now
        if now["stage"] != done_stage:
            raise AnsibleActionFail(f"{subject}: {now['error'] or 'the work stopped early.'} Run again to continue.")
        if now["error"]:
            raise AnsibleActionFail(f"{subject}: {done}, but {now['error']}")
        display.display(f"{subject}: {done}")
        return now


def _pace(past: list[tuple[float, int]], now: dict[str, Any]) -> str:
    """Percentage, rate over the last polls, and time left, in words."""
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
