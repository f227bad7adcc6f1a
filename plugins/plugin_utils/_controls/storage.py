# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of storage: declared volumes, crypttab, and unencrypted file systems."""

from __future__ import annotations

from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import (
    mapper_of,
    systemd_unit_of,
    unlock_unit_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.slots import RECOVERY_SLOT
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import BY_CONTROLLER
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import contents
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    UNKNOWN,
    Control,
    Finding,
    by_systemd,
    combined,
    declared_volumes,
    failed,
    guarded,
    not_applicable,
    opens_at_boot,
    passed,
    unlock_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

AREA = "edgesec_storage"
ROLE = "encrypted_storage"


def contents_of(volume: View) -> str:
    """Describe what a non-blank device contains, in the words of the device's own refusal.

    :raises Unseen: the facts are incomplete.
    """
    try:
        return contents(volume.raw())
    except (KeyError, TypeError, AttributeError, ValueError):
        raise Unseen(f"{AREA} is incomplete on what {volume.text('device')} contains") from None


def _without_luks2(volume: View) -> Optional[Finding]:
    """The finding on a volume without a LUKS2 header; None if it has one."""
    if not volume.flag("exists"):
        return failed(
            f"there is no {volume.text('device')}",
            "Correct the device in encrypted_storage_volumes, or create the partition",
        )
    luks = volume.maybe_child("luks")
    if luks is not None and luks.number("version") == 2:
        return None
    if luks is not None:
        return failed(
            f"LUKS{luks.number('version')}", "Set on_existing_data: adopt for the volume, which converts it to LUKS2"
        )
    return failed("blank, not encrypted" if volume.flag("blank") else f"not encrypted, contains {contents_of(volume)}")


def _luks2(volume: View) -> View:
    return volume.child("luks")


def _encrypted(facts: View, policy: View) -> Finding:
    def check(volume: View, declared: View) -> Finding:
        missing = _without_luks2(volume)
        if missing is not None:
            return missing
        requirements = _luks2(volume).texts("requirements")
        if requirements:
            return failed(
                f"LUKS2 with {', '.join(requirements)} in progress",
                "Wait until it is done. It resumes at boot, and when you rerun what started it: harden or rotate",
            )
        mapping = volume.maybe_child("mapping")
        if mapping is None and declared.has("mount"):
            return failed("LUKS2, but closed")
        if mapping is None:
            return failed("LUKS2, but closed", "Reboot: the unlocker opens the volume. Mounting it is up to you")
        wanted = mapper_of(volume.text("name"))
        if mapping.text("path") != wanted:
            return failed(f"mapped as {mapping.text('path')}", f"Close that mapping; it should be {wanted}")
        if not declared.has("mount"):
            return passed("LUKS2, open")
        mount = volume.maybe_child("mount")
        if mount is None:
            return failed("LUKS2 and open, but not mounted")
        if mount.text("source") != wanted:
            return failed(
                f"{mount.text('path')} is mounted from {mount.text('source')}", f"Unmount {mount.text('path')} first"
            )
        return passed(f"LUKS2, mounted at {mount.text('path')}")

    return declared_volumes(facts, policy, AREA, check)


def _cipher(facts: View, policy: View) -> Finding:
    allowed = policy.texts("encrypted_storage_ciphers")

    def check(volume: View, _declared: View) -> Finding:
        missing = _without_luks2(volume)
        if missing is not None:
            return missing
        cipher = _luks2(volume).text("cipher")
        if cipher not in allowed:
            return failed(cipher, "Re-encrypt it: cryptsetup reencrypt --cipher " + (allowed[0] if allowed else "..."))
        return passed(cipher)

    return declared_volumes(facts, policy, AREA, check)


def _slots(volume: View) -> list[str]:
    return [slot.text("id") for slot in _luks2(volume).children("keyslots")]


def _recovery(facts: View, policy: View) -> Finding:
    def check(volume: View, _declared: View) -> Finding:
        missing = _without_luks2(volume)
        if missing is not None:
            return missing
        if RECOVERY_SLOT not in _slots(volume):
            return failed(
                "keyslot 0 is empty",
                "Set on_existing_data: adopt for it, or add the escrowed recovery key with cryptsetup luksAddKey",
            )
        return passed("keyslot 0 is in use")

    return declared_volumes(facts, policy, AREA, check)


def _keyslots(facts: View, policy: View) -> Finding:
    def check(volume: View, declared: View) -> Finding:
        missing = _without_luks2(volume)
        if missing is not None:
            return missing
        slots = _slots(volume)
        sealed = [
            slot
            for token in _luks2(volume).children("tokens")
            if opens_at_boot(token, policy)
            for slot in token.texts("keyslots")
        ]
        foreign = [slot for slot in slots if slot not in (RECOVERY_SLOT, *sealed)]
        if foreign:
            named = declared.texts("retire_keyslots") if declared.has("retire_keyslots") else []
            return failed(
                f"unexpected keyslots {', '.join(foreign)}",
                None
                if set(foreign) & set(named)
                else "Find out who added them, then list them in retire_keyslots of the volume, and run harden",
            )
        return passed(f"keyslots {', '.join(slots) or 'none'}")

    return declared_volumes(facts, policy, AREA, check)


def _wanted_options(declared: View, policy: View) -> list[str]:
    own = "mount_options"
    return declared.texts(own) if declared.has(own) else policy.texts("encrypted_storage_mount_options")


def _mount_options(facts: View, policy: View) -> Finding:
    def check(volume: View, declared: View) -> Finding:
        if not declared.has("mount"):
            return not_applicable("no mount point declared")
        wanted = _wanted_options(declared, policy)
        mount = volume.maybe_child("mount")
        if mount is None:
            return failed("not mounted")
        missing = [option for option in wanted if option not in mount.texts("options")]
        if missing:
            return failed(f"mounted without {','.join(missing)}")
        return passed(f"mounted with {','.join(wanted) or 'no required options'}")

    return declared_volumes(facts, policy, AREA, check)


def _fstab(facts: View, policy: View) -> Finding:
    unattended = unlock_of(policy) != BY_CONTROLLER
    systemd = by_systemd(policy)

    def check(volume: View, declared: View) -> Finding:
        if not declared.has("mount"):
            return not_applicable("no mount point declared")
        line = volume.maybe_child("fstab")
        if line is None:
            return failed("no line in fstab")
        name = volume.text("name")
        mapper = mapper_of(name)
        # nofail: a volume that stays closed must not block the boot, or SSH access.
        unit = systemd_unit_of(name) if systemd else unlock_unit_of(name)
        opener = [f"x-systemd.requires={unit}"] if unattended else []
        wanted = [*_wanted_options(declared, policy), "nofail", *opener]
        if line.text("source") != mapper:
            return failed(f"fstab mounts {line.text('source')} at its mount point")
        missing = [option for option in wanted if option not in line.texts("options")]
        if missing:
            return failed(f"its fstab line lacks {','.join(missing)}")
        foreign = [str(each.number("line")) for each in volume.children("crypttab") if not _is_own(each, name, systemd)]
        if foreign:
            return failed(f"crypttab opens it as well, without the header check (line {', '.join(foreign)})")
        return passed(f"line {line.number('line')} of fstab")

    return declared_volumes(facts, policy, AREA, check)


def _is_own(line: View, name: str, systemd: bool) -> bool:
    """Whether the crypttab line is the one with which systemd opens the volume."""
    return systemd and line.flag("opens_it") and line.text("target") == name and not line.flag("early")


def _honoured(facts: View, _policy: View) -> Finding:
    findings = [
        (f"line {line.number('line')} ({line.text('target')})", guarded(lambda line=line: _line_honoured(line)))  # type: ignore[misc]
        for line in facts.child(AREA).children("crypttab")
    ]
    return combined(findings, "crypttab has no lines")


def _line_honoured(line: View) -> Finding:
    reader = line.maybe_text("reader")
    if reader is None:
        return failed("no installed program reads it at boot")
    ignored = line.texts("ignored_options")
    return failed(f"{reader} ignores {','.join(ignored)}") if ignored else passed(f"read by {reader}")


def _plain(facts: View, _policy: View) -> Finding:
    storage = facts.child(AREA)
    found: dict[Optional[bool], list[str]] = {False: [], None: []}
    for mount in storage.children("plain_writable_mounts"):
        words = f"{mount.text('path')} ({mount.text('fstype')} on {mount.text('source')})"
        found[None if mount.maybe_flag("encrypted") is None else False].append(words)
    if found[False]:
        return failed(f"written unencrypted: {', '.join(found[False])}")
    if found[None]:
        seen = f"not known for {', '.join(found[None])}"
        return Finding(UNKNOWN, seen, "the devices below could not be traced to the last one", _FOLLOW)
    return passed("none")


_FOLLOW = "Check with the tools of the file system (zpool status, bcachefs show-super), or mount it read-only"


CONTROLS = (
    Control(
        id="storage.writable.encrypted",
        title="Every declared volume is LUKS2, open, and mounted from its mapping",
        recommendation="3.1.2.3.3",
        expected="LUKS2, mapped and mounted",
        remedy="Declare the volume in encrypted_storage_volumes and run harden",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_encrypted,
    ),
    Control(
        id="storage.volume.cipher",
        title="Every declared volume is encrypted with an accepted cipher",
        recommendation="3.1.2.3.3",
        expected="one of encrypted_storage_ciphers",
        remedy="Run harden; re-encrypt an existing volume by hand",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_cipher,
    ),
    Control(
        id="storage.volume.recovery",
        title="Every declared volume has a keyslot for its recovery key",
        recommendation="3.1.2.3.3",
        expected="a key in keyslot 0",
        remedy="Run harden",
        role=ROLE,
        topic="key_management",
        source=AREA,
        check=_recovery,
    ),
    Control(
        id="storage.volume.keyslots",
        title="Every declared volume has only its recovery keyslot and the one that opens it at boot",
        recommendation="3.1.2.3.3",
        expected="only keyslot 0 (recovery) and the one of the TPM or the key file",
        remedy="Run harden",
        role=ROLE,
        topic="key_management",
        source=AREA,
        check=_keyslots,
    ),
    Control(
        id="storage.volume.mount_options",
        title="Every declared volume is mounted with restrictive options",
        recommendation="3.1.2.3.2",
        expected="encrypted_storage_mount_options, or the volume's mount_options",
        remedy="Run harden, or change encrypted_storage_mount_options",
        role=ROLE,
        topic="mount_options",
        source=AREA,
        check=_mount_options,
    ),
    Control(
        id="storage.volume.fstab",
        title="Every declared volume is mounted the same way after a reboot",
        recommendation="3.1.2.3.2",
        expected="an fstab line that waits for the unlock and has the mount options; no other line in crypttab",
        remedy="Run harden",
        role=ROLE,
        topic="mount_options",
        source=AREA,
        check=_fstab,
    ),
    Control(
        id="storage.crypttab.options_honoured",
        title="Every crypttab line is read at boot, with all its options",
        recommendation="3.1.2.3.3",
        expected="a program that reads the line and supports all its options",
        remedy="On Debian, cryptsetup-initramfs reads the lines of the root file system and those marked initramfs, "
        "and systemd reads all others; each ignores some options of the other. Remove ignored options, or install "
        "the package systemd-cryptsetup if nothing reads the line",
        role=None,
        topic="configuration",
        source=AREA,
        check=_honoured,
    ),
    Control(
        id="platform.filesystems.encrypted",
        title="No writable file system is unencrypted",
        recommendation="3.1.2.3.3",
        expected="every writable file system on dm-crypt",
        remedy="Declare data partitions as volumes; mount the root file system read-only or install it on LUKS2",
        role=None,
        topic="encrypted_storage",
        source=AREA,
        check=_plain,
    ),
)
