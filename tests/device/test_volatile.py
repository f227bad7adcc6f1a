# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a running system writes down in passing, on a real kernel: none of it is on the disk in clear."""

from __future__ import annotations

import re

import pytest

from tests.device.conftest import Play, on, succeed
from tests.lab import Device

pytestmark = [pytest.mark.campaign, pytest.mark.minutes(4), pytest.mark.usefixtures("hardened")]

PARTITION = "/dev/disk/by-partlabel/swap"
UUID = "5c1f2d0e-8a3b-4c6d-9e7f-000000000001"
OLD_LINE = f"UUID={UUID} none swap sw 0 0"
MARKER = "swapped out before anybody encrypted it"
# Nothing but what this file is about, which makes a run quicker.
VARIABLES = {
    "encrypted_storage_volumes": [],
    "boot_mounts_paths": [],
    "credentials_files": [],
    "credentials_extra_files": [],
    "encrypted_storage_swap": [{"name": "scratch", "device": PARTITION}],
    "encrypted_storage_journal": "memory",
    "encrypted_storage_var_tmp": "memory",
}
NOTHING = "|/bin/false"
CORE_PATTERN = "/proc/sys/kernel/core_pattern"
KEY = "dmsetup table --showkeys scratch"


def harden(run: Play, *options: str) -> int:
    """How much a run has changed."""
    return succeed(run, "harden", VARIABLES, *options).changed


def swaps(device: Device) -> list[str]:
    return on(device, "swapon --show=NAME --noheadings | xargs -rn1 lsblk -dno NAME,TYPE").split()


@pytest.fixture(scope="module")
def hardened(device: Device, run: Play) -> str:
    """The table of the mapping, with its key, after plain swap was in use and the device was hardened."""
    on(device, f"mkswap -q -U {UUID} {PARTITION} && echo '{OLD_LINE}' >>/etc/fstab")
    on(device, f"printf '{MARKER}' | dd of={PARTITION} bs=1M seek=50 conv=notrunc status=none")
    on(device, f"udevadm settle; swapon -a; echo core >{CORE_PATTERN}")
    fstab = on(device, "cat /etc/fstab")
    assert swaps(device)[1] == "part"

    predicted = harden(run, "--check", "--diff")
    assert (on(device, "cat /etc/fstab"), swaps(device)[1]) == (fstab, "part"), "check mode has done something"
    assert harden(run) == predicted
    lines = on(device, "cat /etc/fstab").splitlines()
    assert lines[:-1] == fstab.replace(f"{OLD_LINE}\n", "").splitlines()
    assert lines[-1].split()[1:3] == ["/var/tmp", "tmpfs"]
    return on(device, KEY)


def test_swap_is_encrypted_at_once_and_a_second_run_changes_nothing(device: Device, run: Play) -> None:
    assert swaps(device) == ["scratch", "crypt"]
    assert harden(run) == 0


def test_core_dumps_and_journal_are_off_the_disk_at_once(device: Device) -> None:
    assert on(device, f"cat {CORE_PATTERN}").strip() == NOTHING
    on(device, "logger kept-in-memory; journalctl --sync; journalctl -b --no-pager | grep -q kept-in-memory")
    assert device.ssh("grep -rqs kept-in-memory /var/log").returncode != 0


def test_what_was_swapped_out_before_is_gone(device: Device) -> None:
    on(device, "sync")
    device.stop()
    try:
        content = device.read_partition("swap")
        assert MARKER.encode() not in content
        assert b"SWAPSPACE2" not in content
        assert not any(content[: 1 << 20])
    finally:
        device.start()


def test_after_a_boot_it_is_there_again_with_another_key(device: Device, hardened: str) -> None:
    assert swaps(device) == ["scratch", "crypt"]
    after = on(device, KEY)
    assert re.sub("[0-9a-f]{64,}", "", after) == re.sub("[0-9a-f]{64,}", "", hardened)
    assert after != hardened
    assert on(device, "systemctl --failed --no-legend").strip() == ""


def test_after_a_boot_nothing_else_is_written_in_clear_either(device: Device) -> None:
    assert on(device, f"cat {CORE_PATTERN}").strip() == NOTHING
    assert on(device, "findmnt -no FSTYPE,OPTIONS /var/tmp").split()[0] == "tmpfs"
    assert on(device, "stat -c %a /var/tmp").strip() == "1777"
    assert "/run/log/journal" in on(device, "journalctl --header --no-pager")
    # Journals from before it was hardened stay; nothing is added to them.
    assert on(device, """find /var/log -path '*/journal/*' -type f -newermt "$(uptime -s)" """).strip() == ""


def test_a_file_system_in_its_place_is_left_alone_and_the_boot_goes_on(device: Device) -> None:
    on(device, f"swapoff -a && cryptsetup close scratch && mkfs.ext4 -q {PARTITION} && sync")
    before = on(device, f"sha256sum {PARTITION}")
    device.power_cut()
    device.start()
    assert on(device, f"sha256sum {PARTITION}") == before
    assert swaps(device) == []
    assert "it holds ext4, not swap" in on(device, "journalctl -b --no-pager -u edgesec-swap@scratch")
    assert on(device, "systemctl is-active multi-user.target").strip() == "active"
