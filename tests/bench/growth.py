# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one more volume costs the device in the one call for facts, by the device's own clock."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Iterator
from functools import partial

from tests.bench.figures import Figure, Goal, in_turn, ratio
from tests.bench.plays import environment, program
from tests.bench.timed import timed
from tests.lab import Device
from tests.setup.collection import ROOT

COUNTS = ONE, HALF, MANY = 1, 8, 16
# Small, since the device is: a header with room for one small keyslot.
MAKE = """
set -e
umask 077
mkdir -p /var/volumes
head -c 64 /dev/urandom >/root/key
for number in $(seq 1 {many}); do
    truncate -s 1M /var/volumes/$number
    cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /root/key \
        --luks2-metadata-size 16k --luks2-keyslots-size 256k /var/volumes/$number
done
"""


def by_volumes(device: Device, rounds: int) -> Iterator[Figure]:
    """One volume, some, and many of them: what they cost must not grow faster than they do."""
    done = device.ssh(MAKE.format(many=MANY), timeout=300)
    assert done.returncode == 0, done.stderr
    taken = dict(
        zip(
            COUNTS,
            in_turn(rounds, *(partial(timed, device, f"python3 {_kept(device, count)}") for count in COUNTS)),
            strict=True,
        )
    )
    medians = ", ".join(f"{count}: {statistics.median(samples):.2f} s" for count, samples in taken.items())
    yield ratio(
        "volume_cost_growth",
        f"facts of {MANY} volumes / facts of {ONE}",
        (f"{MANY} volumes", taken[MANY]),
        (f"{ONE} volume", taken[ONE]),
        Goal(MANY),
        f"The module alone, by the device's clock: {medians}.",
    )


def _kept(device: Device, count: int) -> str:
    """Have Ansible leave the module on the device, as it runs it; returns its path."""
    volumes = [
        {"name": f"v{each}", "device": f"/var/volumes/{each}", "mount": f"/v{each}"} for each in range(1, count + 1)
    ]
    command = [program("ansible"), "edge", "-i", str(device.inventory()), "-m", "edgesec.hardening.compliance_facts"]
    kept = {
        "ANSIBLE_KEEP_REMOTE_FILES": "true",
        "ANSIBLE_PIPELINING": "false",
        "ANSIBLE_REMOTE_TMP": f"/var/kept{count}",
    }
    subprocess.run(
        [*command, "-a", json.dumps({"volumes": volumes})],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=ROOT,
        env={**environment(), **kept},
    )
    return device.ssh(f"ls /var/kept{count}/*/AnsiballZ_compliance_facts.py").stdout.strip()
