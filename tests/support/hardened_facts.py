# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts of the virtual device before and after it was hardened, and its policy."""

from __future__ import annotations

import copy
from typing import Any

import pytest

UNLOCKER = "a" * 64
PCRS = {str(number): "00" * 32 for number in range(16)} | {
    str(number): f"{number:02x}" * 32 for number in (0, 1, 2, 3, 4, 5, 6, 7, 9, 11)
}

POLICY: dict[str, Any] = {
    "boot_mounts_paths": ["/boot", "/boot/efi", "/efi", "/boot/firmware"],
    "boot_mounts_options": ["ro", "nosuid", "nodev", "noexec"],
    "boot_mounts_windows": True,
    "boot_console_editor": True,
    "boot_console_emergency": "reboot",
    "boot_console_debug_shell": True,
    "boot_console_ctrl_alt_del": True,
    "boot_console_panic": 30,
    "credentials_files": [{"path": "/etc/ssh/ssh_host_*_key"}],
    "credentials_sets": [],
    "credentials_extra_files": [{"path": "/etc/edge/device.key"}],
    "credentials_at_rest": [],
    "credentials_discovery": {},
    "device_identity_renew_before_days": 30,
    "device_identity_greengrass": {"apply": True},
    "encrypted_storage_volumes": [{"name": "data", "device": "/dev/disk/by-partlabel/data", "mount": "/data"}],
    "encrypted_storage_ciphers": ["aes-xts-plain64"],
    "encrypted_storage_mount_options": ["nodev", "nosuid"],
    "encrypted_storage_unlock": "tpm",
    "encrypted_storage_token": {},
    "encrypted_storage_flags": [],
    "encrypted_storage_discard": False,
    "encrypted_storage_swap": [],
    "encrypted_storage_core_dumps": "none",
    "encrypted_storage_journal": "keep",
    "encrypted_storage_tmp": "keep",
    "encrypted_storage_var_tmp": "keep",
    "tpm_sealing_provider": "edgesec",
    "tpm_sealing_pcrs": [],
    "tpm_sealing_public_key": "",
    "tpm_sealing_public_key_pcrs": [11],
    "tpm_sealing_accept": [],
    "edgesec_accept_untested_distribution": False,
    "unlocker_digest": UNLOCKER,
    "compliance_site_policy": {"severities": {}, "thresholds": {}, "waivers": [], "controls": []},
    "compliance_declared": {},
}


def credential(path: str, mode: str) -> dict[str, Any]:
    return {
        "path": path,
        "declared": {"owner": "root", "group": "root", "mode": "0600", "required": True},
        "exists": True,
        "type": "regular",
        "owner": "root",
        "group": "root",
        "uid": 0,
        "gid": 0,
        "mode": mode,
        "acl": [],
        "flags": [],
        "nlink": 1,
        "unsafe_directory": None,
        "compliant": mode == "0600",
        "reason": None,
    }


BEFORE: dict[str, Any] = {
    "edgesec_identity": {
        "schema": 1,
        "declared": True,
        "now": 1_800_000_000,
        "certificate": {
            "path": "/etc/edgesec/identity/device.pem",
            "exists": True,
            "reason": None,
            "serial": "01",
            "fingerprint": "f" * 64,
            "not_before": 1_790_000_000,
            "not_after": 1_830_000_000,
            "public_key": "a" * 64,
        },
        "key": {
            "token_kind": "tpm",
            "public_key": "a" * 64,
            "attributes": {
                "sensitive": True,
                "always_sensitive": True,
                "extractable": False,
                "never_extractable": True,
                "local": True,
            },
            "read_at": 1_799_000_000,
            "live": False,
        },
        "error": None,
        "greengrass": [
            {
                "nucleus": "classic",
                "root": "/greengrass/v2",
                "end_of_support": None,
                "in_element": True,
                "key_file": None,
                "copies": [],
                "copies_complete": True,
                "reason": None,
                "source": "/greengrass/v2/config/effectiveConfig.yaml",
            }
        ],
        "source": "the certificate and its record",
    },
    "edgesec_platform": {
        "schema": 1,
        "distribution": {
            "id": "debian",
            "version_id": "13",
            "pretty_name": "Debian GNU/Linux 13 (trixie)",
            "id_like": [],
        },
        "architecture": "x86_64",
        "memory_bytes": 1 << 30,
        "kernel": "6.12.57+deb13-cloud-amd64",
        "tools": dict.fromkeys(("blkid", "cryptsetup", "findmnt", "mkfs.ext4", "tpm2_unseal", "wipefs"), "/usr/sbin/x"),
        "unlocker": {"installed": False, "digest": None, "source": "/usr/lib/edgesec"},
        "hardware": {
            "cpu_vendor": "AuthenticAMD",
            "virtual": True,
            "soc": {**dict.fromkeys(("family", "machine", "soc_id", "revision")), "compatible": []},
            "tee": {"kind": None, "devices": []},
            "boot_guard": None,
            "pkcs11": [],
        },
        "code": {
            "ima": {"present": True, "execution_rules": None, "appraise": None},
            "ipe": {"present": False, "enforced": None, "denying_policies": []},
            "fs_verity_signatures": False,
            "apt": {"sources": 2, "lax_sources": [], "lax_options": []},
        },
    },
    "edgesec_boot": {
        "schema": 1,
        "mounts": [
            {
                "path": "/boot/efi",
                "runtime": {"source": "/dev/vda1", "fstype": "vfat", "options": ["rw", "relatime"]},
                "fstab": {"source": "LABEL=ESP", "options": ["defaults"], "line": 2},
            }
        ],
        "windows": {
            "paths": [],
            "program": False,
            "hooks": [{"tool": "dpkg", "path": "/etc/dpkg/dpkg.cfg.d/x", "installed": False, "lacks": None}],
            "open": False,
            "holders": [],
            "refused": [],
        },
        "separate": True,
        "firmware": "uefi",
        "secure_boot": True,
        "setup_mode": False,
        "uki": True,
        "event_log": True,
        "root": {"source": "/dev/vda2", "fstype": "ext4", "options": ["rw"], "verified": "none"},
        "lockdown": "integrity",
        "cmdline": "root=LABEL=root ro",
        "layout": [{"kind": "grub", "path": "/boot/grub/grub.cfg", "on_root": True}],
        "firmware_keys": {
            name: {
                "present": True,
                "bytes": 900,
                "certificates": [{"subject": f"CN=Edge {name}", "sha256": "a" * 64, "test_key": False, "owner": "o"}],
                "hashes": 3,
                "others": 0,
                "reason": None,
            }
            for name in ("PK", "KEK", "db", "dbx")
        },
        "shim": {"present": True, "validation_disabled": False, "sbat_level": "2023012900"},
        "measured": {
            "log": True,
            "agree": [0, 4, 7, 11],
            "differ": [],
            "kernel": [4],
            "initrd": [4],
            "command_line": [4],
            "reason": None,
        },
        "dangers": [],
        "emmc": [{"name": "mmcblk0boot0", "read_only": True, "force_ro": True, "locked_until_power_on": False}],
        "console": {
            "container": False,
            "editors": [
                {"loader": "grub", "path": "/boot/grub/grub.cfg", "open": True, "restricted_entries": []},
                {"loader": "systemd-boot", "path": "/efi/loader/loader.conf", "open": True, "restricted_entries": []},
            ],
            "shells": {"emergency.service": True, "rescue.service": True},
            "debug_shell_masked": False,
            "ctrl_alt_del_burst": "reboot-force",
            "dracut": False,
            "panic_seconds": 0,
            "panic_on_oops": 0,
        },
    },
    "edgesec_storage": {
        "schema": 1,
        "volumes": [
            {
                "name": "data",
                "device": "/dev/disk/by-partlabel/data",
                "exists": True,
                "realpath": "/dev/vda3",
                "size_bytes": 402653184,
                "blank": True,
                "signatures": [],
                "sample": {"erased": True, "start_erased": True, "digest": "sha256:00"},
                "named_by": [],
                "parts_elsewhere": None,
                "partition_table": False,
                "partition_table_uuid": None,
                "partitions_in_use": [],
                "holders": [],
                "mounted_at": [],
                "in_use_as": [],
                "interrupted": False,
                "luks": None,
                "key_file": None,
                "mapping": None,
                "mount": None,
                "fstab": None,
                "crypttab": [],
                "reason": None,
            }
        ],
        "crypttab": [],
        "plain_writable_mounts": [{"path": "/", "source": "/dev/vda2", "fstype": "ext4", "encrypted": False}],
        "swap": [],
        "declared_swap": [],
        "temporary": [
            {"path": f"/{name}", "memory": True, "encrypted": None, "writable": True, "reason": None}
            for name in ("tmp", "var/tmp")
        ],
        "core_dumps": {
            "pattern": "core",
            "off": False,
            "memory": False,
            "encrypted": False,
            "writable": True,
            "collector": False,
            "container": False,
            "reason": None,
        },
        "journal": {
            "path": "/run/log/journal",
            "memory": True,
            "encrypted": None,
            "writable": True,
            "present": True,
            "off": False,
            "left_over": False,
            "reason": None,
        },
    },
    "edgesec_tpm": {
        "schema": 1,
        "present": True,
        "version": "2.0",
        "responding": True,
        "reason": None,
        "active_banks": ["sha256"],
        "pcrs": {"sha256": PCRS},
        "event_log": True,
        "srk": None,
        "boot_type": "uki",
        "default_pcrs": [4, 7],
        "next_boot": None,
        "volumes": [
            {
                "name": "data",
                "enrolled": False,
                "reason": "no enrolment",
                "keyslot": None,
                "bank": None,
                "pcrs": [],
                "latch_pcr": None,
                "latch_set": None,
                "srk_matches": None,
                "approvals": [],
                "approval_match": None,
                "approved_once": None,
                "counter": None,
                "counter_value": None,
                "counter_current": None,
                "epoch": None,
                "header_authenticated": None,
                "unmeasured_pcrs": [],
                "last_unlock": None,
                "unlock_unit_enabled": False,
                "provider": None,
                "stock_tokens": [],
                "systemd_unit": None,
            }
        ],
    },
    "edgesec_credentials": {
        "schema": 1,
        "files": [credential("/etc/edge/device.key", "0644"), credential("/etc/ssh/ssh_host_ed25519_key", "0600")],
        "sealed": [],
        "discovered": None,
    },
}


def _hardened() -> dict[str, Any]:
    facts = copy.deepcopy(BEFORE)
    facts["edgesec_platform"]["unlocker"].update(installed=True, digest=UNLOCKER)
    windows = facts["edgesec_boot"]["windows"]
    windows.update(paths=["/boot/efi"], program=True)
    windows["hooks"][0]["installed"] = True
    mount = facts["edgesec_boot"]["mounts"][0]
    mount["runtime"]["options"] = ["ro", "nodev", "nosuid", "noexec", "relatime"]
    mount["fstab"]["options"] = ["umask=0077", "ro", "nodev", "nosuid", "noexec"]
    facts["edgesec_boot"]["cmdline"] += " panic=30"
    facts["edgesec_boot"]["console"].update(
        shells={"emergency.service": False, "rescue.service": False},
        debug_shell_masked=True,
        ctrl_alt_del_burst="none",
        panic_seconds=30,
        panic_on_oops=1,
    )
    for editor in facts["edgesec_boot"]["console"]["editors"]:
        editor["open"] = False
    facts["edgesec_storage"]["volumes"][0].update(
        blank=False,
        signatures=[
            {
                "type": "crypto_LUKS",
                "usage": "crypto",
                "uuid": "c086ab4a",
                "label": "edgesec-data",
                "offset": 0,
                "live": True,
            }
        ],
        holders=["dm-0"],
        luks={
            "version": 2,
            "uuid": "c086ab4a",
            "label": "edgesec-data",
            "cipher": "aes-xts-plain64",
            "sector_size": 4096,
            "keyslots": [
                {"id": "0", "kdf": "pbkdf2", "iterations": 1000, "key_size": 64},
                {"id": "1", "kdf": "pbkdf2", "iterations": 1000, "key_size": 64},
            ],
            "tokens": [{"id": "0", "type": "edgesec-tpm2", "maker": "edgesec", "keyslots": ["1"], "pin": False}],
            "requirements": [],
            "flags": [],
            "json_bytes": 61440,
            "data_offset": 16777216,
        },
        mapping={"path": "/dev/mapper/data", "uuid": "CRYPT-LUKS2-c086ab4a-data"},
        mount={
            "path": "/data",
            "source": "/dev/mapper/data",
            "fstype": "ext4",
            "options": ["rw", "nodev", "nosuid", "relatime"],
        },
        fstab={
            "source": "/dev/mapper/data",
            "options": ["nodev", "nosuid", "nofail", "x-systemd.requires=edgesec-unlock@data.service"],
            "line": 3,
        },
    )
    facts["edgesec_storage"]["core_dumps"].update(pattern="|/bin/false", off=True)
    facts["edgesec_tpm"]["next_boot"] = {"state": "approved", "message": "", "at": 1}
    facts["edgesec_tpm"]["srk"] = {"handle": "0x81000001", "name": "000b", "weaknesses": []}
    facts["edgesec_tpm"]["volumes"][0].update(
        enrolled=True,
        reason=None,
        keyslot="1",
        bank="sha256",
        pcrs=[4, 7],
        latch_pcr=15,
        latch_set=True,
        srk_matches=True,
        approvals=["2026-11-23-6.12-abcd"],
        approval_match="2026-11-23-6.12-abcd",
        approved_once=False,
        counter="0x01800010",
        counter_value=4,
        counter_current=True,
        epoch=4,
        header_authenticated=True,
        last_unlock={"reason": "ok", "at": 1, "approval": "2026-11-23-6.12-abcd"},
        unlock_unit_enabled=True,
        provider="edgesec",
    )
    facts["edgesec_credentials"]["files"][0] = credential("/etc/edge/device.key", "0600")
    return facts


@pytest.fixture
def policy() -> dict[str, Any]:
    return copy.deepcopy(POLICY)


@pytest.fixture
def before() -> dict[str, Any]:
    return copy.deepcopy(BEFORE)


@pytest.fixture
def after() -> dict[str, Any]:
    return _hardened()


@pytest.fixture
def sealed(after: dict[str, Any]) -> dict[str, Any]:
    """Hardened, and not rebooted since."""
    after["edgesec_tpm"]["volumes"][0].update(last_unlock=None, latch_set=False)
    return after
