# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mount namespace for each test that asks for one."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH


class Namespace:
    """A mount namespace that lives as long as the test; an ordinary user is root in it."""

    def __init__(self) -> None:
        user = ["--user", "--map-root-user"] if os.geteuid() else []
        self.process = subprocess.Popen(
            ["unshare", *user, "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": SEARCH_PATH},
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline() == b"ready\n"
        user = ["--user", "--preserve-credentials"] if os.geteuid() else []
        self.enter = ["nsenter", "--target", str(self.process.pid), *user, "--mount", "--"]

    def run(self, *argv: str) -> str:
        return subprocess.run([*self.enter, *argv], check=True, capture_output=True, text=True).stdout

    def options(self, path: Path) -> set[str]:
        table = json.loads(self.run("findmnt", "--json", "--output", "TARGET,OPTIONS", "--mountpoint", str(path)))
        return set(table["filesystems"][-1]["options"].split(","))

    def stop(self) -> str:
        _output, errors = self.process.communicate(timeout=10)
        return errors.decode().strip()
