# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The chain of a boot, read from trees of several systems, written from what their documentation says."""

from __future__ import annotations

import base64
import json
import struct
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from virt.firmware.efi import devpath

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._boot import efi_load_option, gpt
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.kernel_command_line import dangers, value
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot_write_protection import (
    make_emmc_read_only,
    writable_emmc,
)
from tests.support import boot_chain

FIXTURES = Path(__file__).parents[2] / "fixtures"
EFIVARS = "/sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
PARTITION = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def captured(tree: Any, name: str) -> dict[str, Any]:
    for path, text in json.loads((FIXTURES / "boot" / f"{name}.json").read_text()).items():
        tree.write(path, text)
    return collect(tree.root)


def kinds(facts: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(each["kind"], each["on_root"]) for each in facts["layout"]]


@pytest.mark.parametrize(
    ("name", "loaders", "places", "on_root"),
    [
        ("raspberry_pi_os", [("raspberry-pi", False)], ["/boot/firmware"], False),
        ("ubuntu", [("grub", True)], ["/boot/efi"], True),
        ("fedora", [("grub", False)], ["/boot", "/boot/efi"], False),
        ("yocto", [("systemd-boot", False)], ["/boot"], False),
        ("u_boot_board", [("extlinux", True), ("u-boot", True)], [], True),
    ],
)
def test_layout_and_file_systems(tree: Any, name: str, loaders: Any, places: list[str], on_root: bool) -> None:
    facts = captured(tree, name)
    assert kinds(facts) == loaders
    assert [each["path"] for each in facts["file_systems"]] == places
    assert all(each["found_by"] == ["fstab", "mount table"] for each in facts["file_systems"])
    assert facts["on_root"] is on_root
    json.dumps(facts)


def test_boot_files_are_found_whatever_is_to_be_read_only(tree: Any) -> None:
    facts = captured(tree, "fedora")
    assert collect(tree.root, []) == facts
    assert collect(tree.root, ["/boot/elsewhere"])["mounts"] == facts["mounts"]


def test_nothing_found_is_not_known_to_be_apart(tree: Any) -> None:
    facts = collect(tree.root)
    assert (facts["layout"], facts["on_root"], facts["firmware_keys"], facts["shim"]) == ([], None, None, None)
    assert facts["measured"]["log"] is False
    assert facts["dangers"] is None


def test_write_protection_of_hardware(tree: Any) -> None:
    emmc = captured(tree, "yocto")["emmc"]
    assert [(each["name"], each["force_ro"], each["read_only"]) for each in emmc] == [
        ("mmcblk1boot0", True, True),
        ("mmcblk1boot1", False, False),
    ]
    facts = captured(tree, "u_boot_board")
    assert [(each["name"], each["writable"]) for each in facts["flash"]] == [("bootloader", True), ("factory", False)]
    assert [each["offset"] for each in facts["uboot_environment"]] == ["0x400000", "0x410000"]
    assert [each["option"] for each in facts["dangers"]] == ["init=/bin/sh"]


def test_emmc_that_was_left_writable_is_made_read_only(tree: Any) -> None:
    captured(tree, "yocto")
    assert writable_emmc(tree.root) == ["mmcblk1boot1"]
    make_emmc_read_only("mmcblk1boot1", tree.root)
    assert writable_emmc(tree.root) == []
    with pytest.raises(EdgesecError, match="mmcblk9boot0/force_ro"):
        make_emmc_read_only("mmcblk9boot0", tree.root)


def test_console_of_a_stock_system_is_open_and_closed_by_a_drop_in(tree: Any) -> None:
    tree.write("/usr/lib/dracut/modules.d/60clevis/module-setup.sh", "")
    console = captured(tree, "ubuntu")["console"]
    assert console["dracut"] is False, "what another package has for dracut is not dracut"
    assert console["shells"] == {"emergency.service": True, "rescue.service": True}
    assert (console["debug_shell_masked"], console["ctrl_alt_del_burst"]) == (False, "reboot-force")
    assert console["editors"][0]["open"] is True
    drop_in = "/etc/systemd/system/emergency.service.d/60-x.conf"
    tree.write(drop_in, "[Service]\nExecStart=\nExecStart=sleep 9\n")
    tree.link("/etc/systemd/system/debug-shell.service", "/dev/null")
    console = collect(tree.root)["console"]
    assert console["shells"] == {"emergency.service": False, "rescue.service": True}
    assert console["debug_shell_masked"] is True
    # Without the empty line, the shell is still among the commands.
    tree.write(drop_in, "[Service]\nExecStart=sleep 9\n")
    assert collect(tree.root)["console"]["shells"]["emergency.service"] is True


def test_superusers_without_unrestricted_entries_are_seen(tree: Any) -> None:
    grub = captured(tree, "ubuntu")["console"]["editors"][0]
    assert grub["restricted_entries"] == []
    text = (tree.path / "boot/grub/grub.cfg").read_text()
    tree.write("/boot/grub/grub.cfg", 'set superusers="root"\n' + text)
    (entry,) = collect(tree.root)["console"]["editors"][0]["restricted_entries"]
    assert entry.startswith("menuentry 'Ubuntu'")
    tree.write(
        "/boot/grub/grub.cfg",
        'set superusers="root"\nset menuentry_id_option="--unrestricted $menuentry_id_option"\n' + text,
    )
    assert collect(tree.root)["console"]["editors"][0]["restricted_entries"] == []


def signed_boot(tree: Any, image: bytes) -> dict[str, Any]:
    node = struct.pack("<BBHIQQ16sBB", 4, 1, 42, 1, 2048, 4096, uuid.UUID(PARTITION).bytes_le, 2, 2)
    name = "\\EFI\\BOOT\\BOOTX64.EFI".encode("utf-16-le") + b"\0\0"
    path = node + struct.pack("<BBH", 4, 4, 4 + len(name)) + name + b"\x7f\xff\4\0"
    option = struct.pack("<IH", 1, len(path)) + "edge\0".encode("utf-16-le") + path
    assert str(devpath.DevicePath(path)).count("BOOTX64.EFI") == 1
    tree.write(f"{EFIVARS}/BootCurrent-{GLOBAL}", b"\7\0\0\0\2\0")
    tree.write(f"{EFIVARS}/Boot0002-{GLOBAL}", b"\7\0\0\0" + option)
    tree.block("vda1", "254:1")
    tree.link(f"/dev/disk/by-partuuid/{PARTITION}", "../../vda1")
    tree.mounts("254:2 / rw ext4 /dev/vda2 rw", "254:1 /mnt/esp ro vfat /dev/vda1 ro")
    tree.write("/mnt/esp/EFI/BOOT/BOOTX64.EFI", image)
    return collect(tree.root)


def test_the_image_that_the_firmware_started_and_who_signed_it(tree: Any) -> None:
    certificate = boot_chain.certificate("Edge db", "Edge KEK")
    facts = signed_boot(tree, boot_chain.signed(boot_chain.image(b"\xc3" * 200_000), [certificate]))
    # It is not mounted where boot file systems are looked for by name.
    (found,) = facts["file_systems"]
    assert (found["path"], found["found_by"]) == ("/mnt/esp", ["contents", "firmware", "mount table"])
    (image,) = facts["images"]
    assert (image["path"], image["signed"]) == ("/mnt/esp/EFI/BOOT/BOOTX64.EFI", True)
    assert image["signers"] == [{"subject": "CN=Edge db", "issuer": "CN=Edge KEK"}]


@pytest.mark.parametrize(("content", "signed"), [(boot_chain.image(), False), (b"MZ", None), (b"", None)])
def test_an_image_without_a_signature(tree: Any, content: bytes, signed: Any) -> None:
    (image,) = signed_boot(tree, content)["images"]
    assert image["signed"] is signed
    assert (image["reason"] is None) == (signed is not None)


def test_a_replayed_log_names_the_pcrs_that_agree(tree: Any) -> None:
    log = base64.b64decode((FIXTURES / "uki.eventlog.b64").read_text())
    pcrs = json.loads((FIXTURES / "uki.json").read_text())["pcrs"]
    tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", log)
    for number, digest in pcrs.items():
        tree.write(f"/sys/class/tpm/tpm0/pcr-sha256/{number}", digest.upper() + "\n")
    measured = collect(tree.root)["measured"]
    assert {0, 4, 7, 9} <= set(measured["agree"])
    tree.write("/sys/class/tpm/tpm0/pcr-sha256/4", "00" * 32)
    assert 4 in collect(tree.root)["measured"]["differ"]
    tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", log[:-3])
    measured = collect(tree.root)["measured"]
    assert measured["agree"] is None
    assert "cut short" in measured["reason"]


def test_the_bit_of_a_partition(tree: Any) -> None:
    entries = bytearray(128 * 128)
    for number, bits in ((1, 1 << 60), (2, 0)):
        struct.pack_into("<16s16sQQQ", entries, 128 * (number - 1), b"t" * 16, b"u" * 16, 34, 99, bits)
    head = b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 128, 128)
    disk = bytes(512) + head.ljust(512, b"\0") + bytes(entries)
    tree.block("vda", "254:0", partitions=("vda1", "vda2"), content=disk)
    for number in (1, 2):
        tree.block(f"vda{number}", f"254:{number}")
        tree.write(f"/sys/class/block/vda{number}/partition", f"{number}\n")
    tree.mounts("254:3 / rw ext4 /dev/vda3 rw", "254:1 /boot rw ext4 /dev/vda1 rw", "254:2 /efi rw vfat /dev/vda2 rw")
    bits = collect(tree.root)["partition_bits"]
    assert bits == [{"partition": "vda1", "read_only": True}, {"partition": "vda2", "read_only": False}]
    tree.write("/dev/vda", disk[:700])
    assert {each["read_only"] for each in collect(tree.root)["partition_bits"]} == {None}


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("quiet ro root=/dev/sda1 panic=30", []),
        ("ro single", ["single"]),
        ("S rd.break=pre-mount", ["S", "rd.break=pre-mount"]),
        ("systemd.debug-shell=1 ima-appraise=log", ["systemd.debug-shell=1", "ima-appraise=log"]),
        ("ima_appraise=enforce iommu=pt mitigations=auto module.sig_enforce=1", []),
        ("lockdown=integrity selinux=1 security=apparmor", []),
        ('dyndbg="file x +p" -- emergency', ["emergency"]),
        ("systemd.set_credential=a:secret", ["systemd.set_credential"]),
    ],
)
def test_dangerous_options(line: str, options: list[str]) -> None:
    assert [each["option"] for each in dangers(line)] == options


def test_the_last_value_of_an_option_holds() -> None:
    assert value("panic=0 ro panic=30", "panic") == "30"
    assert value("rd.shell ro", "rd.shell") == ""
    assert value("ro", "panic") is None


@given(st.binary(max_size=300), st.text())
def test_any_bytes_are_read_or_malformed(data: bytes, line: str) -> None:
    for reader in (efi_load_option.parse, lambda block: gpt.header(block, 512)):
        with suppress(Malformed):
            reader(data)
    with suppress(Malformed):
        gpt.header(b"EFI PART" + data, 512)
    gpt.attributes(data, 128)
    dangers(line)
