# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.written_in_passing import (
    PATTERN,
    collect,
    setting,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.memory_mount import with_line

ROOT = "254:2 / rw,relatime ext4 /dev/vda2 rw"
RUN = "0:5 /run rw,nosuid tmpfs tmpfs rw"
VOLUME = "253:0 /var/log rw ext4 /dev/mapper/logs rw"
COREDUMP = "|/usr/lib/systemd/systemd-coredump %P %u"
VAR_TMP = f"/{'var/tmp'}"


@pytest.fixture
def device(tree: Any) -> Any:
    """A plain root, /run in memory, and /var/log on dm-crypt."""
    tree.block("vda2", "254:2")
    tree.block("vda3", "254:3", holders=("dm-0",))
    tree.block("dm-0", "253:0", slaves=("vda3",), dm=("logs", "CRYPT-LUKS2-00-logs"))
    tree.mounts(ROOT, RUN, VOLUME)
    tree.write(PATTERN, "core\n")
    tree.write("/run/systemd/journal/socket", "")
    return tree


def facts(device: Any, *, plain: bool = True) -> dict[str, Any]:
    return collect(device.root, plain=plain)


def place(found: dict[str, Any]) -> tuple[Any, Any]:
    return found["memory"], found["encrypted"]


def test_temporary_files_lie_where_the_last_mount_over_them_is(device: Any) -> None:
    device.mounts(ROOT, f"253:0 {VAR_TMP} rw ext4 /dev/mapper/logs rw", f"0:9 {VAR_TMP} rw tmpfs tmpfs rw")
    tmp, var_tmp = facts(device)["temporary"]
    assert place(tmp) == (False, False)
    assert place(var_tmp) == (True, None)


@pytest.mark.parametrize(
    "mount", ["0:9 / rw overlay overlay rw", "0:9 / rw nfs4 server:/root rw", "0:9 / rw autofs x rw"]
)
def test_what_lies_on_no_known_device_is_not_known(device: Any, mount: str) -> None:
    device.mounts(mount)
    tmp = facts(device)["temporary"][0]
    assert tmp["encrypted"] is None
    assert not tmp["memory"]
    assert tmp["reason"]


def test_a_read_only_root_is_not_written_to(device: Any) -> None:
    device.mounts(ROOT.replace("rw,", "ro,"))
    assert facts(device)["temporary"][1]["writable"] is False


@pytest.mark.parametrize(
    ("pattern", "off", "where"),
    [
        ("|/bin/false", True, (None, None)),
        ("|/usr/bin/false %p", True, (None, None)),
        ("core", False, (False, False)),
        ("/var/log/core.%p", False, (False, True)),
        ("/run/core", False, (True, None)),
        ("|/opt/collect %p", False, (None, None)),
        ("|", False, (None, None)),
        (COREDUMP, False, (False, False)),
    ],
)
def test_core_dumps_go_where_the_pattern_says(device: Any, pattern: str, off: bool, where: tuple[Any, Any]) -> None:
    device.write(PATTERN, f"{pattern}\n")
    found = facts(device)["core_dumps"]
    assert (found["off"], place(found)) == (off, where)


def test_core_dumps_in_the_working_directory_are_encrypted_where_everything_is(device: Any) -> None:
    assert place(facts(device, plain=False)["core_dumps"]) == (False, True)


def test_an_empty_pattern_is_off_only_without_a_number(device: Any) -> None:
    device.write(PATTERN, "\n")
    device.write("/proc/sys/kernel/core_uses_pid", "1\n")
    assert facts(device)["core_dumps"]["off"] is False
    device.write("/proc/sys/kernel/core_uses_pid", "0\n")
    assert facts(device)["core_dumps"]["off"] is True


@pytest.mark.parametrize(
    ("storage", "off", "where"),
    [("none", True, (False, False)), ("journal", False, (True, None)), ("external", False, (False, False))],
)
def test_systemd_keeps_core_dumps_where_it_is_told(
    device: Any, storage: str, off: bool, where: tuple[Any, Any]
) -> None:
    device.write(PATTERN, COREDUMP)
    device.write("/etc/systemd/coredump.conf.d/60-edgesec.conf", f"[Coredump]\nStorage={storage}\n")
    found = facts(device)["core_dumps"]
    assert (found["off"], place(found)) == (off, where)


def test_the_pattern_that_cannot_be_read_is_not_off(tree: Any) -> None:
    assert collect(tree.root, plain=True)["core_dumps"]["off"] is None


def test_in_a_container_the_pattern_is_the_hosts(device: Any) -> None:
    assert facts(device)["core_dumps"]["container"] is False
    device.write("/run/systemd/container", "podman\n")
    assert facts(device)["core_dumps"]["container"] is True


def test_the_journal_is_in_memory_without_its_directory(device: Any) -> None:
    assert place(facts(device)["journal"]) == (True, None)
    device.write("/var/log/journal/id/system.journal", "")
    assert place(facts(device)["journal"]) == (False, True)


@pytest.mark.parametrize("lies", [VOLUME, ROOT])
def test_old_files_of_a_journal_in_memory_are_named_where_they_are_in_clear(device: Any, lies: str) -> None:
    device.mounts(ROOT, RUN, lies)
    device.write("/etc/systemd/journald.conf.d/60-edgesec.conf", "[Journal]\nStorage=volatile\n")
    assert facts(device)["journal"]["left_over"] is False
    device.write("/var/log/journal/id/system.journal", "")
    assert facts(device)["journal"]["left_over"] is (lies == ROOT)
    assert facts(device)["journal"]["memory"] is True


def test_the_last_setting_holds_and_a_drop_in_of_the_same_name_replaces_another(device: Any) -> None:
    device.write("/etc/systemd/journald.conf", "[Journal]\n#Storage=none\nStorage=persistent\n")
    assert setting(device.root, "journald", "Storage") == "persistent"
    device.write("/usr/lib/systemd/journald.conf.d/70-vendor.conf", "[Journal]\nStorage=auto\n")
    device.write("/etc/systemd/journald.conf.d/60-edgesec.conf", "[Journal]\nStorage = volatile\n")
    assert setting(device.root, "journald", "Storage") == "auto"
    device.write("/etc/systemd/journald.conf.d/70-vendor.conf", "")
    assert setting(device.root, "journald", "Storage") == "volatile"


def test_a_line_is_added_once_and_that_of_the_operator_is_kept() -> None:
    fstab = "/dev/vda2 / ext4 ro 0 1\n"
    added = with_line(fstab, VAR_TMP, "25%")
    assert added == f"{fstab}tmpfs {VAR_TMP} tmpfs nodev,nosuid,mode=1777,size=25% 0 0\n"
    assert with_line(added, VAR_TMP, "50%") == added


def test_a_line_that_mounts_something_else_there_is_refused() -> None:
    with pytest.raises(Refused, match="line 1 mounts /dev/vda7"):
        with_line(f"/dev/vda7 {VAR_TMP} ext4\n", VAR_TMP, "25%")
