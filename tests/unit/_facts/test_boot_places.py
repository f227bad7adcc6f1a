# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Boot file systems where images of the field have them, and the loaders on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot import _read_only, _separate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

ESP, XBOOTLDR = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "bc13c2ff-59e6-4262-a352-b275fd6f7172"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
POLICY = View(
    {"boot_mounts_paths": ["/boot", "/boot/efi", "/efi", "/boot/firmware"], "boot_mounts_options": ["ro", "nodev"]}, ""
)
MENU = "menuentry 'one' {\n\tlinux /vmlinuz\n}\n"
FORWARD = "search.fs_uuid 1234 root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"


def device(tree: Any, *mounts: str, files: Mapping[str, str] | None = None, **types: str) -> dict[str, Any]:
    """Facts of a device with mounts such as C(vfat /uboot), on partitions of the types given as C(p1)."""
    lines = ["179:9 / rw ext4 /dev/mmcblk0p9 rw"]
    tree.block("mmcblk0p9", "179:9")
    for number, mount in enumerate(mounts, 1):
        fstype, path = mount.split(" ")
        tree.block(f"mmcblk0p{number}", f"179:{number}")
        lines.append(f"179:{number} {path} rw {fstype} /dev/mmcblk0p{number} rw")
        tree.write(
            f"/run/udev/data/b179:{number}", f"S:x\nE:ID_PART_ENTRY_TYPE={types.get(f'p{number}', LINUX)}\nG:y\n"
        )
    tree.mounts(*lines)
    tree.write("/proc/cmdline", "ro\n")
    for path, content in (files or {}).items():
        tree.write(path, content)
    return collect(tree.root)


@pytest.mark.parametrize(
    ("mount", "files"),
    [
        ("vfat /uboot", ["config.txt", "start4.elf", "boot.scr", "u-boot.bin"]),
        ("vfat /mnt/boot", ["config.txt", "start4.elf"]),
        ("vfat /run/media/boot-mmcblk1p1", ["boot.scr", "Image"]),
        ("vfat /run/media/mmcblk0p1", ["boot.scr", "zImage"]),
        ("vfat /boot/EFI", ["EFI/BOOT/BOOTX64.EFI"]),
        ("vfat /boot/efi2", []),
        ("vfat /esp", ["efi/boot/bootaa64.efi"]),
        ("vfat /esp-b", ["EFI/BOOT/BOOTAA64.EFI"]),
        ("vfat /firmware", ["MLO", "u-boot.img"]),
        ("vfat /bootfs", ["kernel8.img", "start.elf"]),
        ("vfat /part1", ["fitImage"]),
        ("vfat /part2", ["tiboot3.bin"]),
        ("ext4 /mnt/kernel", ["vmlinuz-6.1"]),
        ("ext4 /run/mnt/ubuntu-boot", ["EFI/ubuntu/grub.cfg"]),
        ("ext4 /grubenv", ["grub/grubenv"]),
        ("squashfs /images/boot", ["extlinux/extlinux.conf"]),
    ],
)
def test_a_boot_file_system_is_found_where_the_image_has_it(tree: Any, mount: str, files: list[str]) -> None:
    path = mount.split(" ")[1]
    facts = device(tree, mount, files={f"{path}/{name}": "x" for name in files})
    assert [each["path"] for each in facts["file_systems"]] == [path]
    assert [each["path"] for each in facts["mounts"]] == [path]
    view = View({"edgesec_boot": facts}, "")
    assert _separate(view, POLICY).verdict == "pass"
    finding = _read_only(view, POLICY)
    assert (finding.verdict, finding.by_hand) == (
        "fail",
        f"Add {path} to boot_mounts_paths, if only updates write there",
    )


@pytest.mark.parametrize("kind", [ESP, XBOOTLDR, ESP.upper(), "0xef"])
def test_a_partition_tells_by_its_type_what_it_is(tree: Any, kind: str) -> None:
    facts = device(tree, "vfat /somewhere", p1=kind)
    assert facts["file_systems"] == [
        {"path": "/somewhere", "found_by": ["mount table", "partition type"], "source": "/dev/mmcblk0p1"}
    ]


@pytest.mark.parametrize(
    ("mount", "files"),
    [
        ("vfat /data", ["photo.jpg", "config.txt.bak", "notes/grub.txt"]),
        ("vfat /data", ["EFI"]),
        ("ext4 /data", ["u-boot.bin", "Images.txt"]),
        ("ext4 /other", ["etc/fstab", "usr/bin/true", "boot/vmlinuz", "vmlinuz"]),
        ("vfat /media/stick", ["EFI/BOOT/BOOTX64.EFI"]),
        ("vfat /run/media/somebody/STICK", ["EFI/BOOT/BOOTX64.EFI"]),
        ("nfs4 /srv/tftp", ["vmlinuz", "grub/grub.cfg"]),
        ("fuse.sshfs /boot/remote", ["grub/grub.cfg"]),
        ("ext4 /bootstrap", ["data"]),
        ("tmpfs /boot/tmp", ["vmlinuz"]),
    ],
)
def test_other_file_systems_are_none(tree: Any, mount: str, files: list[str]) -> None:
    path = mount.split(" ")[1]
    facts = device(tree, mount, files={f"{path}/{name}": "x" for name in files})
    assert facts["file_systems"] == facts["mounts"] == []


def test_each_file_system_is_found_once_and_what_waits_is_not_looked_into(tree: Any) -> None:
    tree.mounts(
        "179:9 / rw ext4 /dev/mmcblk0p9 rw",
        "179:1 /boot/efi rw vfat /dev/mmcblk0p1 rw",
        "179:1 /run/mnt/seed rw vfat /dev/mmcblk0p1 rw",
        "179:2 /uboot rw vfat /dev/mmcblk0p2 rw",
        "179:2 /again rw vfat /dev/mmcblk0p2 rw",
        "0:40 /esp rw autofs systemd-1 rw",
        "179:3 /covered rw vfat /dev/mmcblk0p3 rw",
        "0:41 /covered rw tmpfs tmpfs rw",
    )
    tree.write("/proc/cmdline", "ro\n")
    for path in ("/boot/efi", "/run/mnt/seed", "/uboot", "/again", "/covered"):
        tree.write(f"{path}/EFI/BOOT/BOOTX64.EFI", "x")
    assert [each["path"] for each in collect(tree.root)["file_systems"]] == ["/boot/efi", "/uboot"]


def test_a_line_of_fstab_tells_of_one_that_is_not_mounted(tree: Any) -> None:
    tree.write(
        "/etc/fstab",
        "/dev/mmcblk0p1 /uboot auto noauto 0 0\n/dev/sda1 /boot/efi2 vfat ro 0 0\n/dev/sdb /data vfat ro\n",
    )
    facts = device(tree)
    assert [each["path"] for each in facts["mounts"]] == ["/boot/efi2", "/uboot"]
    assert facts["separate"] is False


@pytest.mark.parametrize(
    ("files", "menus"),
    [
        ({"/boot/EFI/BOOT/grub.cfg": MENU}, ["/boot/EFI/BOOT/grub.cfg"]),
        ({"/boot/efi/boot/grub.cfg": MENU}, ["/boot/efi/boot/grub.cfg"]),
        ({"/boot/EFI/BOOT/grub.cfg": ""}, ["/boot/EFI/BOOT/grub.cfg"]),
        ({"/boot/EFI/vendor/grub.cfg": MENU}, ["/boot/EFI/vendor/grub.cfg"]),
        ({"/boot/EFI/debian/grub.cfg": FORWARD, "/boot/grub/grub.cfg": MENU}, ["/boot/grub/grub.cfg"]),
        ({"/boot/EFI/debian/grub.cfg": MENU, "/boot/grub/grub.cfg": MENU}, ["/boot/grub/grub.cfg"]),
        ({"/boot/EFI/BOOT/grub.cfg": FORWARD, "/boot/grub/grub.cfg": MENU}, ["/boot/grub/grub.cfg"]),
        (
            {"/boot/EFI/BOOT/grub.cfg": f"{FORWARD}{MENU}", "/boot/grub/grub.cfg": MENU},
            ["/boot/grub/grub.cfg", "/boot/EFI/BOOT/grub.cfg"],
        ),
        ({"/boot/EFI/fedora/grub.cfg": FORWARD, "/boot/grub2/grub.cfg": "blscfg\n"}, ["/boot/grub2/grub.cfg"]),
    ],
)
def test_the_editor_of_each_menu_of_grub_is_judged(tree: Any, files: dict[str, str], menus: list[str]) -> None:
    facts = device(tree, "vfat /boot", files=files)
    assert [each["path"] for each in facts["layout"] if each["kind"] == "grub"] == menus
    assert [(each["path"], each["open"]) for each in facts["console"]["editors"]] == [(path, True) for path in menus]
    for path in menus:
        tree.write(path, 'set superusers=""\n' + re.sub("'one'", "'one' --unrestricted", MENU))
    assert {each["open"] for each in collect(tree.root)["console"]["editors"]} == {False}


def test_a_path_that_was_taken_out_of_the_list_is_not_judged(tree: Any) -> None:
    facts = device(tree, "vfat /boot/efi", files={"/boot/efi/EFI/BOOT/BOOTX64.EFI": "x"})
    policy = View({"boot_mounts_paths": ["/boot"], "boot_mounts_options": ["ro"]}, "")
    assert _read_only(View({"edgesec_boot": facts}, ""), policy).verdict == "not_applicable"
