# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules of ansible-core through the gate, by the local connection: they do what they do without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.setup.collection import COLLECTIONS

pytestmark = pytest.mark.minutes(2)

# Of each module of the roles that can run here what it is asked, for a place of its own.
ASKED: dict[str, dict[str, Any]] = {
    "copy": {"dest": "{place}/file", "content": "one\ntwo\n", "mode": "0640"},
    "file": {"path": "{place}/directory", "state": "directory", "mode": "0700"},
    "command": {"cmd": "cat 'no such file' /etc/hostname"},
    "shell": {"cmd": "echo a; echo b >&2; exit 3", "removes": "/etc"},
}
COMPARED = ("changed", "failed", "skipped", "rc", "stdout", "stdout_lines", "stderr", "stderr_lines", "diff", "msg")


class Played:
    """One task, run as it is and through the gate."""

    def __init__(self, directory: Path, module: str) -> None:
        self.directory = directory
        self.results = directory / "results.json"
        both = {"plain": f"ansible.builtin.{module}", "gated": "edgesec.hardening.stock_module"}
        tasks: list[dict[str, Any]] = []
        for name, action in both.items():
            place = directory / name
            place.mkdir()
            arguments = {key: value.replace("{place}", str(place)) for key, value in ASKED[module].items()}
            given = arguments if name == "plain" else {"module": module, "arguments": arguments}
            tasks.append({action: given, "register": name, "ignore_errors": True})
        keep = {"content": "{{ {'plain': plain, 'gated': gated} | to_json }}", "dest": str(self.results)}
        tasks.append({"ansible.builtin.copy": keep, "check_mode": False, "diff": False})
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
        (directory / "play.yml").write_text(json.dumps([play]))

    def run(self, *options: str) -> tuple[dict[str, Any], dict[str, Any]]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "play.yml", *options],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            },
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        text = self.results.read_text().replace(f"{self.directory}/gated", f"{self.directory}/plain")
        both = json.loads(text)
        return both["plain"], both["gated"]


@pytest.mark.parametrize("module", ASKED)
def test_a_module_does_through_the_gate_what_it_does_without(tmp_path: Path, module: str) -> None:
    played = Played(tmp_path, module)
    for options in (["--check", "--diff"], ["--diff"], []):
        plain, gated = played.run(*options)
        for name in COMPARED:
            if name == "diff" and isinstance(plain.get(name), list):
                parts = gated.get(name, [])
                shown = [{key: each[key] for key in each if key in parts[0]} for each in plain[name] if each]
                assert parts == shown, options
            elif name == "diff" and plain.get(name):
                assert gated[name]["after"] == plain[name]["after"]
            else:
                assert gated.get(name) == plain.get(name), (options, name)
    assert {path.name for path in (tmp_path / "plain").iterdir()} == {
        path.name for path in (tmp_path / "gated").iterdir()
    }
