# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How fast dm-crypt is as the collection sets it up, and its encryption in place, on the device."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.bench.figures import Figure, Goal, in_turn, ratio
from tests.bench.timed import timed
from tests.lab import Device
from tests.setup.collection import ROOT
from tests.support.playbook import play_on

SPARE = "/dev/disk/by-partlabel/spare"
FORMAT = "cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file /root/key"
# By direct reads and writes of the mapping, since fio needs more than half of the room that the device has.
TRANSFER = """
import mmap, os, sys, time
size, block = 48 << 20, 1 << 20
buffer = mmap.mmap(-1, block)
buffer.write(os.urandom(block))
began = time.monotonic()
for flags, move in ((os.O_WRONLY, os.write), (os.O_RDONLY, lambda file, data: os.readv(file, [data]))):
    file = os.open("/dev/mapper/bench", flags | os.O_DIRECT | os.O_SYNC)
    for _block in range(size // block):
        move(file, buffer)
    os.close(file)
print(2 * size / (time.monotonic() - began) / 1e6)
"""
# As harden makes a volume, what cryptsetup does where nothing is said, and what else the kernel has.
SETTINGS = {
    "edgesec": ("--sector-size 4096", ""),
    "default": ("", ""),
    "no workqueues": ("--sector-size 4096", "--perf-no_read_workqueue --perf-no_write_workqueue"),
    "same cpu": ("--sector-size 4096", "--perf-same_cpu_crypt"),
}
PLAY = ROOT / "tests" / "device" / "begin_in_place.yml"
FILL = f"""
set -e
mkfs.ext4 -q -F -b 4096 -L OLDDATA {SPARE} 400M
mkdir -p /old
mount {SPARE} /old
head -c 64M /dev/urandom >/old/file
umount /old
printf 'PARTLABEL=spare /old ext4 defaults 0 2\\n' >>/etc/fstab
systemctl daemon-reload
mount /old
"""
VOLUME = {
    "name": "old",
    "device": SPARE,
    "mount": "/old",
    "on_existing_data": "encrypt_in_place",
    "consent": "OLDDATA",
    "services": [],
}
MAKE = (
    "umount /old && cryptsetup reencrypt --encrypt -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000"
    " --key-file /root/key --sector-size 4096 --reduce-device-size 32M"
)
BARE = f"{MAKE} {SPARE}"
MOUNT_BARE = f"{MAKE} --init-only {SPARE} bench && mount /dev/mapper/bench /old"
BARE_MOUNTED = f"cryptsetup reencrypt --resume-only -q --key-file /root/key --active-name bench {SPARE}"
UNIT = "edgesec-encrypt-old"
# When each phase began, by the time at which it was reported.
WATCH = """
import json, os, time
began = {}
while not {"done", "failed"} & began.keys():
    time.sleep(1)
    with open("/run/edgesec/work/encrypt-old.json") as file:
        began.setdefault(json.load(file)["phase"], os.fstat(file.fileno()).st_mtime)
print(json.dumps(began))
"""


def throughput(device: Device, rounds: int) -> Iterator[Figure]:
    """Megabytes a second, written and read."""
    device.ssh("umask 077; head -c 64 /dev/urandom >/root/key")
    taken = in_turn(rounds, *(partial(_transferred, device, each) for each in SETTINGS), warm=False)
    samples = dict(zip(SETTINGS, taken, strict=True))
    best = max(samples, key=lambda name: sorted(samples[name])[rounds // 2])
    ours, default = (("edgesec (MB/s)", samples["edgesec"]), ("default (MB/s)", samples["default"]))
    note = (
        f"Direct transfers of 48 MiB each way; of {', '.join(SETTINGS)}. On one processor dm-crypt is quicker without a"
    )
    note += " work queue, which encrypted_storage_flags: [measured] finds out for each new volume."
    yield ratio(
        "throughput_vs_best",
        f"dm-crypt as harden sets it up / the best setting ({best})",
        ours,
        (f"{best} (MB/s)", samples[best]),
        Goal(0.97, at_least=True),
        note,
    )
    yield ratio("throughput_vs_default", "dm-crypt as harden sets it up / as luksFormat does", ours, default)


def _transferred(device: Device, setting: str) -> float:
    made, opened = SETTINGS[setting]
    prepare = f"{FORMAT} {made} {SPARE} && cryptsetup open --key-file /root/key {opened} {SPARE} bench"
    done = device.ssh(f"{prepare} && python3 - ; cryptsetup close bench; wipefs -qa {SPARE}", stdin=TRANSFER)
    assert done.stdout.strip(), f"{setting}: {done.stderr}"
    return float(done.stdout.split()[-1])


def in_place(device: Device, directory: Path, rounds: int) -> Iterator[Figure]:
    """The file system on the spare partition, encrypted where it is, from the same snapshot each time."""
    assert device.ssh("umask 077; head -c 64 /dev/urandom >/root/key").returncode == 0
    done = device.ssh(FILL)
    assert done.returncode == 0, done.stderr
    device.snapshot("filled")
    unmounted, mounted, ours = in_turn(
        rounds,
        partial(_bare, device, BARE),
        partial(_bare, device, BARE_MOUNTED, MOUNT_BARE),
        partial(_ours, device, directory),
        warm=False,
    )
    yield ratio(
        "in_place_vs_cryptsetup",
        "speed of encryption in place / cryptsetup reencrypt, both of a mounted file system",
        ("edgesec (1/s)", [1 / each.encrypting for each in ours]),
        ("cryptsetup (1/s)", [1 / each.encrypting for each in mounted]),
        Goal(0.95, at_least=True),
        "Of 448 MiB, with a second or two at both ends that do not grow with the volume: a process that begins, and"
        " what is on record of the volume that is settled.",
    )
    yield ratio(
        "in_place_whole_vs_unmounted",
        "encryption in place, from its start to its end / cryptsetup reencrypt, unmounted",
        ("edgesec", [each.whole for each in ours]),
        ("cryptsetup", [each.whole for each in unmounted]),
        note="Of 448 MiB. Whoever encrypts a mounted file system has the kernel change its mapping every 16 MiB, which"
        " takes cryptsetup itself that much longer where the processor is slow and the disk is not. The rest is what"
        " makes a power cut harmless, and does not grow with the volume: the file system is checked and made smaller"
        " with a file to undo it, its start is copied and compared, and systemd is told twice of a new fstab.",
    )


class Taken(NamedTuple):
    """Seconds in which data was encrypted, and those from start to end."""

    encrypting: float
    whole: float


def _bare(device: Device, command: str, before: str = "") -> Taken:
    device.restore("filled")
    done = device.ssh(before)
    assert done.returncode == 0, done.stderr
    seconds = timed(device, command)
    return Taken(seconds, seconds)


def _ours(device: Device, directory: Path) -> Taken:
    device.restore("filled")
    variables = json.dumps({"encrypted_storage_volumes": [VOLUME], "encrypted_storage_unlock": "controller"})
    played = play_on(device, str(PLAY), directory, "-e", variables)
    assert played.rc == 0, played.output
    began = json.loads(device.ssh("python3 -", stdin=WATCH, timeout=1800).stdout)
    assert "done" in began, began
    lines = device.ssh(f"journalctl -u {UNIT} -o short-unix --no-pager").stdout.splitlines()
    started = next(float(found.group()) for found in (re.match(r"\d+\.\d+", line) for line in lines) if found)
    return Taken(began["done"] - began["encrypting"], began["done"] - started)
