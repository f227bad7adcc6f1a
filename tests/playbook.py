# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running a playbook of the collection on a virtual device, as its owner would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Device
from tests.setup.collection import ROOT, place

VARIABLES = ROOT / "tests" / "demo" / "vars.yml"


@dataclass(frozen=True)
class Played:
    """How a playbook ended."""

    rc: int
    log: Path

    @property
    def output(self) -> str:
        """All that ansible-playbook printed."""
        return self.log.read_text(encoding="utf-8")


def play(name: str, device: Device, directory: Path, *options: str, log: str | None = None) -> Played:
    """Run ``edgesec.hardening.NAME`` on a device, with the store, the reports and the log in a directory."""
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"edgesec.hardening.{name}"]
    command += ["-i", str(device.inventory()), "-e", f"@{VARIABLES}"]
    command += ["-e", f"edgesec_store={directory / 'store'}", "-e", f"compliance_report_dir={directory / 'reports'}"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(place()),
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "ANSIBLE_NOCOLOR": "1",
    }
    path = directory / (log or f"{name}.log")
    with path.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [*command, *options], stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False
        )
    return Played(done.returncode, path)
