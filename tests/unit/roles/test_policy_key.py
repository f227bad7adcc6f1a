# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every task of a role whose controller half signs is given the policy key that the operator named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "edgesec.hardening."


def signing_modules() -> set[str]:
    documented = (ROOT / "plugins" / "modules").glob("*.py")
    return {PREFIX + path.stem for path in documented if "edgesec.hardening.policy_key\n" in path.read_text()}


def tasks(document: Any) -> Iterator[dict[str, Any]]:
    for task in document if isinstance(document, list) else []:
        yield task
        yield from tasks(task.get("block"))


def test_no_task_signs_with_another_key_than_the_operators() -> None:
    modules, seen = signing_modules(), set()
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        for task in tasks(yaml.safe_load(path.read_text())):
            for module in modules & task.keys():
                assert task[module].get("policy_key", "").endswith("_policy_key }}"), (path, task["name"])
                seen.add(module)
    assert seen == modules
    assert len(modules) == 5
