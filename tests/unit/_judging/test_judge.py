# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verdicts on the virtual device, before and after it was hardened."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS, TOPICS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import failing_roles, judge
from tests.support.failures import FAILURES, Change, Facts, console, keyslot, sealing, volume, windows
from tests.support.judged import entry, verdicts

ROLES = ("boot_console", "boot_mounts", "credentials", "device_identity", "encrypted_storage", "tpm_sealing")


def test_the_catalogue_is_well_formed() -> None:
    identifiers = [control.id for control in CONTROLS]
    assert len(identifiers) == len(set(identifiers)) >= 20
    for control in CONTROLS:
        assert control.role is None or control.role in ROLES
        assert control.priority in ("Required", "Highly Recommended", "Recommended")
        assert control.topic in TOPICS
        assert control.title
        assert control.remedy
        assert control.expected


def test_before_hardening_what_harden_fixes_fails(before: Facts, policy: Facts) -> None:
    seen = verdicts(before, policy)
    failing = {identifier for identifier, verdict in seen.items() if verdict == "fail"}
    assert {
        "storage.writable.encrypted",
        "storage.volume.cipher",
        "storage.volume.recovery",
        "storage.volume.keyslots",
        "storage.volume.mount_options",
        "storage.volume.fstab",
        "boot.mounts.read_only",
        "boot.mounts.options",
        "credentials.files.permissions",
        "tpm.volume.sealed",
        "tpm.approval.current",
        "platform.unlocker.installed",
    } <= failing
    roles = ["boot_console", "boot_mounts", "credentials", "encrypted_storage", "tpm_sealing"]
    assert failing_roles(judge(before, policy)) == roles


def test_after_hardening_only_the_plain_root_fails(after: Facts, policy: Facts) -> None:
    seen = verdicts(after, policy)
    assert {identifier for identifier, verdict in seen.items() if verdict not in ("pass", "not_applicable")} == {
        "boot.root.verified",
        "platform.filesystems.encrypted",
        # What the virtual device does not have, or nothing can see.
        "code.execution.verified",
        "hardware.puf.used",
        "hardware.secure_element.api",
        "hardware.tee.running",
    }
    assert failing_roles(judge(after, policy)) == []


def test_before_the_reboot_the_boot_is_not_judged_and_no_role_runs_again(sealed: Facts, policy: Facts) -> None:
    for identifier in ("tpm.latch.set", "tpm.unlock.unattended"):
        found = entry(sealed, policy, identifier)
        assert found["verdict"] == "not_applicable"
        assert "not rebooted since it was sealed" in found["reason"]
    assert failing_roles(judge(sealed, policy)) == []


@pytest.mark.parametrize(("identifier", "change", "words"), FAILURES)
def test_what_is_wrong_fails_and_is_named(
    after: Facts, policy: Facts, identifier: str, change: Change, words: str
) -> None:
    assert entry(after, policy, identifier)["verdict"] in ("pass", "not_applicable")
    change(after)
    found = entry(after, policy, identifier)
    assert found["verdict"] == "fail"
    assert words in found["actual"]


def test_what_only_a_person_can_fix_names_no_role(after: Facts, policy: Facts) -> None:
    volume(after)["luks"]["keyslots"].append({"id": "7"})
    found = entry(after, policy, "storage.volume.keyslots")
    assert found["role"] is None
    assert "retire_keyslots" in found["remedy"]
    assert failing_roles(judge(after, policy)) == []


def test_what_the_operator_has_declared_dead_is_the_roles_work(after: Facts, policy: Facts) -> None:
    volume(after)["luks"]["keyslots"].append({"id": "7", "kdf": "pbkdf2", "iterations": 1000})
    volume(after)["luks"]["tokens"].append({"id": "1", "type": "clevis", "keyslots": ["7"]})
    policy["encrypted_storage_volumes"][0]["retire_keyslots"] = ["7"]
    for control in ("storage.volume.keyslots", "storage.volume.foreign_tokens"):
        assert entry(after, policy, control)["role"] == "encrypted_storage"


def test_a_volume_of_somebody_else_is_the_roles_work_once_it_may_adopt_it(after: Facts, policy: Facts) -> None:
    volume(after)["luks"].update(label="")
    assert entry(after, policy, "storage.volume.label")["role"] is None
    assert "consent: c086ab4a" in entry(after, policy, "storage.volume.label")["remedy"]
    policy["encrypted_storage_volumes"][0]["on_existing_data"] = "adopt"
    assert entry(after, policy, "storage.volume.label")["role"] == "encrypted_storage"


def test_a_volume_may_have_mount_options_of_its_own(after: Facts, policy: Facts) -> None:
    (declared,) = policy["encrypted_storage_volumes"]
    declared["mount_options"] = ["nodev", "nosuid", "noexec"]
    seen = {each["id"]: each for each in judge(after, policy)["controls"]}
    for identifier in ("storage.volume.mount_options", "storage.volume.fstab"):
        assert seen[identifier]["verdict"] == "fail"
        assert "noexec" in seen[identifier]["actual"]
    volume(after)["mount"]["options"].append("noexec")
    volume(after)["fstab"]["options"].append("noexec")
    seen = {each["id"]: each for each in judge(after, policy)["controls"]}
    assert seen["storage.volume.mount_options"]["verdict"] == seen["storage.volume.fstab"]["verdict"] == "pass"


def test_discards_that_were_asked_for_are_no_drift(after: Facts, policy: Facts) -> None:
    policy["encrypted_storage_discard"] = True
    assert entry(after, policy, "storage.volume.flags")["verdict"] == "fail"
    volume(after)["luks"]["flags"].append("allow-discards")
    assert entry(after, policy, "storage.volume.flags")["verdict"] == "pass"


def test_flags_that_were_measured_are_no_drift(after: Facts, policy: Facts) -> None:
    volume(after)["luks"]["flags"] = ["no-read-workqueue"]
    assert entry(after, policy, "storage.volume.flags")["verdict"] == "fail"
    policy["encrypted_storage_flags"] = ["measured"]
    assert entry(after, policy, "storage.volume.flags")["verdict"] == "pass"
    volume(after)["luks"]["flags"].append("allow-discards")
    assert entry(after, policy, "storage.volume.flags")["verdict"] == "fail"


def test_argon2_within_a_quarter_of_the_memory_passes(after: Facts, policy: Facts) -> None:
    keyslot(after).update(kdf="argon2id", memory_kib=1 << 18)
    assert entry(after, policy, "storage.volume.kdf")["verdict"] == "pass"
    del after["edgesec_platform"]["memory_bytes"]
    assert entry(after, policy, "storage.volume.kdf")["verdict"] == "unknown"


def test_a_role_runs_while_one_volume_needs_it(after: Facts, policy: Facts) -> None:
    second = {**copy.deepcopy(volume(after)), "name": "logs", "luks": None, "blank": True}
    after["edgesec_storage"]["volumes"].append(second)
    volume(after)["luks"]["keyslots"].append({"id": "7"})
    policy["encrypted_storage_volumes"].append({"name": "logs", "device": "/dev/x", "mount": "/logs"})
    found = entry(after, policy, "storage.volume.keyslots")
    assert found["verdict"] == "fail"
    assert found["role"] == "encrypted_storage"


def test_a_dm_verity_root_passes_and_reaches_l2(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"]["root"]["verified"] = "dm-verity"
    after["edgesec_storage"]["plain_writable_mounts"] = []
    judgement = judge(after, policy)
    assert judgement["host_level"]["level"] == "L2"
    assert not any("root" in gap and "edit" in gap for gap in judgement["host_level"]["not_covered"])


def test_a_plain_root_is_l1_whatever_is_sealed(after: Facts, policy: Facts) -> None:
    level = judge(after, policy)["host_level"]
    assert level["level"] == "L1"
    assert "boot.root.verified" in level["why"]
    assert any("offline change of the root" in gap for gap in level["not_covered"])
    assert any(gap.startswith("/ (ext4") for gap in level["not_covered"])


def test_sealed_and_not_rebooted_is_l1_by_its_approval(sealed: Facts, policy: Facts) -> None:
    assert judge(sealed, policy)["host_level"]["level"] == "L1"


@pytest.mark.parametrize(("identifier", "change", "_words"), [each for each in FAILURES if each[0] in (
    "storage.writable.encrypted", "storage.volume.cipher", "storage.volume.keyslots", "tpm.volume.sealed"
)])  # fmt: skip
def test_nothing_less_is_l1(after: Facts, policy: Facts, identifier: str, change: Change, _words: str) -> None:
    change(after)
    assert judge(after, policy)["host_level"]["level"] == "L0", identifier


def test_an_approval_or_an_unattended_unlock_has_to_prove_the_seal(sealed: Facts, policy: Facts) -> None:
    sealing(sealed)["approval_match"] = None
    assert judge(sealed, policy)["host_level"]["level"] == "L0"


def test_unlock_by_the_controller_is_l0_and_seals_nothing(after: Facts, policy: Facts) -> None:
    policy["encrypted_storage_unlock"] = "controller"
    after["edgesec_tpm"].update(present=False, version=None, responding=None, volumes=[])
    volume(after)["luks"]["keyslots"].pop()
    judgement = judge(after, policy)
    assert judgement["host_level"]["level"] == "L0"
    assert judgement["host_level"]["why"] == "nothing sealed; data is encrypted, but opened from escrow"
    seen = {control["id"]: control for control in judgement["controls"]}
    for identifier in ("tpm.volume.sealed", "tpm.approval.current", "tpm.latch.set", "platform.unlocker.installed"):
        assert seen[identifier]["verdict"] == "not_applicable"
        assert "opened by the controller" in seen[identifier]["reason"]
    assert failing_roles(judgement) == []


def test_what_is_neither_there_nor_declared_is_not_applicable(after: Facts, policy: Facts) -> None:
    policy.update(encrypted_storage_volumes=[], credentials_files=[], credentials_extra_files=[])
    after["edgesec_boot"]["mounts"] = []
    after["edgesec_credentials"]["files"] = []
    seen = {each: verdict for each, verdict in verdicts(after, policy).items() if not each.endswith(".protected")}
    for identifier, verdict in seen.items():
        if identifier.startswith(("storage.", "credentials.", "boot.mounts.read_only", "boot.mounts.options")):
            assert verdict == "not_applicable", identifier
    assert judge(after, policy)["host_level"]["level"] == "L0"


@pytest.mark.parametrize("options", [["ro", "rw"], ["ro", "defaults"], ["rw"], []])
def test_a_later_option_lifts_an_earlier_one(after: Facts, policy: Facts, options: list[str]) -> None:
    after["edgesec_boot"]["mounts"][0]["fstab"]["options"] = options
    assert entry(after, policy, "boot.mounts.read_only")["verdict"] == "fail"


def test_defaults_before_a_restriction_do_not_lift_it(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"]["mounts"][0]["fstab"]["options"] = ["defaults", "ro", "nosuid", "nodev", "noexec"]
    assert verdicts(after, policy)["boot.mounts.read_only"] == verdicts(after, policy)["boot.mounts.options"] == "pass"


def test_a_boot_mount_that_is_meant_to_be_writable_runs_no_role(after: Facts, policy: Facts) -> None:
    policy["boot_mounts_options"].remove("ro")
    after["edgesec_boot"]["mounts"][0]["fstab"]["options"].remove("ro")
    found = entry(after, policy, "boot.mounts.read_only")
    assert found["verdict"] == "fail"
    assert found["role"] is None


def test_a_boot_mount_that_a_window_keeps_writable_says_for_whom(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"]["mounts"][0]["runtime"]["options"] = ["rw", "nodev", "nosuid", "noexec"]
    windows(after).update(open=True, holders=["dpkg install (process 5)"])
    found = entry(after, policy, "boot.mounts.read_only")
    assert found["actual"] == "/boot/efi: writable now (boot window: dpkg install (process 5))"


def test_updates_that_no_role_makes_possible(after: Facts, policy: Facts) -> None:
    windows(after)["hooks"][0]["lacks"] = "libdnf5-plugin-actions"
    assert entry(after, policy, "boot.mounts.updates")["role"] is None
    windows(after)["hooks"] = []
    assert verdicts(after, policy)["boot.mounts.updates"] == "not_applicable"


def test_without_windows_updates_fail_and_no_role_runs_for_them(after: Facts, policy: Facts) -> None:
    policy["boot_mounts_windows"] = False
    assert entry(after, policy, "boot.mounts.updates")["role"] == "boot_mounts", "it takes the hooks out"
    windows(after)["hooks"][0]["installed"] = False
    found = entry(after, policy, "boot.mounts.updates")
    assert (found["verdict"], found["role"]) == ("fail", None)
    after["edgesec_boot"]["mounts"][0].update(runtime=None, fstab={"source": "x", "options": ["rw"], "line": 1})
    assert verdicts(after, policy)["boot.mounts.updates"] == "not_applicable"


def test_a_volume_without_a_mount_has_only_to_be_open(after: Facts, policy: Facts) -> None:
    del policy["encrypted_storage_volumes"][0]["mount"]
    volume(after).update(mount=None, fstab=None)
    seen = verdicts(after, policy)
    assert seen["storage.writable.encrypted"] == "pass"
    assert seen["storage.volume.fstab"] == seen["storage.volume.mount_options"] == "not_applicable"
    volume(after)["mapping"] = None
    found = entry(after, policy, "storage.writable.encrypted")
    assert (found["verdict"], found["role"]) == ("fail", None)


CONSOLE = ("editor_closed", "emergency_closed", "debug_shell_masked", "ctrl_alt_del", "panic", "initramfs_closed")


def test_a_container_has_no_console(before: Facts, policy: Facts) -> None:
    console(before).update(container=True)
    assert {verdicts(before, policy)[f"boot.console.{name}"] for name in CONSOLE} == {"not_applicable"}


@pytest.mark.parametrize(
    ("variable", "off", "identifier"),
    [
        ("boot_console_editor", False, "editor_closed"),
        ("boot_console_emergency", "keep", "emergency_closed"),
        ("boot_console_debug_shell", False, "debug_shell_masked"),
        ("boot_console_ctrl_alt_del", False, "ctrl_alt_del"),
        ("boot_console_panic", 0, "panic"),
        ("boot_console_panic", 0, "initramfs_closed"),
    ],
)
def test_what_is_switched_off_still_fails_and_runs_no_role(
    before: Facts, policy: Facts, variable: str, off: Any, identifier: str
) -> None:
    before["edgesec_boot"].update(uki=False)
    found = entry(before, policy, f"boot.console.{identifier}")
    assert (found["verdict"], found["role"]) == ("fail", "boot_console")
    policy[variable] = off
    found = entry(before, policy, f"boot.console.{identifier}")
    assert (found["verdict"], found["role"]) == ("fail", None)
    assert variable in found["remedy"]


def test_a_signed_command_line_is_changed_by_a_new_image_only(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"].update(cmdline="ro", uki=True)
    found = entry(after, policy, "boot.console.initramfs_closed")
    assert (found["verdict"], found["role"]) == ("fail", None)
    assert "unified kernel image" in found["remedy"]


def test_a_device_without_uefi_has_no_keys_to_judge(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"].update(firmware="devicetree", firmware_keys=None, shim=None, emmc=[])
    after["edgesec_boot"]["measured"].update(log=False, agree=None, differ=None, reason="there is none")
    seen = verdicts(after, policy)
    for name in ("keys.trusted", "dbx.present", "shim.validation", "log.replays", "emmc.read_only"):
        assert seen[f"boot.{name}"] == "not_applicable"


def test_keys_that_cannot_be_read_do_not_pass(after: Facts, policy: Facts) -> None:
    after["edgesec_boot"].update(firmware_keys=None, shim=None)
    seen = verdicts(after, policy)
    assert {seen[f"boot.{name}"] for name in ("keys.trusted", "dbx.present", "shim.validation")} == {"unknown"}
