# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import random
import subprocess
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.swap import declared_swap
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.swap_device import (
    WIPING,
    Swap,
    is_active,
    path_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.swap import (
    FSTAB_OUT,
    INSTALL,
    OFF,
    START,
    WIPE,
    plan,
    require_room,
)

SWAP = Swap("scratch", "/dev/disk/by-partlabel/swap")
UUID = "5c1f2d0e-8a3b-4c6d-9e7f-000000000001"
PLAIN = "CRYPT-PLAIN-scratch"
HEAD = "Filename Type Size Used Priority\n"


def declared(tree: Any, swap: Swap = SWAP) -> dict[str, Any]:
    return declared_swap(tree.root, [swap])[0]


def make(tree: Any, *command: str) -> None:
    """A partition of 8 MiB, and what a tool puts on it."""
    tree.block("vda4", "254:4", content=bytes(8 << 20))
    tree.link(SWAP.device, "../../vda4")
    if command:
        path = str(tree.path / "dev/vda4")
        subprocess.run([require_tool(command[0]), *command[1:], path], check=True, capture_output=True)


def mapped(tree: Any, uuid: str = PLAIN, slave: str = "vda4") -> None:
    tree.block("vda4", "254:4", holders=("dm-0",))
    tree.block("vda5", "254:5")
    tree.link(SWAP.device, "../../vda4")
    tree.block("dm-0", "253:0", slaves=(slave,), dm=("scratch", uuid))
    tree.write("/proc/swaps", f"{HEAD}/dev/dm-0 partition 1 0 -2\n")


def test_a_blank_partition_is_installed_and_swapped_to(tree: Any) -> None:
    make(tree)
    assert plan(declared(tree)) == [INSTALL, START]


def test_plain_swap_in_use_is_taken_out_of_use_and_overwritten_first(tree: Any) -> None:
    make(tree, "mkswap", "-U", UUID, "-L", "old")
    tree.write("/proc/swaps", f"{HEAD}/dev/vda4 partition 1 0 -2\n")
    tree.link("/dev/disk/by-partuuid/77", "../../vda4")
    tree.write(
        "/etc/fstab",
        f"# swap\nUUID={UUID} none swap sw 0 0\nLABEL=old none swap sw\nUUID=other none swap sw\n"
        'PARTUUID="77" none swap sw\n/dev/vda4 none swap sw\n/dev/mapper/scratch none swap sw\n/dev/vda5 / ext4 ro\n',
    )
    facts = declared(tree)
    assert facts["fstab"] == [2, 3, 5, 6]
    assert plan(facts) == [OFF, FSTAB_OUT, WIPE, INSTALL, START]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/etc/fstab", "/dev/vda4 /srv ext4 ro\n"),
        ("/etc/crypttab", "other PARTLABEL=swap /dev/urandom swap\n"),
        ("/etc/edgesec/swap/other.json", '{"name": "other", "device": "/dev/disk/by-partlabel/swap"}\n'),
    ],
)
@pytest.mark.parametrize("command", [(), ("mkswap",)])
def test_a_device_that_is_to_be_something_else_at_boot_is_refused(
    tree: Any, command: tuple[str, ...], path: str, line: str
) -> None:
    make(tree, *command)
    tree.write(path, line)
    with pytest.raises(Refused, match=f"named by line 1 of {path}"):
        plan(declared(tree))


def test_what_an_earlier_boot_swapped_out_is_swapped_over_by_its_own_swap_alone(tree: Any) -> None:
    content = bytes(1 << 20) + random.Random(1).randbytes(7 << 20)
    tree.block("vda4", "254:4", content=content)
    tree.link(SWAP.device, "../../vda4")
    with pytest.raises(Refused, match="other than swap: data that no tool recognises"):
        plan(declared(tree))
    tree.write(path_of(SWAP.name, ""), SWAP.to_bytes())
    tree.link("/etc/systemd/system/multi-user.target.wants/edgesec-swap@scratch.service", "x")
    assert plan(declared(tree)) == [START]
    tree.block("vda4", "254:4", content=content[::-1])
    with pytest.raises(Refused, match="other than swap: data that no tool recognises"):
        plan(declared(tree))


def test_swap_that_was_half_overwritten_is_overwritten_again(tree: Any) -> None:
    tree.block("vda4", "254:4", content=WIPING + random.Random(1).randbytes((8 << 20) - len(WIPING)))
    tree.link(SWAP.device, "../../vda4")
    assert plan(declared(tree)) == [WIPE, INSTALL, START]


def test_what_is_swapped_to_with_a_random_key_stays_as_it_is(tree: Any) -> None:
    mapped(tree)
    tree.write(path_of(SWAP.name, ""), SWAP.to_bytes())
    tree.link("/etc/systemd/system/multi-user.target.wants/edgesec-swap@scratch.service", "x")
    facts = declared(tree)
    assert (facts["mapped"], facts["active"], facts["at_boot"]) == (True, True, True)
    assert plan(facts) == []


def test_another_device_in_its_file_is_written_anew(tree: Any) -> None:
    mapped(tree)
    tree.write(path_of(SWAP.name, ""), Swap("scratch", "/dev/disk/by-partlabel/other").to_bytes())
    tree.link("/etc/systemd/system/multi-user.target.wants/edgesec-swap@scratch.service", "x")
    assert plan(declared(tree)) == [INSTALL]


@pytest.mark.parametrize(("uuid", "slave"), [("CRYPT-LUKS2-00-scratch", "vda4"), ("LVM-1", "vda4"), (PLAIN, "vda5")])
def test_a_mapping_of_others_is_not_ours_whatever_its_name(tree: Any, uuid: str, slave: str) -> None:
    mapped(tree, uuid, slave)
    assert is_active(SWAP, tree.root) is False
    with pytest.raises(Refused, match=r"in use: .*held by dm-0"):
        plan(declared(tree))


def test_a_mapping_that_nobody_swaps_to_is_started_again(tree: Any) -> None:
    mapped(tree)
    tree.write("/proc/swaps", HEAD)
    assert plan(declared(tree)) == [INSTALL, START]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("/proc/cmdline", f"root=/dev/vda2 resume=UUID={UUID} ro"),
        ("/proc/cmdline", "resume=/dev/vda4"),
        ("/etc/initramfs-tools/conf.d/resume", f'RESUME="UUID={UUID}"\n'),
    ],
)
def test_what_the_system_resumes_from_is_refused(tree: Any, name: str, content: str) -> None:
    make(tree, "mkswap", "-U", UUID)
    tree.write(name, content)
    with pytest.raises(Refused, match="resumes from it after hibernation"):
        plan(declared(tree))


def test_resuming_from_elsewhere_is_none_of_its_business(tree: Any) -> None:
    make(tree, "mkswap", "-U", UUID)
    tree.write("/proc/cmdline", "resume=UUID=other resume=PARTLABEL=other resume=/dev/vda9 noresume")
    assert declared(tree)["resume"] is None


def test_what_is_there_is_refused_by_name(tree: Any) -> None:
    make(tree, "mkfs.ext4", "-q", "-L", "photos")
    with pytest.raises(Refused, match=r"other than swap: ext4 .*label photos"):
        plan(declared(tree))


def test_an_image_of_hibernation_is_refused(tree: Any) -> None:
    make(tree, "mkswap", "-U", UUID)
    with (tree.path / "dev/vda4").open("r+b") as file:
        file.seek(4086)
        file.write(b"S1SUSPEND\0")
    with pytest.raises(Refused, match="other than swap: swsuspend"):
        plan(declared(tree))


def test_a_missing_device_is_refused(tree: Any) -> None:
    with pytest.raises(Refused, match="there is no such device"):
        plan(declared(tree))


@pytest.mark.parametrize(
    "device", ["/dev/vda4", "/dev/disk/by-uuid/1", "/dev/disk/by-label/swap", "/dev/disk/by-id/../../vda4"]
)
def test_a_name_that_can_be_another_devices_tomorrow_is_refused(tree: Any, device: str) -> None:
    make(tree)
    facts = {**declared(tree), "device": device}
    with pytest.raises(Refused, match="by-partlabel"):
        plan(facts)


MEMINFO = "MemTotal: 900 kB\nMemAvailable:  500 kB\n"


@pytest.mark.parametrize("used", [0, 500])
def test_what_fits_into_the_memory_is_taken_back(used: int) -> None:
    require_room("/dev/vda4", f"{HEAD}/dev/vda4 partition 1000 {used} -2\n", MEMINFO)


@pytest.mark.parametrize("meminfo", [MEMINFO, "", "MemAvailable: much\n"])
def test_what_does_not_fit_into_the_memory_stays_swapped_out(meminfo: str) -> None:
    with pytest.raises(Refused, match="Swap stays on"):
        require_room("/dev/vda4", f"{HEAD}/dev/vda4 partition 1000 501 -2\n", meminfo)
