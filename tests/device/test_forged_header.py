# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Someone who has the disk forges the first header copy and leaves the second, good one: every kind stays closed."""

from __future__ import annotations

import json
import subprocess
import zlib

import pytest

from tests.device.conftest import IMPORT_INSTALLED, Play, on, succeed
from tests.lab import Device
from tests.support.forged_header import FORGED_PRIMARIES

pytestmark = [pytest.mark.minutes(8), pytest.mark.campaign]

DISK = "/dev/disk/by-partlabel/data"
MESSAGE = "kept over everything that follows"
VARIABLES: dict[str, list[str]] = {"boot_mounts_paths": [], "credentials_files": [], "credentials_extra_files": []}
HEAD_BYTES = 1 << 18
# Writes one forged start after the other to the disk, and prints how the unlocker ends and what is mapped then.
TRY_EACH = """
import json, os, subprocess, zlib
forged, ends = json.load(open("/run/forged.json")), {}
for kind, head in forged.items():
    with open("/dev/disk/by-partlabel/data", "r+b") as disk:
        disk.write(zlib.decompress(bytes.fromhex(head)))
        disk.flush()
        os.fsync(disk.fileno())
    rc = subprocess.run(["/usr/lib/edgesec/unlock", "data"], stderr=subprocess.DEVNULL).returncode
    ends[kind] = [rc, json.load(open("/run/edgesec/unlock/data.json"))["reason"], os.listdir("/dev/mapper")]
print(json.dumps(ends))
"""
# Shows the mapping of a volume to the unlocker's own check, with pins that differ in one value.
MAPPING = (
    IMPORT_INSTALLED
    + """
from edgesec._unlock.dm_table import differences, read_table
from edgesec._unlock.enrolment import read_enrolment
enrolment, table = read_enrolment("data"), read_table("data")
assert differences(table, "data", enrolment.pins, enrolment.device) == []
for changed in ({"cipher": "x"}, {"data_offset": 0}, {"sector_size": 512}, {"uuid": "x"}):
    print(*differences(table, "data", enrolment.pins._replace(**changed), enrolment.device))
print(*differences(table, "data", enrolment.pins, "/dev/disk/by-partlabel/spare"))
"""
)


@pytest.fixture(scope="module")
def head(device: Device, run: Play) -> bytes:
    """The start of the disk of a device that is sealed, booted and open."""
    succeed(run, "harden", VARIABLES)
    on(device, f"echo '{MESSAGE}' >/data/message && sync")
    device.reboot()
    assert_open(device)
    read = subprocess.run([*device.ssh_argv(), f"head -c {HEAD_BYTES} {DISK}"], capture_output=True, check=True)
    return read.stdout


def outcome(device: Device) -> dict[str, object]:
    document: dict[str, object] = json.loads(on(device, "cat /run/edgesec/unlock/data.json"))
    return document


def assert_open(device: Device) -> None:
    assert (outcome(device)["reason"], outcome(device)["latched"]) == ("ok", True)
    assert on(device, "cat /data/message").strip() == MESSAGE


def put(device: Device, head: bytes) -> None:
    subprocess.run([*device.ssh_argv(), f"dd of={DISK} bs=1M conv=notrunc,fsync"], input=head, check=True)


@pytest.mark.usefixtures("head")
def test_the_kernels_table_is_held_against_each_pin(device: Device) -> None:
    differences = on(device, "python3 -", stdin=MAPPING).splitlines()
    assert len(differences) == 5
    assert all(differences), differences


def test_a_forged_first_copy_of_every_kind_is_refused_and_the_good_one_opens_afterwards(
    device: Device, head: bytes
) -> None:
    on(device, "umount /data && cryptsetup close data")
    forged = {kind: zlib.compress(forge(head)).hex() for kind, forge in FORGED_PRIMARIES.items()}
    on(device, "cat >/run/forged.json", stdin=json.dumps(forged))
    done = device.ssh("python3 -", stdin=TRY_EACH, timeout=1800)
    ends = json.loads(done.stdout)
    assert {kind: end for kind, end in ends.items() if end != [1, "header_foreign", ["control"]]} == {}
    assert ends.keys() == FORGED_PRIMARIES.keys()
    device.reboot()
    assert outcome(device)["reason"] == "header_foreign"
    assert outcome(device)["latched"] is True
    put(device, head)
    device.reboot()
    assert_open(device)


def test_a_torn_first_copy_opens_by_the_second(device: Device, head: bytes) -> None:
    """As a power cut during an update leaves it: a first sector with no checksum yet, and a text cut off."""
    put(device, head[:448] + bytes(64) + head[512:4596] + bytes(512) + head[5108:])
    device.reboot()
    assert_open(device)
