# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing in roles and playbooks takes a device at its word by a way around the gate."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import COLLECTION, DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.documented import FACTS

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
FILES = sorted([*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml"), *ROOT.glob("playbooks/*.yml")])
TEMPLATES = sorted([*FILES, *ROOT.glob("roles/*/vars/*.yml"), *ROOT.glob("roles/*/defaults/*.yml")])

INCLUDES = {"include_tasks", "import_tasks", "include_role", "import_role"}
# What runs on the controller, and takes nothing from a device.
ON_CONTROLLER = {f"ansible.builtin.{name}" for name in ("assert", "debug", "fail", "meta", *INCLUDES)}


def tasks_of(document: Any) -> Iterator[dict[str, Any]]:
    """Every task, wherever it is nested."""
    for each in document or ():
        nested = [
            each.get(name) for name in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
        ]
        if any(nested):
            for inner in nested:
                yield from tasks_of(inner)
        else:
            yield each


def action_of(task: dict[str, Any]) -> str:
    """The full name of what a task runs; an action without a collection in its name is one that nobody knows."""
    return next((name for name in task if "." in name), str(sorted(task)))


def around(document: Any) -> list[str]:
    """What reaches a device by another way than the gate, or is included from a place that a variable names."""
    found = []
    for task in tasks_of(document):
        action = action_of(task)
        if action.removeprefix(COLLECTION) not in MODULES and action not in ON_CONTROLLER:
            found.append(action)
        if action.rpartition(".")[2] in INCLUDES and "{{" in str(task[action]):
            found.append(f"{action}: {task[action]}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_task_reaches_a_device_around_the_gate(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert around(document) == []
    if path.parent.name == "playbooks":
        assert [play["gather_facts"] for play in document] == [False]
        assert not [name for play in document for name in ("roles", "vars_prompt") if name in play]


@pytest.mark.parametrize(
    "task",
    [
        {"ansible.builtin.copy": {"dest": "/x"}},
        {"ansible.builtin.setup": None},
        {"ansible.builtin.set_fact": {"a": 1}},
        {"copy": {"dest": "/x"}},
        {"ansible.builtin.include_tasks": "{{ provider }}.yml"},
        {"ansible.builtin.include_role": {"name": "{{ provider }}"}},
        {"block": [{"rescue": [{"community.general.timezone": {}}]}]},
    ],
)
def test_what_goes_around_is_seen(task: dict[str, Any]) -> None:
    assert around([{"hosts": "all", "tasks": [{"block": [{"ansible.builtin.debug": {}}], "always": [task]}]}])


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_the_gate_in_its_controller_half(name: str) -> None:
    action = importlib.import_module(f"ansible_collections.edgesec.hardening.plugins.action.{name}").ActionModule
    assert issubclass(action, DeviceAction)
    # What these do, no subclass may leave out.
    for method in ("run", "_execute_module", "_parse_returned_data"):
        owner = next(each for each in action.__mro__ if method in vars(each))
        assert owner.__module__.endswith("._actions.device_action")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_facts_are_read_as_facts(path: Path) -> None:
    text = re.sub(r"^\s*#.*", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert "ansible_facts." not in text
    assert "hostvars" not in text
    for fact in FACTS:
        bare = re.findall(rf"(?<!ansible_facts\[')\b{fact}\b", text)
        assert bare == [], f"{fact} is a fact: write ansible_facts['{fact}']"
