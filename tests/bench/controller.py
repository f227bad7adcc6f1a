# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one more host costs the controller: processor time and memory, by the local connection, with synthetic facts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, Goal, amount, in_turn, ratio
from tests.bench.plays import environment, pinging, program
from tests.bench.synthetic import collection
from tests.setup.collection import ROOT

# What the device would run, and how long it takes of the processor.
_INTERPRETER = """\
#!/bin/bash
TIMEFORMAT='%U %S'
{{ time {python} "$@" 2>&3; }} 3>&2 2>>{times}
"""
COUNTS = ONE, FEW, HALF, MANY = 1, 10, 100, 200


@dataclass(frozen=True)
class Cost:
    """What a play costs.

    :ivar seconds: of processor time, with all that it starts.
    :ivar modules: those of them that went to modules, which a device would run.
    :ivar megabytes: the most memory that a process of it had.
    """

    seconds: float
    modules: float
    megabytes: float


def hosts(directory: Path, rounds: int) -> Iterator[Figure]:
    """An audit of few hosts and of many, against a play that pings as many."""
    collections = collection(directory / "synthetic")
    ping = str(pinging(directory))
    plays = [(playbook, count) for playbook in (ping, "edgesec.hardening.audit") for count in COUNTS]
    costs = dict(
        zip(
            plays,
            in_turn(rounds, *(partial(_cost, directory, collections, *each) for each in plays), warm=False),
            strict=True,
        )
    )
    pinged, audited = (
        {count: costs[playbook, count] for count in COUNTS} for playbook in (ping, "edgesec.hardening.audit")
    )
    yield ratio(
        "host_cost_vs_ping",
        f"processor time of one more host, from {FEW} to {MANY}: audit / a play that pings",
        ("audit", _of_one(audited, FEW, MANY)),
        ("ping", _of_one(pinged, FEW, MANY)),
        Goal(1.3),
        "A host is a process on the controller that tells facts it was given, or answers the ping, and is in both. "
        f"Without it one more host takes {_alone(audited):.3f} s, and {_alone(pinged):.3f} s with the ping; the rest "
        "of the difference is Python on the host, which reads and unpacks a module that brings its library along.",
    )
    medians = {f"{count} hosts": statistics.median(each.seconds for each in audited[count]) for count in COUNTS}
    yield ratio(
        "host_cost_growth",
        f"processor time of one more host of an audit, from {HALF} to {MANY} / from {ONE} to {HALF}",
        (f"{HALF} to {MANY}", _of_one(audited, HALF, MANY)),
        (f"{ONE} to {HALF}", _of_one(audited, ONE, HALF)),
        Goal(1.1),
        "In all: " + ", ".join(f"{name} {each:.2f} s" for name, each in medians.items()) + ".",
    )
    yield amount(
        "controller_mb_per_host",
        f"memory of the controller for one more host, {FEW} to {MANY}, in MB",
        _memory(audited),
        note=f"A play that pings: {_memory(pinged):.3f} MB.",
    )


def _of_one(costs: dict[int, list[Cost]], few: int, many: int) -> list[float]:
    """Processor seconds of one more host, in each round."""
    return [(more.seconds - less.seconds) / (many - few) for less, more in zip(costs[few], costs[many], strict=True)]


def _alone(costs: dict[int, list[Cost]]) -> float:
    """Processor seconds of one more host without its modules."""
    few, many = (statistics.median(each.seconds - each.modules for each in costs[count]) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _memory(costs: dict[int, list[Cost]]) -> float:
    few, many = (statistics.median(each.megabytes for each in costs[count]) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def _cost(directory: Path, collections: Path, playbook: str, count: int) -> Cost:
    inventory, times, interpreter = (directory / f"{name}{count}" for name in ("hosts-", "times-", "python-"))
    names = "".join(f"    gw-{number:04}: {{}}\n" for number in range(count))
    connection = f"{{ansible_connection: local, ansible_python_interpreter: {interpreter}}}"
    inventory.write_text(f"edge:\n  vars: {connection}\n  hosts:\n{names}")
    times.write_text("")
    interpreter.write_text(_INTERPRETER.format(times=times, python=sys.executable))
    interpreter.chmod(0o755)
    command = [program("ansible-playbook"), playbook, "-i", str(inventory), "-f", "10"]
    command += ["-e", f"edgesec_store={directory / 'store'}", "-e", f"compliance_report_dir={directory / 'many'}"]
    log = directory / f"hosts{count}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**environment(), "ANSIBLE_COLLECTIONS_PATH": str(collections)},
        )
        _pid, status, usage = os.wait4(process.pid, 0)
    assert status == 0, log.read_text()[-2000:]
    modules = sum(float(number) for number in times.read_text().split())
    return Cost(usage.ru_utime + usage.ru_stime, modules, usage.ru_maxrss / 1024)
