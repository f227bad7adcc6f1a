# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running the playbooks of the collection as their user would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Device
from tests.setup.collection import ROOT, place

DEVICE_VARIABLES = ROOT / "tests" / "demo" / "vars.yml"


@dataclass(frozen=True)
class Played:
    """How a playbook ended."""

    rc: int
    log: Path

    @property
    def output(self) -> str:
        """All that ansible-playbook printed."""
        return self.log.read_text(encoding="utf-8")

    @property
    def changed(self) -> int:
        """How many tasks changed something, or would have, on all hosts together."""
        return sum(counts["changed"] for counts in self.recap.values())

    @property
    def round_trips(self) -> int:
        """How many commands were sent to the hosts, which a run with -vvv tells."""
        return self.output.count("SSH: EXEC ssh")

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts of the play's last lines (ok, changed, failed, ...) by host."""
        lines = self.output.split("PLAY RECAP")[-1].splitlines()[1:]
        hosts = (line.split(":", 1) for line in lines if "unreachable=" in line)
        return {
            host.strip(): {name: int(count) for name, count in (pair.split("=") for pair in counts.split())}
            for host, counts in hosts
        }


def play(name: str, inventories: Sequence[Path], directory: Path, *options: str, log: str | None = None) -> Played:
    """Run a playbook, with the store, the reports and the log in a directory.

    :param name: of a playbook of the collection, or the path of another (.yml).
    """
    playbook = name if name.endswith(".yml") else f"edgesec.hardening.{name}"
    command = [str(Path(sys.executable).parent / "ansible-playbook"), playbook]
    for inventory in inventories:
        command += ["-i", str(inventory)]
    command += ["-e", f"edgesec_store={directory / 'store'}", "-e", f"compliance_report_dir={directory / 'reports'}"]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(place()),
        "ANSIBLE_INJECT_FACT_VARS": "false",
        "ANSIBLE_FORCE_COLOR": "false",
        "ANSIBLE_NOCOLOR": "true",
    }
    path = directory / (log or f"{Path(name).stem}.log")
    with path.open("w", encoding="utf-8") as output:
        done = subprocess.run(
            [*command, *options], stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False
        )
    return Played(done.returncode, path)


def play_on(device: Device, name: str, directory: Path, *options: str, log: str | None = None) -> Played:
    """Run a playbook on a virtual device, with the variables that all of them share."""
    return play(name, [device.inventory()], directory, "-e", f"@{DEVICE_VARIABLES}", *options, log=log)
