# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a task ends whose work on the controller does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleActionSkip, AnsibleConnectionFailure, AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.following_action import FollowingAction

HOSTILE = "seen\nok: [gw-002]\n\x1b[2J\u202e"
VARIABLES = {"inventory_hostname": "gw-001", "ansible_facts": {}}


def made(kind: type[DeviceAction]) -> Any:
    """The action of a task on a host with a local connection."""
    context = PlayContext()
    connection = connection_loader.get("local", context, "/dev/null")
    action = kind(Task.load({"action": "meta"}), connection, context, None, None, None)
    action._variables = VARIABLES
    return action


def ended(error: Exception) -> dict[str, Any]:
    """The result of a task whose work ends with this."""

    class Ending(DeviceAction):
        def act(self) -> dict[str, Any]:
            raise error

    result: dict[str, Any] = made(Ending).run(task_vars=VARIABLES)
    return result


def assert_safe(text: str) -> None:
    assert text.replace("\n", "").isprintable()
    assert "\nok" not in text


@pytest.mark.parametrize(
    "error",
    [
        EdgesecError("gw-001", HOSTILE, "Look"),
        AnsibleActionFail(HOSTILE),
        AnsibleError(HOSTILE),
        ValueError(HOSTILE),
        OverflowError(HOSTILE),
        ZeroDivisionError(HOSTILE),
        RecursionError(HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_is_a_result_with_one_message(error: Exception) -> None:
    result = ended(error)
    assert set(result) == {"failed", "msg"}
    assert result["failed"] is True
    assert "seen" in result["msg"]
    assert_safe(result["msg"])


def test_a_host_that_is_not_reached_stays_one() -> None:
    with pytest.raises(AnsibleConnectionFailure, match="seen") as caught:
        ended(AnsibleConnectionFailure(HOSTILE))
    assert_safe(str(caught.value))


def test_a_task_that_is_skipped_stays_one() -> None:
    with pytest.raises(AnsibleActionSkip):
        ended(AnsibleActionSkip("not in check mode"))


def following(answers: Iterator[dict[str, Any]]) -> dict[str, Any]:
    class Followed(FollowingAction):
        def act(self) -> dict[str, Any]:
            return self.follow({"name": "data", "poll": 0}, "done", "encrypted")

        def _execute_module(self, *_given: Any, **_named: Any) -> dict[str, Any]:
            return next(answers)

    result: dict[str, Any] = made(Followed).run(task_vars=VARIABLES)
    return result


def test_progress_that_a_device_makes_up_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    running = {"stage": "running", "phase": HOSTILE, "total_bytes": 10, "error": None}
    answers = [{**running, "done_bytes": 1}, {**running, "done_bytes": 2}, {"failed": True, "msg": HOSTILE}]
    result = following(iter(answers))
    assert_safe(result["msg"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("gw-001: data: seen") and line.isprintable() for line in lines)


def test_progress_in_numbers_without_bounds_is_refused() -> None:
    running = {"stage": "running", "phase": "x", "total_bytes": 10**401, "error": None}
    result = following({**running, "done_bytes": 10**400 * number} for number in range(1, 4))
    assert "gw-001: its answers are inconsistent (OverflowError" in result["msg"]


@pytest.mark.parametrize("answer", [{"stage": "stopped", "error": HOSTILE}, {"stage": "done", "error": HOSTILE}])
def test_why_work_stopped_is_no_line_of_another_host(answer: dict[str, Any]) -> None:
    result = following(iter([answer]))
    assert result["failed"] is True
    assert_safe(result["msg"])
