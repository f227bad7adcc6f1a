# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opening a sealed volume on the device, against other ways to open one. Each sample begins from the same snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.bench.figures import Figure, Goal, in_turn, ratio
from tests.bench.timed import timed
from tests.lab import Device

SPARE = "/dev/disk/by-partlabel/spare"
CLOSED = "closed"
# All four volumes have keyslots of the same cost, so that what is measured is the way to the key.
PREPARE = rf"""
set -e
systemctl mask --quiet edgesec-unlock@data.service
umask 077
head -c 64 /dev/urandom >/root/key
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /root/key {SPARE}
systemd-cryptenroll --unlock-key-file=/root/key --tpm2-device=auto --tpm2-pcrs=4+7 {SPARE} >/dev/null
clevis luks bind -y -k /root/key -d {SPARE} tpm2 '{{"pcr_bank":"sha256","pcr_ids":"4,7"}}' >/dev/null
sync
"""
ATTACH = "$(ls /usr/lib/systemd/systemd-cryptsetup /usr/bin/systemd-cryptsetup 2>/dev/null | head -n 1) attach"
WAYS = {
    "edgesec": "/usr/lib/edgesec/unlock data",
    "plain": f"cryptsetup open --key-file /root/key {SPARE} opened",
    "systemd": f"{ATTACH} opened {SPARE} - tpm2-device=auto,headless=1",
    "clevis": f"clevis luks unlock -d {SPARE} -n opened",
}


def unlock(device: Device, rounds: int) -> Iterator[Figure]:
    """The device is hardened; it is left with the volume closed."""
    done = device.ssh(PREPARE)
    assert done.returncode == 0, done.stderr
    device.reboot()
    device.snapshot(CLOSED)
    taken = in_turn(rounds, *(partial(_opened, device, way) for way in WAYS.values()), warm=False)
    samples = dict(zip(WAYS, taken, strict=True))
    ours = ("edgesec", samples["edgesec"])
    note = "Ten programs are most of it, eight of them of tpm2-tools, which keep no session between them."
    for key, way, goal in (
        ("plain_open", "plain", Goal(3)),
        ("systemd", "systemd", None),
        ("clevis", "clevis", Goal(0.5)),
    ):
        name = {"plain": "cryptsetup open with a key file", "systemd": "systemd-cryptsetup", "clevis": "clevis"}[way]
        yield ratio(f"unlock_vs_{key}", f"the unlocker, every check on / {name}", ours, (way, samples[way]), goal, note)


def _opened(device: Device, way: str) -> float:
    device.restore(CLOSED)
    return timed(device, way)
