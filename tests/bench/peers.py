# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others of the kind cost where nothing is left to do, from their wheels and as they come."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.bench.figures import Figure, in_turn, not_measured, ratio, seconds
from tests.bench.plays import environment, program
from tests.lab import Device
from tests.setup.collection import ROOT, place
from tests.support.playbook import play_on

BEFORE = "before"
SPARE = "/dev/disk/by-partlabel/spare"
# By package, what of its wheel is a collection.
WHEELS = {
    "ansible==12.3.0": "ansible_collections/community/crypto/",
    "debops==3.3.2": "debops/_data/ansible/collections/ansible_collections/debops/debops/",
}
# Of debops a small role, since most of them install packages, which the device has no network for.
PLAYS = {
    "luks_device": {
        "gather_facts": False,
        "tasks": [
            {
                "community.crypto.luks_device": {
                    "device": SPARE,
                    "name": "spare",
                    "state": "opened",
                    "keyfile": "/root/key",
                    "pbkdf": {"algorithm": "pbkdf2", "iteration_count": 1000},
                }
            }
        ],
    },
    "debops": {"gather_facts": True, "roles": ["debops.debops.etc_aliases"]},
}
WHAT = {
    "luks_device": "a play with one volume of community.crypto.luks_device",
    "debops": "a play with the role etc_aliases of debops",
}


def peers(device: Device, directory: Path, rounds: int) -> Iterator[Figure]:
    """A run of harden that finds nothing to do, against theirs. The device is hardened, and is left as it was."""
    collections = [str(place()), str(_collections(directory))]
    device.snapshot(BEFORE)
    assert device.ssh("umask 077; head -c 64 /dev/urandom >/root/key").returncode == 0

    def ours() -> float:
        return seconds(lambda: play_on(device, "harden", directory))

    for name, play in PLAYS.items():
        playbook = directory / f"{name}.json"
        playbook.write_text(json.dumps([{"hosts": "edge", "become": True, **play}]))
        theirs = partial(_played, device, playbook, collections)
        problem = theirs()
        key, what = f"converged_vs_{name}", f"harden with nothing to do / {WHAT[name]} with nothing to do"
        if problem:
            yield not_measured(key, what, f"it ended with: {problem}")
            continue
        hardened, other = in_turn(rounds, ours, lambda run=theirs: seconds(run))  # type: ignore[misc]
        yield ratio(key, what, ("harden", hardened), (name, other))
    device.restore(BEFORE)


def _played(device: Device, playbook: Path, collections: list[str]) -> str:
    """Run it; returns the last of what it said where it failed."""
    done = subprocess.run(
        [program("ansible-playbook"), str(playbook), "-i", str(device.inventory())],
        cwd=ROOT,
        env={**environment(), "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("fatal", "[ERROR]", "ERROR"))]
    return "" if done.returncode == 0 else (lines or done.stdout.splitlines())[-1][:300]


def _collections(directory: Path) -> Path:
    """Their collections, out of the wheels, without what these need elsewhere."""
    wheels, target = directory / "wheels", directory / "peers"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(wheels)]
    subprocess.run([*command, *WHEELS], check=True)
    for wheel in sorted(wheels.iterdir()):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                for part in WHEELS.values():
                    if member.startswith(part) and not member.endswith("/"):
                        path = target / "ansible_collections" / member.rpartition("ansible_collections/")[2]
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(archive.read(member))
    return target
