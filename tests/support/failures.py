# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a control fail on a device that is hardened: its id, the change, and words that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Facts = dict[str, Any]
Change = Callable[[Facts], Any]


def volume(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_storage"]["volumes"][0]
    return found


def keyslot(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = volume(facts)["luks"]["keyslots"][1]
    return found


def sealing(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_tpm"]["volumes"][0]
    return found


def temporary(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_storage"]["temporary"][1]
    return found


def console(facts: Facts) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_boot"]["console"]
    return found


def certificate_of(facts: Facts, store: str) -> dict[str, Any]:
    found: dict[str, Any] = facts["edgesec_boot"]["firmware_keys"][store]["certificates"][0]
    return found


def crypttab_line(**changes: Any) -> Facts:
    return {"line": 2, "target": "root", "reader": "cryptsetup-initramfs", "ignored_options": [], **changes}


def windows(facts: Facts) -> Facts:
    found: Facts = facts["edgesec_boot"]["windows"]
    return found


def search(**how: Any) -> Facts:
    """What a search found: one private key in clear, closed to others."""
    secret = {
        "path": "/srv/app/key.pem",
        "kind": "pkcs8",
        "readers": [],
        "encrypted": False,
        "protected": False,
        "on_encrypted_storage": False,
    }
    return {"secrets": [{**secret, **how}], "complete": True}


FAILURES: list[tuple[str, Change, str]] = [
    ("storage.writable.encrypted", lambda f: volume(f).update(mapping=None), "closed"),
    ("storage.writable.encrypted", lambda f: volume(f).update(mount=None), "not mounted"),
    ("storage.writable.encrypted", lambda f: volume(f)["mount"].update(source="/dev/vda3"), "/dev/vda3"),
    ("storage.writable.encrypted", lambda f: volume(f)["luks"].update(version=1), "LUKS1"),
    ("storage.writable.encrypted", lambda f: volume(f)["luks"]["requirements"].append("online-reencrypt"), "online"),
    ("storage.writable.encrypted", lambda f: volume(f).update(exists=False), "there is no"),
    ("storage.volume.cipher", lambda f: volume(f)["luks"].update(cipher="cipher_null-ecb"), "cipher_null"),
    ("storage.volume.recovery", lambda f: volume(f)["luks"]["keyslots"].pop(0), "keyslot 0"),
    ("storage.volume.keyslots", lambda f: volume(f)["luks"]["keyslots"].append({"id": "7"}), "7"),
    ("storage.volume.keyslots", lambda f: volume(f)["luks"]["tokens"].clear(), "unexpected keyslots 1"),
    ("storage.volume.label", lambda f: volume(f)["luks"].update(label="cryptdata"), "'cryptdata'"),
    ("storage.volume.flags", lambda f: volume(f)["luks"].update(flags=["allow-discards"]), "allow-discards instead of"),
    ("storage.volume.sector_size", lambda f: volume(f)["luks"].update(sector_size=512), "512 bytes instead of 4096"),
    ("storage.volume.key_size", lambda f: keyslot(f).update(key_size=32), "keyslot 1 with 256 bits instead of 512"),
    ("storage.volume.kdf", lambda f: keyslot(f).update(iterations=999), "keyslot 1 with 999 iterations"),
    ("storage.volume.kdf", lambda f: keyslot(f).update(kdf="scrypt"), "scrypt"),
    (
        "storage.volume.kdf",
        lambda f: keyslot(f).update(kdf="argon2id", memory_kib=(1 << 18) + 1),
        "argon2id in 256 MiB",
    ),
    (
        "storage.volume.foreign_tokens",
        lambda f: volume(f)["luks"]["tokens"].append({"id": "1", "type": "clevis", "keyslots": ["2"]}),
        "clevis (keyslots 2)",
    ),
    ("storage.volume.mount_options", lambda f: volume(f)["mount"]["options"].remove("nodev"), "nodev"),
    ("storage.volume.fstab", lambda f: volume(f)["fstab"]["options"].remove("nofail"), "nofail"),
    ("storage.volume.fstab", lambda f: volume(f)["fstab"]["options"].pop(), "edgesec-unlock@data"),
    ("storage.volume.fstab", lambda f: volume(f).update(fstab=None), "no line"),
    ("storage.volume.fstab", lambda f: volume(f)["crypttab"].append({"line": 4}), "crypttab opens it as well"),
    (
        "storage.crypttab.options_honoured",
        lambda f: f["edgesec_storage"]["crypttab"].append(crypttab_line(ignored_options=["tpm2-device=auto"])),
        "line 2 (root): cryptsetup-initramfs ignores tpm2-device=auto",
    ),
    (
        "storage.crypttab.options_honoured",
        lambda f: f["edgesec_storage"]["crypttab"].append(crypttab_line(reader=None, ignored_options=None)),
        "no installed program",
    ),
    (
        "storage.swap.encrypted",
        lambda f: f["edgesec_storage"]["swap"].append({"device": "/swap", "encrypted": False}),
        "/swap",
    ),
    ("storage.temporary.protected", lambda f: temporary(f).update(memory=False, encrypted=False), "unencrypted"),
    (
        "storage.core_dumps.protected",
        lambda f: f["edgesec_storage"]["core_dumps"].update(off=False, pattern="core.%p"),
        "unencrypted on the disk (kernel.core_pattern=core.%p)",
    ),
    (
        "storage.journal.protected",
        lambda f: f["edgesec_storage"]["journal"].update(memory=False, encrypted=False),
        "unencrypted",
    ),
    ("storage.journal.protected", lambda f: f["edgesec_storage"]["journal"].update(left_over=True), "older files"),
    ("boot.mounts.separate", lambda f: f["edgesec_boot"].update(separate=False), "root file system"),
    ("boot.mounts.read_only", lambda f: f["edgesec_boot"]["mounts"][0].update(fstab=None), "no line in fstab"),
    (
        "boot.mounts.read_only",
        lambda f: f["edgesec_boot"]["mounts"][0]["fstab"]["options"].remove("ro"),
        "writable in fstab",
    ),
    (
        "boot.mounts.read_only",
        lambda f: f["edgesec_boot"]["mounts"][0]["runtime"].update(options=["rw"]),
        "writable now",
    ),
    ("boot.mounts.options", lambda f: f["edgesec_boot"]["mounts"][0]["fstab"].update(options=["ro"]), "noexec"),
    ("boot.mounts.updates", lambda f: windows(f).update(paths=[]), "boot-window does not manage /boot/efi"),
    ("boot.mounts.updates", lambda f: windows(f).update(program=False), "missing, or from another version"),
    ("boot.mounts.updates", lambda f: windows(f)["hooks"][0].update(installed=False), "dpkg has no hook"),
    (
        "boot.mounts.updates",
        lambda f: windows(f)["hooks"][0].update(lacks="x-actions"),
        "only if x-actions",
    ),
    ("boot.secure_boot.enabled", lambda f: f["edgesec_boot"].update(secure_boot=False), "off"),
    ("boot.secure_boot.enabled", lambda f: f["edgesec_boot"].update(firmware="bios"), "BIOS"),
    ("boot.secure_boot.user_mode", lambda f: f["edgesec_boot"].update(setup_mode=True), "setup mode"),
    (
        "boot.image.unified_or_measured",
        lambda f: (f["edgesec_boot"].update(uki=False), f["edgesec_boot"]["measured"].update(log=False)),
        "neither",
    ),
    (
        "boot.image.unified_or_measured",
        lambda f: (f["edgesec_boot"].update(uki=False), f["edgesec_boot"]["measured"].update(initrd=[])),
        "not measured: initrd",
    ),
    ("boot.kernel.lockdown", lambda f: f["edgesec_boot"].update(lockdown="none"), "none"),
    (
        "boot.keys.trusted",
        lambda f: certificate_of(f, "PK").update(test_key=True, subject="CN=DO NOT TRUST"),
        "PK: test",
    ),
    ("boot.dbx.present", lambda f: f["edgesec_boot"]["firmware_keys"]["dbx"].update(present=False), "empty"),
    (
        "boot.shim.validation",
        lambda f: f["edgesec_boot"]["shim"].update(validation_disabled=True),
        "unsigned code",
    ),
    ("boot.log.replays", lambda f: f["edgesec_boot"]["measured"].update(differ=[4]), "PCR 4"),
    (
        "boot.cmdline.safe",
        lambda f: f["edgesec_boot"]["dangers"].append({"option": "init=/bin/sh", "why": "starts another"}),
        "init=/bin/sh starts another",
    ),
    ("boot.emmc.read_only", lambda f: f["edgesec_boot"]["emmc"][0].update(force_ro=False, read_only=False), "writable"),
    ("boot.console.editor_closed", lambda f: console(f)["editors"][0].update(open=True), "grub.cfg: anyone can edit"),
    (
        "boot.console.editor_closed",
        lambda f: console(f)["editors"][0]["restricted_entries"].append("menuentry 'x'"),
        "asks for a password before starting menuentry 'x'",
    ),
    (
        "boot.console.emergency_closed",
        lambda f: console(f)["shells"].update({"rescue.service": True}),
        "rescue.service: opens a shell",
    ),
    ("boot.console.debug_shell_masked", lambda f: console(f).update(debug_shell_masked=False), "not masked"),
    ("boot.console.ctrl_alt_del", lambda f: console(f).update(ctrl_alt_del_burst="reboot-force"), "reboot-force"),
    ("boot.console.panic", lambda f: console(f).update(panic_seconds=0), "hangs after a panic"),
    ("boot.console.panic", lambda f: console(f).update(panic_on_oops=0), "oops"),
    ("boot.console.initramfs_closed", lambda f: f["edgesec_boot"].update(cmdline="ro panic=0"), "without panic=30"),
    ("boot.console.initramfs_closed", lambda f: console(f).update(dracut=True), "without rd.shell=0"),
    ("tpm.device.present", lambda f: f["edgesec_tpm"].update(present=False), "no TPM"),
    ("tpm.device.present", lambda f: f["edgesec_tpm"].update(version="1.2"), "1.2"),
    ("tpm.device.responding", lambda f: f["edgesec_tpm"].update(responding=False, reason="no answer"), "no answer"),
    ("tpm.pcrs.measured", lambda f: f["edgesec_tpm"]["pcrs"]["sha256"].update({"4": "00" * 32}), "PCR 4"),
    ("tpm.pcrs.measured", lambda f: f["edgesec_tpm"]["pcrs"]["sha256"].update({"7": "ff" * 32}), "PCR 7"),
    ("tpm.volume.sealed", lambda f: sealing(f).update(srk_matches=False), "another TPM"),
    ("tpm.srk.fit", lambda f: f["edgesec_tpm"]["srk"].update(weaknesses=["noda_missing"]), "power cuts lock"),
    ("tpm.srk.fit", lambda f: f["edgesec_tpm"]["srk"].update(weaknesses=["symmetric_weak"]), "symmetric_weak"),
    ("tpm.volume.pcrs", lambda f: sealing(f).update(pcrs=[7]), "PCRs 7"),
    ("tpm.approval.current", lambda f: sealing(f).update(approval_match=None), "no approval"),
    ("tpm.approval.current", lambda f: sealing(f).update(approved_once=True), "approved only once"),
    (
        "tpm.next_boot.approved",
        lambda f: f["edgesec_tpm"]["next_boot"].update(state="unapproved", message="shut"),
        "shut",
    ),
    ("tpm.header.authenticated", lambda f: sealing(f).update(header_authenticated=False), "changed since"),
    ("tpm.revocation.current", lambda f: sealing(f).update(counter_current=False), "0x01800010"),
    ("tpm.unlock.enabled", lambda f: sealing(f).update(unlock_unit_enabled=False), "not enabled"),
    ("tpm.unlock.unattended", lambda f: sealing(f)["last_unlock"].update(reason="pcr_mismatch"), "pcr_mismatch"),
    ("tpm.latch.set", lambda f: sealing(f).update(latch_set=False), "PCR 15"),
    ("platform.unlocker.installed", lambda f: f["edgesec_platform"]["unlocker"].update(digest="b" * 64), "bbbb"),
    ("platform.unlocker.installed", lambda f: f["edgesec_platform"]["unlocker"].update(installed=False), "not inst"),
    ("credentials.files.permissions", lambda f: f["edgesec_credentials"]["files"][0].update(mode="0640"), "0640"),
    ("credentials.files.permissions", lambda f: f["edgesec_credentials"]["files"][0].update(owner="pi"), "pi"),
    (
        "credentials.files.permissions",
        lambda f: f["edgesec_credentials"]["files"][0].update(acl=["user:backup:r--"]),
        "lets in user:backup:r--",
    ),
    (
        "credentials.discovered.permissions",
        lambda f: f["edgesec_credentials"].update(discovered=search(readers=["group:users", "everyone"])),
        "/srv/app/key.pem (pkcs8): can be read by group:users, everyone",
    ),
    (
        "credentials.discovered.encrypted",
        lambda f: f["edgesec_credentials"].update(discovered=search()),
        "/srv/app/key.pem (pkcs8): unencrypted, on an unencrypted disk",
    ),
    ("credentials.files.regular", lambda f: f["edgesec_credentials"]["files"][0].update(type="symlink"), "symlink"),
    ("credentials.files.regular", lambda f: f["edgesec_credentials"]["files"][0].update(nlink=2), "2 hard links"),
    (
        "credentials.files.directories",
        lambda f: f["edgesec_credentials"]["files"][0].update(unsafe_directory="/etc/edge"),
        "/etc/edge",
    ),
    ("credentials.files.present", lambda f: f["edgesec_credentials"]["files"][0].update(exists=False), "missing"),
    (
        "platform.distribution.supported",
        lambda f: f["edgesec_platform"]["distribution"].update(id="alpine"),
        "trixie",
    ),
    ("platform.tools.installed", lambda f: f["edgesec_platform"]["tools"].update(cryptsetup=None), "cryptsetup"),
]
