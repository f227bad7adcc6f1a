# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a call to the virtual device costs: facts, audit and a converged run, against a ping of the same device."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Goal, amount, in_turn, not_measured, ratio, seconds
from tests.bench.plays import environment, pinging, program
from tests.bench.timed import timed
from tests.lab import Device
from tests.setup.collection import ROOT
from tests.support.playbook import play_on

LYNIS_SECONDS = 60
FACTS = {
    "volumes": [{"name": "data", "device": "/dev/disk/by-partlabel/data", "mount": "/data"}],
    "credential_files": [
        {"path": "/etc/shadow", "group": "shadow", "mode": "0640"},
        {"path": "/etc/ssh/ssh_host_*_key"},
    ],
}


def module(device: Device, name: str, arguments: str = "") -> None:
    """Run one module on the device, as from the command line."""
    command = [program("ansible"), "edge", "-i", str(device.inventory()), "-m", name, "-a", arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT, env=environment())


def facts(device: Device, rounds: int) -> Iterator[Figure]:
    """One call that observes everything, against others of the same kind. The device is hardened."""
    ours, ping, setup = in_turn(
        rounds,
        lambda: seconds(lambda: module(device, "edgesec.hardening.compliance_facts", json.dumps(FACTS))),
        lambda: seconds(lambda: module(device, "ansible.builtin.ping")),
        lambda: seconds(lambda: module(device, "ansible.builtin.setup")),
    )
    what = "all facts in one call"
    note = (
        "What is above a ping is for two thirds Python compiling the library, which Ansible sends as source each time."
    )
    yield ratio("facts_vs_ping", f"{what} / ping", ("facts", ours), ("ping", ping), Goal(1.25), note)
    yield ratio("facts_vs_setup", f"{what} / ansible.builtin.setup", ("facts", ours), ("setup", setup), Goal(1))
    if device.ssh("command -v lynis").returncode:
        yield not_measured("facts_vs_lynis", f"{what} / lynis audit system", "the device has no lynis")
        return
    # Emulated, it may take a quarter of an hour.
    scan = f"timeout {LYNIS_SECONDS} lynis audit system --quick --no-colors --quiet"
    lynis = timed(device, f"{scan} || test $? -eq 124")
    note = "Lynis by its package, once, by the clock of the device."
    if lynis >= LYNIS_SECONDS:
        note += f" It was stopped after {LYNIS_SECONDS} s, so that the ratio is at most this."
    yield ratio(
        "facts_vs_lynis", f"{what} / lynis audit system", ("facts", ours[-1:]), ("lynis", [lynis]), Goal(1), note
    )


def converged(device: Device, directory: Path, rounds: int) -> Iterator[Figure]:
    """A run of harden that finds nothing to do, and an audit, against a playbook that pings. The device is hardened."""
    ping = pinging(directory)

    def play(name: str) -> float:
        def run() -> None:
            played = play_on(device, name, directory)
            if name == "harden":
                assert (played.rc, played.changed) == (0, 0), played.output

        return seconds(run)

    hardened, audited, pinged = in_turn(rounds, lambda: play("harden"), lambda: play("audit"), lambda: play(str(ping)))
    yield ratio(
        "converged_vs_ping",
        "harden with nothing to do / a play that pings",
        ("harden", hardened),
        ("ping", pinged),
        Goal(5),
    )
    yield ratio("audit_vs_ping", "audit with its reports / a play that pings", ("audit", audited), ("ping", pinged))
    (report,) = [json.loads(path.read_text()) for path in (directory / "reports").glob(f"{device.name}.json")]
    size = len(json.dumps(report["facts"]).encode())
    yield amount("fact_bytes", "facts of the device as JSON, in bytes", size, Goal(24 * 1024))


def harden(device: Device, directory: Path) -> None:
    """Bring the device to where nothing is left to do, and boot it so."""
    hardened = play_on(device, "harden", directory)
    assert hardened.rc == 0, hardened.output
    device.reboot()
