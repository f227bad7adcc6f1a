# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one more host costs the controller: processor time and memory, with facts of the controller itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Goal, amount, ratio
from tests.bench.plays import environment, pinging, program
from tests.setup.collection import ROOT

FEW, MANY = 10, 200


def hosts(directory: Path) -> Iterator[Figure]:
    """An audit of few hosts and of many, by the local connection, against a play that pings as many."""
    ping = pinging(directory)
    pinged: list[float] = []
    audited: list[float] = []
    memory: list[float] = []
    memory_of_ping: list[float] = []
    for _round in range(2):
        for playbook, seconds, peak in (
            (str(ping), pinged, memory_of_ping),
            ("edgesec.hardening.audit", audited, memory),
        ):
            (few, few_mb), (many, many_mb) = (_run(directory, playbook, count) for count in (FEW, MANY))
            seconds.append((many - few) / (MANY - FEW))
            peak.append((many_mb - few_mb) / (MANY - FEW))
    yield ratio(
        "host_cost_vs_ping",
        f"processor time of one more host, from {FEW} to {MANY}: audit / a play that pings",
        ("audit", audited),
        ("ping", pinged),
        Goal(1.3),
        "The modules of all hosts run on the controller here, and are in both.",
    )
    yield amount(
        "controller_mb_per_host",
        f"memory of the controller for one more host, {FEW} to {MANY}, in MB",
        max(memory),
        note=f"A play that pings: {max(memory_of_ping):.3f} MB.",
    )


def _run(directory: Path, playbook: str, count: int) -> tuple[float, float]:
    """Processor seconds of a play and of all that it starts, and the most memory that a process of it had, in MB."""
    inventory = directory / f"hosts{count}.yml"
    names = "".join(f"    gw-{number:04}: {{}}\n" for number in range(count))
    interpreter = f"{{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}"
    inventory.write_text(f"edge:\n  vars: {interpreter}\n  hosts:\n{names}")
    command = [program("ansible-playbook"), playbook, "-i", str(inventory), "-f", "10"]
    command += ["-e", f"edgesec_store={directory / 'store'}", "-e", f"compliance_report_dir={directory / 'many'}"]
    command += ["-e", "edgesec_serial=100%"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment()
    )
    _pid, _status, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
