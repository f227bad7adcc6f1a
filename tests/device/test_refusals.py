# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices that hold something, on a real kernel: refused with the plan, and not one byte of them changed.

Each case has a slice of the spare partition, so that one run of the role meets all of them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = pytest.mark.minutes(8)

SECTORS = 20 * 2048
UUID = "5c1f2d0e-8a3b-4c6d-9e7f-{:012d}"


@dataclass(frozen=True)
class Case:
    """One device.

    :param make: shell text that fills $D and takes it into use; $U is a UUID for what is made.
    :param consent: what the operator names as what may be erased or encrypted in place; $U stands for the UUID.
    :param seen: what the refusal must name.
    :param device: a device that is there already.
    """

    name: str
    make: str
    consent: str
    seen: tuple[str, ...]
    on_existing_data: str = "erase"
    device: str | None = None


EXT4 = "mkfs.ext4 -q -U $U -L PRECIOUS -O ^has_journal -E lazy_itable_init=0 $D"
PLAN = ("ext4", "PRECIOUS", "$U", "on_existing_data", "consent")
IDLE_PV, BUSY_PV = "edgese-c000-0000-0000-0000-0000-000001", "edgese-c000-0000-0000-0000-0000-000002"
CASES = (
    Case("erase-unasked", EXT4, "", PLAN),
    Case("erase-misnamed", EXT4, "precious", PLAN),
    Case("in-place-unasked", EXT4, "", PLAN, "encrypt_in_place"),
    Case("in-place-misnamed", EXT4, UUID.format(99), PLAN, "encrypt_in_place"),
    Case("left-alone", EXT4, "PRECIOUS", PLAN, "refuse"),
    Case("partition-table", "echo 2048 | sfdisk -q --no-tell-kernel -X gpt $D", "", ("partition table",)),
    Case("whole-disk", "", "", ("partition table",), device="/dev/vda"),
    Case("lvm-inactive", f"lvm_on {IDLE_PV} idle; vgchange -q -an idle", "", ("LVM2", IDLE_PV)),
    Case("luks2-of-others", "luks luks2 --uuid $U --label theirs", "mine", ("LUKS2", "$U", "theirs")),
    Case("luks1-of-others", "luks luks1 --uuid $U", "mine", ("LUKS1", "$U")),
    # Of a device in use, not even the right consent is one.
    Case("mounted", f"{EXT4}; mkdir -p /mnt/x; mount $D /mnt/x", "$U", ("ext4", "mounted at /mnt/x")),
    Case("swap-in-use", "mkswap -q -U $U $D; swapon $D", "$U", ("swap", "$U", "in use as swap")),
    Case("lvm-active", f"lvm_on {BUSY_PV} busy", BUSY_PV, ("LVM2", BUSY_PV, "in use as lvm")),
    Case("raid-member", "mdadm -q -C /dev/md7 -u $U -R -f -l1 -n1 $D", "$U", ("linux_raid_member", "in use as md")),
    Case("mapper-holder", 'dmsetup create upon --table "0 8 linear $D 0"', "upon", ("held by dm-",)),
    Case("loop-holder", "losetup -f $D", "loop0", ("loop",)),
)
# What nothing is known of is formatted: the run came to each device, and what it refused was refused for what it held.
BLANK = Case("blank", "", "", ())

PRELUDE = f"""
set -eu
luks() {{ echo key | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --type "$@" "$D" -; }}
slice() {{ dmsetup create "$2" --table "0 {SECTORS} linear /dev/disk/by-partlabel/spare $(($1 * {SECTORS}))"; }}
lvm_on() {{
    pvcreate -q --norestorefile --uuid "$1" "$D"
    vgcreate -q --setautoactivation n "$2" "$D"
    lvcreate -q -y -l 1 -n some "$2"
}}
# else what is swapped out would change the device
sysctl -q vm.swappiness=0
"""


def device_of(case: Case) -> str:
    return case.device or f"/dev/mapper/{case.name}"


def uuid_of(case: Case) -> str:
    return UUID.format((*CASES, BLANK).index(case))


def named(case: Case, text: str) -> str:
    return text.replace("$U", uuid_of(case))


def digests(device: Device) -> dict[str, str]:
    """The checksum of every byte of each slice, and of what comes before the first partition of the disk, by device."""
    slices = [case.name for case in (*CASES, BLANK) if case.device is None]
    lines = on(device, f"cd /dev/mapper; sha256sum {' '.join(slices)}; head -c 1M /dev/vda | sha256sum").splitlines()
    return {name if name in slices else "whole-disk": digest for digest, name in map(str.split, lines)}


def declared(case: Case) -> dict[str, str]:
    return {
        "name": case.name,
        "device": device_of(case),
        "on_existing_data": case.on_existing_data,
        "consent": named(case, case.consent),
    }


@dataclass(frozen=True)
class Refusals:
    """What the role said of each device, and the devices before and after."""

    messages: dict[str, str]
    before: dict[str, str]
    after: dict[str, str]


@pytest.fixture(scope="module")
def filled(device: Device) -> Device:
    """The device with all cases made."""
    script = [PRELUDE]
    for number, case in enumerate((*CASES, BLANK)):
        if case.device is None:
            script.append(f"D=/dev/mapper/{case.name} U={uuid_of(case)}; slice {number} {case.name}; {case.make}")
    on(device, "sh", stdin="\n".join([*script, "udevadm settle", "sync"]))
    return device


@pytest.fixture(scope="module")
def refusals(filled: Device, run: Play) -> Refusals:
    before = digests(filled)
    variables = {"encrypted_storage_volumes": [declared(case) for case in (*CASES, BLANK)]}
    played = run(str(Path(__file__).with_name("support") / "encrypted_storage.yml"), "-e", json.dumps(variables))
    assert played.rc != 0
    assert "Traceback" not in played.output
    items = re.findall(r"^failed: \[.*\] \(item=(\S+)\) => (\{.*\})$", played.output, re.MULTILINE)
    assert items, played.output
    return Refusals({name: json.loads(result)["msg"] for name, result in items}, before, digests(filled))


def test_harden_names_all_of_them_before_it_changes_anything(filled: Device, run: Play) -> None:
    before = digests(filled)
    volumes = [{"name": case.name, "device": device_of(case)} for case in CASES]
    played = run("harden", "-e", json.dumps({"encrypted_storage_volumes": volumes}))
    assert played.rc != 0
    assert played.changed == 0, played.output
    assert [case.name for case in CASES if f"{device_of(case)}: " not in played.output] == []
    assert digests(filled) == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_with_what_is_there_and_stays_as_it_was(refusals: Refusals, case: Case) -> None:
    message = refusals.messages[case.name]
    assert message.startswith(f"{device_of(case)}: "), message
    assert [part for part in case.seen if named(case, part) not in message] == [], message
    assert refusals.after[case.name] == refusals.before[case.name]


def test_a_blank_device_beside_them_is_formatted(refusals: Refusals) -> None:
    assert BLANK.name not in refusals.messages
    assert refusals.after[BLANK.name] != refusals.before[BLANK.name]
