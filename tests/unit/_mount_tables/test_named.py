# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device that any configuration names is not blank, by whatever name."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.block_devices import Blocks
from ansible_collections.edgesec.hardening.plugins.module_utils._mount_tables.named import named_by
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume

DATA = Volume("data", "/dev/disk/by-partlabel/data")
LINKS = {
    "by-partlabel": "data",
    "by-partuuid": "0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9",
    "by-path": "pci-0000:00:1f.2-ata-1-part3",
    "by-id": "wwn-0x5000c500a1b2c3d4-part3",
}


@pytest.fixture
def device(tree: Any) -> Any:
    tree.block("vda3", "254:3")
    tree.block("vda4", "254:4")
    for directory, name in LINKS.items():
        tree.link(f"/dev/disk/{directory}/{name}", "../../vda3")
    tree.link("/dev/disk/by-partlabel/other", "../../vda4")
    tree.link("/dev/precious", "vda3")
    return tree


def facts(tree: Any) -> dict[str, Any]:
    return dict(collect(tree.root, [DATA])["volumes"][0])


NAMES = [
    "/dev/vda3",
    "/dev/precious",
    "/dev/disk/by-partlabel/data",
    f"/dev/disk/by-path/{LINKS['by-path']}",
    "PARTLABEL=data",
    'PARTLABEL="data"',
    f"PARTUUID={LINKS['by-partuuid']}",
    f"PARTUUID={LINKS['by-partuuid'].upper()}",
    f"ID={LINKS['by-id']}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_line_of_crypttab_by_any_name(name: str, device: Any) -> None:
    device.write("/etc/crypttab", f"# {name}\nother {name} /etc/keys/data.key plain,cipher=aes-xts-plain64\n")
    found = facts(device)
    assert found["named_by"] == ["line 2 of /etc/crypttab"]
    assert found["blank"] is False


@pytest.mark.parametrize(
    ("path", "text", "where"),
    [
        ("/etc/fstab", "/dev/vda3 /srv ext4 noauto 0 0\r\n", "line 1 of /etc/fstab"),
        ("/etc/fstab", "/dev/vdb1 /srv xfs logdev=/dev/vda3 0 0\n", "line 1 of /etc/fstab"),
        ("/etc/crypttab", "x /dev/vdb1 none luks,header=/dev/vda3\n", "line 1 of /etc/crypttab"),
        ("/etc/veritytab", "x /dev/vdb1 PARTLABEL=data 00\n", "line 1 of /etc/veritytab"),
        ("/proc/cmdline", "root=/dev/vdb1 resume=PARTLABEL=data ro\n", "line 1 of /proc/cmdline"),
        ("/proc/cmdline", "cryptdevice=/dev/vda3:root\n", "line 1 of /proc/cmdline"),
        ("/proc/cmdline", "cryptdevice=PARTLABEL=data:root\n", "line 1 of /proc/cmdline"),
        ("/proc/cmdline", "rd.luks.data=0=/dev/vda3\n", "line 1 of /proc/cmdline"),
        ("/boot/grub/grub.cfg", "\n linux /k root=PARTLABEL=data ro\n", "line 2 of /boot/grub/grub.cfg"),
        ("/boot/loader/entries/a.conf", "options root=/dev/vda3\n", "line 1 of /boot/loader/entries/a.conf"),
        ("/boot/extlinux/extlinux.conf", "append root=/dev/vda3\n", "line 1 of /boot/extlinux/extlinux.conf"),
        ("/etc/fw_env.config", "# x\n/dev/vda3 0x0 0x4000\n", "line 2 of /etc/fw_env.config"),
        ("/etc/rauc/system.conf", "[slot.a.0]\ndevice=/dev/vda3\n", "line 2 of /etc/rauc/system.conf"),
        ("/etc/mdadm/mdadm.conf", "ARRAY /dev/md0 devices=/dev/vda3,/dev/vdb1\n", "line 1 of /etc/mdadm/mdadm.conf"),
        ("/etc/mdadm.conf", "ARRAY /dev/md0 devices=/dev/vd[a-z]3\n", "line 1 of /etc/mdadm.conf"),
        ("/etc/lvm/devices/system.devices", "IDTYPE=devname IDNAME=/dev/vda3 DEVNAME=x\n", "line 1 of "),
        ("/etc/lvm/backup/vg", 'device = "/dev/vda3" # Hint only\n', "line 1 of /etc/lvm/backup/vg"),
        ("/etc/lvm/lvm.conf", 'filter = [ "a|^/dev/vda3$|", "r|.*|" ]\n', "line 1 of /etc/lvm/lvm.conf"),
        ("/etc/multipath/wwids", "# x\n/5000c500a1b2c3d4-part3/\n", "line 2 of /etc/multipath/wwids"),
        ("/etc/zfs/zpool.cache", "\0\1path\0\0/dev/disk/by-partlabel/data\0x", "of /etc/zfs/zpool.cache"),
        ("/etc/target/saveconfig.json", '{"dev": "\\/dev\\/vda3"}\n', "line 1 of /etc/target/saveconfig.json"),
        ("/etc/cryptmount/cmtab", "x { dev=/dev/vda3 }\n", "line 1 of /etc/cryptmount/cmtab"),
        ("/etc/systemd/system/x.mount", "[Mount]\nWhat=/dev/vda3\n", "/etc/systemd/system/x.mount"),
        ("/etc/systemd/system/x.swap", "[Swap]\nWhat=PARTLABEL=data\n", "/etc/systemd/system/x.swap"),
        (
            "/etc/systemd/system/x.service",
            "BindsTo=dev-disk-by\\x2dpartlabel-data.device\n",
            "/etc/systemd/system/x.service",
        ),
        ("/usr/lib/systemd/system/dev-vda3.swap", "[Swap]\n", "/usr/lib/systemd/system/dev-vda3.swap"),
        ("/etc/edgesec/swap/s.json", '{"device": "/dev/disk/by-partlabel/data"}\n', "line 1 of "),
    ],
)
def test_other_configurations(path: str, text: str, where: str, device: Any) -> None:
    device.write(path, text)
    found = facts(device)
    assert found["named_by"]
    assert where in found["named_by"][0]
    assert found["blank"] is False


def test_a_device_that_wants_a_unit(device: Any) -> None:
    device.link("/etc/systemd/system/dev-vda3.device.wants/x.service", "../x.service")
    assert facts(device)["named_by"] == ["/etc/systemd/system/dev-vda3.device.wants"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/crypttab", "#other /dev/vda3 none luks\n ; /dev/vda3\nother /dev/vda4 none luks\n"),
        ("/etc/crypttab", "other /dev/vda33 none luks\ndata /dev/vda none\n"),
        ("/etc/fstab", "PARTLABEL=other /srv ext4\nLABEL=data /x ext4\n"),
        ("/etc/mdadm/mdadm.conf", "DEVICE /dev/vd*\nARRAY /dev/md0 UUID=1:2:3:4\n"),
        ("/etc/systemd/system/x.service", "ExecStart=/bin/data data\n"),
        ("/etc/lvm/lvm.conf", '# filter = [ "a|/dev/vda3|" ]\nscan = [ "/dev" ]\n'),
    ],
)
def test_what_names_something_else(path: str, text: str, device: Any) -> None:
    device.write(path, text)
    found = facts(device)
    assert found["named_by"] == []
    assert found["blank"] is True


def test_a_partition_that_is_named_names_its_disk(tree: Any) -> None:
    tree.block("vda", "254:0", partitions=("vda1",))
    tree.write("/dev/vda1", "")
    tree.write("/etc/crypttab", "x /dev/vda1 none luks\n")
    assert collect(tree.root, [Volume("data", "/dev/vda")])["volumes"][0]["named_by"] == ["line 1 of /etc/crypttab"]


SPACED = "/dev/disk/by-partlabel/edge\\x20data"


@pytest.mark.parametrize("udev", [True, False])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/fstab", "PARTLABEL=edge\\040data /data ext4 nofail 0 0\n"),
        ("/etc/fstab", 'PARTLABEL="edge\\040data" /data ext4 nofail 0 0\n'),
        ("/etc/fstab", "/dev/disk/by-partlabel/edge\\134x20data /data ext4 nofail 0 0\n"),
        ("/etc/fstab", f"{SPACED} /data ext4 nofail 0 0\n"),
        ("/etc/fstab", "PARTUUID=1A2B3C4D-03 /data ext4 nofail 0 0\n"),
        ("/proc/cmdline", "quiet datadev=PARTUUID=1a2b3c4d-03\n"),
        ("/etc/default/ring", "DEVICE=1a2b3c4d-03\n"),
        ("/etc/systemd/system/x.mount", "[Mount]\nWhat=/dev/disk/by-partlabel/edge\\\\x20data\n"),
        ("/etc/systemd/system/x.mount", "[Mount]\nWhat=PARTLABEL=edge\\x20data\n"),
        ("/etc/edgesec/swap/s.json", '{"device": "/dev/disk/by-partlabel/edge\\\\x20data"}\n'),
        ("/etc/systemd/system/x.service", "BindsTo=dev-disk-by\\x2dpartlabel-edge\\x5cx20data.device\n"),
        ("/etc/default/ring", f"DEVICE={SPACED}\n"),
        ("/etc/sysconfig/rawdevices", f"/dev/raw/raw1 {SPACED}\n"),
        ("/etc/containers/systemd/db.container", "[Container]\nAddDevice=/dev/vda3\n"),
        ("/etc/udev/rules.d/60-raw.rules", 'KERNEL=="vda3", SYMLINK+="asm/d1"\n'),
        ("/etc/init.d/ring", "start) /usr/bin/ring /dev/vda3 ;;\n"),
    ],
)
def test_ordinary_spellings_with_and_without_the_links_of_udev(path: str, text: str, udev: bool, tree: Any) -> None:
    tree.block("vda3", "254:3")
    tree.write("/sys/class/block/vda3/uevent", "DEVNAME=vda3\nPARTNAME=edge data\nPARTUUID=1a2b3c4d-03\n")
    if udev:
        tree.link(SPACED, "../../vda3")
        tree.link("/dev/disk/by-partuuid/1a2b3c4d-03", "../../vda3")
    tree.write(path, text)
    (found,) = collect(tree.root, [Volume("data", "/dev/vda3")])["volumes"]
    assert len(found["named_by"]) == 1
    assert path in found["named_by"][0]


def test_what_blkid_reads_in_the_partition_table_is_a_name_too(tree: Any) -> None:
    tree.block("vda3", "254:3")
    tree.write("/etc/fstab", "PARTUUID=1a2b3c4d-03 /data ext4 nofail 0 0\n")
    block = Blocks(tree.root).named("vda3")
    assert named_by(tree.root, "/dev/vda3", block) == []
    assert named_by(tree.root, "/dev/vda3", block, ["PARTUUID=1a2b3c4d-03"]) == ["line 1 of /etc/fstab"]


@pytest.mark.parametrize("rule", ['KERNEL=="vda*", GROUP="disk"', 'KERNEL=="vda33", GROUP="disk"', 'NAME=="vda3"'])
def test_a_rule_of_udev_for_others_names_nothing(rule: str, device: Any) -> None:
    device.write("/etc/udev/rules.d/1.rules", rule + "\n")
    assert facts(device)["named_by"] == []
