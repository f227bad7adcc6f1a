# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection with a fact module that tells what it was given, so that hosts cost what they cost the controller.

The module is sent as large as it is, and runs as a process of its own, as that of a ping does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from tests.bench.plays import environment, program
from tests.setup.collection import ROOT

_MODULE = Path("plugins") / "modules" / "compliance_facts.py"
_FUTURE = "from __future__ import annotations\n"
_TELL = "\nimport sys\n\nprint({!r})\nsys.exit()\n"
PARTS = ("meta", "playbooks", "plugins", "roles")


def collection(directory: Path) -> Path:
    """Lay the collection below a directory, with the facts of this host in it; returns that directory."""
    copy = directory / "ansible_collections" / "edgesec" / "hardening"
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy2(ROOT / "galaxy.yml", copy)
    module = copy / _MODULE
    head, future, rest = module.read_text().partition(_FUTURE)
    module.write_text(head + future + _TELL.format(json.dumps(_facts())) + rest)
    return directory


def _facts() -> dict[str, object]:
    """What the module tells of this host."""
    command = [program("ansible"), "localhost", "-m", "edgesec.hardening.compliance_facts"]
    told = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment(), "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true", "ANSIBLE_STDOUT_CALLBACK": "minimal"},
    )
    return {"changed": False, **json.loads(told.stdout.partition("=>")[2])}
