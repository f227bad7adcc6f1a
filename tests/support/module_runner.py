# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module of the collection as Ansible does: a process of its own, arguments and result as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PACKAGE = "ansible_collections.edgesec.hardening.plugins.modules"


@dataclass(frozen=True)
class Result:
    """What a module returned."""

    rc: int
    values: dict[str, Any]

    @property
    def changed(self) -> bool:
        assert not self.values.get("failed"), self.values["msg"]
        return bool(self.values["changed"])

    @property
    def error(self) -> str:
        """The message of the failure that it must have been."""
        assert self.values.get("failed"), f"did not fail: {self.values}"
        assert self.rc == 1
        return str(self.values["msg"])


def run_module(name: str, arguments: dict[str, Any], *, check: bool = False, within: Sequence[str] = ()) -> Result:
    """Run a module.

    :param within: a command that runs the command after it, such as nsenter.
    """
    document = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}}
    done = subprocess.run(
        [*within, sys.executable, "-m", f"{PACKAGE}.{name}"],
        input=json.dumps(document),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Result(done.returncode, json.loads(done.stdout))
