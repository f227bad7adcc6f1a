# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to become of boot file systems, from mount table and fstab."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.mounts import RESTRICTIONS, Plan, plan
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.mountinfo import parse_mountinfo
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.fstab import find, parse

PATHS = ["/boot", "/boot/efi", "/efi", "/boot/firmware"]
ALL = list(RESTRICTIONS)
ROOT = "29 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw\n"
# Number 1:3 is that of /dev/null everywhere, which gives a device to link to without making one.
ESP = "95 29 1:3 / /boot/efi rw,nosuid,nosymfollow - vfat /dev/sda1 rw,fmask=0077,dmask=0077,codepage=437,utf8\n"
WAITING = "40 29 0:36 / /boot/efi rw,relatime shared:2 - autofs systemd-1 rw,fd=55,timeout=120,direct\n"


@pytest.fixture(name="devices")
def _devices(tmp_path: Path) -> Path:
    for kind in ("by-partuuid", "by-uuid"):
        (tmp_path / "disk" / kind).mkdir(parents=True)
        (tmp_path / "disk" / kind / "0-other").symlink_to("/dev/zero")
        (tmp_path / "disk" / kind / "1-dangling").symlink_to("/dev/nowhere")
    return tmp_path


def planned(table: str, fstab: str = "", devices: Path = Path("/nowhere"), *, remount: bool = True) -> Plan:
    return plan(PATHS, ALL, ("/etc/fstab", fstab), parse_mountinfo(table), remount=remount, devices=str(devices))


@pytest.mark.parametrize(
    ("kinds", "source"),
    [(["by-partuuid", "by-uuid"], "PARTUUID=abcd-01"), (["by-uuid"], "UUID=abcd-01")],
)
def test_a_mount_without_a_line_gets_one_with_a_stable_source(devices: Path, kinds: list[str], source: str) -> None:
    for kind in kinds:
        (devices / "disk" / kind / "abcd-01").symlink_to("/dev/null")
    result = planned(ROOT + WAITING + ESP, "# empty\n", devices)
    assert result.after == (
        f"# empty\n{source} /boot/efi vfat fmask=0077,dmask=0077,nosymfollow,ro,nosuid,nodev,noexec,nofail 0 2\n"
    )
    (mount,) = result.mounts
    assert mount.facts()["fstab"]["before"] is None
    assert mount.remount


def test_never_the_name_that_the_kernel_gave(devices: Path) -> None:
    with pytest.raises(Refused, match="/dev/sda1, which has no name in /dev/disk/by-partuuid"):
        planned(ROOT + ESP, "", devices)


def test_a_part_of_a_file_system_needs_a_line_by_hand(devices: Path) -> None:
    with pytest.raises(Refused, match="/boot: shows only /@boot of the file system on /dev/sda2"):
        planned("95 29 0:30 /@boot /boot rw - btrfs /dev/sda2 rw\n", "", devices)


def test_a_waiting_automount_of_fstab_is_not_running() -> None:
    result = planned(ROOT + WAITING, "UUID=1 /boot/efi vfat noauto,x-systemd.automount 0 2\n")
    (mount,) = result.mounts
    assert mount.facts()["runtime"] == {"before": None, "after": None}
    assert not mount.remount
    assert "x-systemd.automount,ro," in result.after


def test_the_users_source_is_kept() -> None:
    result = planned(ROOT + ESP, "LABEL=ESP /boot/efi vfat umask=0077 0 1\n")
    assert result.after == "LABEL=ESP /boot/efi vfat umask=0077,ro,nosuid,nodev,noexec 0 1\n"
    assert result.mounts[0].facts()["source"] == "LABEL=ESP"


def test_read_only_by_its_file_system_is_read_only() -> None:
    table = ROOT + "95 29 8:1 / /boot/efi rw,nosuid,nodev,noexec - vfat /dev/sda1 ro\n"
    result = planned(table, "UUID=1 /boot/efi vfat ro,nosuid,nodev,noexec 0 1\n")
    assert not result.changed


@pytest.mark.parametrize(
    ("other", "shared"),
    [("", False), ("96 29 8:1 / /efi rw - vfat /dev/sda1 rw\n", True), ("96 29 8:3 / /efi rw - vfat x rw\n", False)],
)
def test_whether_the_file_system_is_seen_elsewhere(other: str, shared: bool) -> None:
    table = ROOT + "95 29 8:1 / /boot/efi rw - vfat /dev/sda1 rw\n" + other
    result = planned(table, "UUID=1 /boot/efi vfat rw 0 1\nUUID=1 /efi vfat rw 0 1\n")
    assert result.mounts[0].shared is shared


def test_a_directory_of_the_root_file_system_is_no_boot_mount() -> None:
    result = planned(ROOT, "UUID=1 / ext4 defaults 0 1\n")
    assert not result.changed
    assert result.mounts == ()


def test_bytes_that_are_no_text_do_not_reach_the_result() -> None:
    result = planned("", "#\udcff\nUUID=1 /boot vfat rw 0 1\n")
    assert "\udcff" in result.after
    assert all("\udcff" not in each["before"] + each["after"] for each in result.diff())


options = st.lists(st.sampled_from([*RESTRICTIONS, *RESTRICTIONS.values(), "defaults", "umask=0077", "noauto"]))


@given(options, st.sets(st.sampled_from(ALL)))
def test_a_second_run_changes_nothing_and_the_rest_of_the_line_stays(present: list[str], wanted: set[str]) -> None:
    line = f"UUID=1\t/boot vfat {','.join(present) or 'defaults'} 0 2 # mine"
    first = plan(PATHS, sorted(wanted), ("/etc/fstab", line), [], remount=True)
    second = plan(PATHS, sorted(wanted), ("/etc/fstab", first.after), [], remount=True)
    assert not second.changed
    found = find(parse(first.after), "/boot")
    assert found is not None
    assert found.entry is not None
    assert wanted <= set(found.entry.options)
    assert not {RESTRICTIONS[option] for option in wanted} & set(found.entry.options)
    assert set(present) - set(RESTRICTIONS.values()) - {"defaults"} <= set(found.entry.options)
    assert (first.after[:18], first.after[-11:]) == (line[:18], line[-11:])
