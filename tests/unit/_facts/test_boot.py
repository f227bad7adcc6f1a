# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect

EFIVARS = "/sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


def uefi_device(tree: Any) -> None:
    tree.write(f"{EFIVARS}/SecureBoot-{GLOBAL}", b"\6\0\0\0\1")
    tree.write(f"{EFIVARS}/SetupMode-{GLOBAL}", b"\6\0\0\0\0")
    tree.write(f"{EFIVARS}/StubInfo-{LOADER}", b"\6\0\0\0" + "systemd-stub 257\0".encode("utf-16-le"))
    tree.write("/sys/kernel/security/tpm0/binary_bios_measurements", b"")
    tree.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    tree.write("/proc/cmdline", "root=LABEL=root ro\n")
    tree.write("/etc/fstab", "LABEL=ESP /boot/efi vfat umask=0077 0 1\n")
    tree.block("vda1", "254:1")
    tree.block("vda2", "254:2")
    tree.mounts(
        "254:2 / rw,relatime ext4 /dev/vda2 rw",
        "254:1 /boot/efi rw,relatime vfat /dev/vda1 rw,fmask=0077",
    )


def test_a_uki_device_with_secure_boot(tree: Any) -> None:
    uefi_device(tree)
    facts = collect(tree.root)
    assert facts["firmware"] == "uefi"
    assert (facts["secure_boot"], facts["setup_mode"], facts["uki"], facts["event_log"]) == (True, False, True, True)
    assert facts["stub"] == "systemd-stub 257"
    assert facts["lockdown"] == "integrity"
    assert facts["root"]["verified"] == "none"
    # /boot is a directory of the root file system: not a boot mount.
    assert [mount["path"] for mount in facts["mounts"]] == ["/boot/efi"]
    mount = facts["mounts"][0]
    assert mount["runtime"]["options"][0] == "rw"
    assert mount["fstab"] == {"source": "LABEL=ESP", "options": ["umask=0077"], "line": 1}
    assert facts["separate"] is True


def test_read_only_by_the_file_system_counts(tree: Any) -> None:
    uefi_device(tree)
    tree.mounts("254:2 / rw ext4 /dev/vda2 rw", "254:1 /boot/efi rw vfat /dev/vda1 ro")
    assert "ro" in collect(tree.root)["mounts"][0]["runtime"]["options"]


def test_a_mount_only_in_fstab_is_reported_without_runtime(tree: Any) -> None:
    uefi_device(tree)
    tree.mounts("254:2 / rw ext4 /dev/vda2 rw")
    facts = collect(tree.root)
    assert facts["mounts"][0]["runtime"] is None
    assert facts["separate"] is False


def test_a_root_on_dm_verity(tree: Any) -> None:
    uefi_device(tree)
    tree.block("dm-0", "253:0", slaves=("vda2",), dm=("root", "CRYPT-VERITY-abc-root"))
    tree.mounts("253:0 / ro erofs /dev/mapper/root ro")
    assert collect(tree.root)["root"]["verified"] == "dm-verity"


def test_a_root_that_cannot_be_traced_is_unknown(tree: Any) -> None:
    tree.mounts("0:40 / rw overlay overlay rw")
    assert collect(tree.root)["root"]["verified"] is None


def test_firmware_without_uefi(tree: Any) -> None:
    assert collect(tree.root)["firmware"] == "bios"
    tree.write("/sys/firmware/devicetree/base/model", "Board\0")
    facts = collect(tree.root)
    assert (facts["firmware"], facts["uki"], facts["secure_boot"]) == ("devicetree", False, None)


def test_efivarfs_that_is_not_mounted_leaves_uki_unknown(tree: Any) -> None:
    tree.write("/sys/firmware/efi/fw_platform_size", "64\n")
    facts = collect(tree.root)
    assert facts["uki"] is None
    assert facts["secure_boot"] is None


def test_a_malformed_variable_is_unknown(tree: Any) -> None:
    tree.write(f"{EFIVARS}/SecureBoot-{GLOBAL}", b"\6\0\0\0\7")
    assert collect(tree.root)["secure_boot"] is None
