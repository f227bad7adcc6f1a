# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the boot: mounts, firmware, measurements, and the root file system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.mountinfo import BOOT_PATHS
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot_measured import PARTS_PCRS
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot_window import CONTROL as UPDATES
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot_window import held
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    FAIL,
    Control,
    Finding,
    combined,
    failed,
    guarded,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

AREA = "edgesec_boot"
ROLE = "boot_mounts"
_PARTS = ("kernel", "initrd", "command line")
_ADD = "Add {} to boot_mounts_paths, if only updates write there"
_LIFTING = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec"}


def _each_mount(facts: View, policy: View, check: Callable[[View], Finding]) -> Finding:
    wanted = policy.texts("boot_mounts_paths")
    findings = []
    for mount in facts.child(AREA).children("mounts"):
        path = mount.text("path")
        finding = guarded(lambda mount=mount: check(mount))  # type: ignore[misc]
        if path in wanted:
            findings.append((path, finding))
        elif path not in BOOT_PATHS:
            # A path special to this image: nobody removed it from the list on purpose.
            findings.append((path, replace(finding, by_hand=_ADD.format(path)) if finding.verdict == FAIL else finding))
    return combined(findings, f"none of {', '.join(wanted) or 'boot_mounts_paths'} is a separate mount")


def _lacking(mount: View, wanted: list[str]) -> dict[str, list[str]]:
    """The wanted options that are missing now, and those that will be missing after a reboot."""
    lacking = {}
    runtime = mount.maybe_child("runtime")
    # An automount that has not triggered does not show the options of its mount.
    if runtime is not None and runtime.text("fstype") != "autofs":
        lacking["now"] = [option for option in wanted if not holds(option, runtime.texts("options"))]
    line = mount.maybe_child("fstab")
    if line is not None:
        lacking["in fstab"] = [option for option in wanted if not holds(option, line.texts("options"))]
    return {place: options for place, options in lacking.items() if options}


def holds(wanted: str, options: list[str]) -> bool:
    """Whether an option is in effect: of contradicting options in an fstab line the last one wins (mount(8))."""
    lifting = {_LIFTING.get(wanted), "defaults"}
    last = next((option for option in reversed(options) if option == wanted or option in lifting), None)
    return last == wanted


def _read_only(facts: View, policy: View) -> Finding:
    by_hand = None if "ro" in policy.texts("boot_mounts_options") else "Put ro back into boot_mounts_options"

    def check(mount: View) -> Finding:
        wrong = [f"writable {place}{held(facts) if place == 'now' else ''}" for place in _lacking(mount, ["ro"])]
        if mount.maybe_child("fstab") is None:
            wrong.append("no line in fstab")
        return failed(", ".join(wrong), by_hand) if wrong else passed("read-only")

    return _each_mount(facts, policy, check)


def _options(facts: View, policy: View) -> Finding:
    wanted = [option for option in policy.texts("boot_mounts_options") if option != "ro"]

    def check(mount: View) -> Finding:
        wrong = [f"{place} without {','.join(missing)}" for place, missing in _lacking(mount, wanted).items()]
        return failed(", ".join(wrong)) if wrong else passed(",".join(wanted) or "no required options")

    return _each_mount(facts, policy, check)


def _separate(facts: View, _policy: View) -> Finding:
    boot = facts.child(AREA)
    if boot.flag("separate"):
        return passed(", ".join(mount.text("path") for mount in boot.children("mounts")))
    return failed("the boot files are on the root file system")


def _secure_boot(facts: View, _policy: View) -> Finding:
    boot = facts.child(AREA)
    firmware = boot.text("firmware")
    if firmware == "bios":
        return failed("the firmware is a BIOS, or UEFI hides its variables")
    if firmware != "uefi":
        return unknown("verified boot without UEFI is not examined yet")
    return passed("on") if boot.flag("secure_boot") else failed("off")


def _user_mode(facts: View, _policy: View) -> Finding:
    boot = facts.child(AREA)
    if boot.text("firmware") != "uefi":
        return not_applicable("the device has no UEFI")
    if boot.flag("setup_mode"):
        return failed("setup mode: anyone can enrol keys")
    return passed("user mode")


def _unified(facts: View, _policy: View) -> Finding:
    boot = facts.child(AREA)
    if boot.maybe_flag("uki"):
        return passed("unified kernel image")
    return guarded(lambda: _judged_by_log(boot.child("measured"), lambda: boot.flag("uki")))


def _judged_by_log(measured: View, is_unified: Callable[[], bool]) -> Finding:
    """What the event log says, as far as the TPM's PCRs confirm it."""
    if not measured.flag("log"):
        is_unified()
        return failed("neither a unified kernel image nor an event log")
    if measured.maybe_text("reason") is not None:
        return unknown(measured.text("reason"))
    agree = set(measured.numbers("agree"))
    if not agree:
        return unknown("the event log matches no PCR")
    said = {part: measured.numbers(part.replace(" ", "_")) for part in _PARTS}
    unproven = [part for part, pcrs in said.items() if pcrs and not agree & set(pcrs)]
    if unproven:
        pcrs = sorted({pcr for part in unproven for pcr in said[part]})
        return unknown(f"the event log does not match PCR {', '.join(map(str, pcrs))} ({', '.join(unproven)})")
    missing = [part for part, pcrs in said.items() if not pcrs]
    differ = [pcr for pcr in measured.numbers("differ") if pcr in PARTS_PCRS]
    if missing and differ:
        return unknown(f"the event log does not match PCR {', '.join(map(str, differ))}")
    if missing:
        is_unified()
        return failed(f"not measured: {', '.join(missing)}")
    words = (f"{part} in PCR {', '.join(map(str, sorted(agree & set(pcrs))))}" for part, pcrs in said.items())
    return passed(f"measured: {'; '.join(words)}")


def _verified_root(facts: View, _policy: View) -> Finding:
    root = facts.child(AREA).child("root")
    verified = root.text("verified")
    if verified == "dm-verity":
        return passed("dm-verity")
    if verified != "none":
        raise Unseen(f"the root file system is verified by {verified!r}, an unknown method")
    return failed(f"{root.text('fstype')} on {root.text('source')}, not verified")


def _lockdown(facts: View, _policy: View) -> Finding:
    state = facts.child(AREA).text("lockdown")
    return failed("none") if state == "none" else passed(state)


CONTROLS = (
    Control(
        id="boot.mounts.separate",
        title="Boot files are on a separate file system",
        recommendation="3.1.2.3.2",
        expected="a boot partition",
        remedy="Install the device with a separate boot partition",
        role=None,
        topic="read_only_boot",
        source=AREA,
        check=_separate,
    ),
    Control(
        id="boot.mounts.read_only",
        title="Boot file systems are mounted read-only, now and after a reboot",
        recommendation="3.1.2.3.2",
        expected="ro in the mount table and in fstab",
        remedy="Run harden, or remove the path from boot_mounts_paths",
        role=ROLE,
        topic="read_only_boot",
        source=AREA,
        check=_read_only,
    ),
    Control(
        id="boot.mounts.options",
        title="Boot file systems are mounted with restrictive options",
        recommendation="3.1.2.3.2",
        expected="boot_mounts_options in the mount table and in fstab",
        remedy="Run harden, or change boot_mounts_options",
        role=ROLE,
        topic="mount_options",
        source=AREA,
        check=_options,
    ),
    UPDATES,
    Control(
        id="boot.secure_boot.enabled",
        title="The firmware boots only signed code",
        recommendation="3.1.2.3.1",
        expected="Secure Boot on",
        remedy="Turn Secure Boot on in the firmware setup",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_secure_boot,
    ),
    Control(
        id="boot.secure_boot.user_mode",
        title="The operating system cannot replace the Secure Boot keys",
        recommendation="3.1.2.3.1",
        expected="user mode",
        remedy="Enrol a platform key, which ends setup mode",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_user_mode,
    ),
    Control(
        id="boot.image.unified_or_measured",
        title="Kernel, initrd and command line are one signed image, or are measured",
        recommendation="3.1.2.3.1",
        expected="a unified kernel image, or all three in an event log that matches the PCRs",
        remedy="Boot a unified kernel image, or a shim and GRUB that measure into a TPM",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_unified,
    ),
    Control(
        id="boot.root.verified",
        title="The root file system is verified as it is read",
        recommendation="3.1.2.3.1",
        expected="dm-verity",
        remedy="Install an image with a dm-verity root; until then offline changes to the root go unnoticed",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_verified_root,
    ),
    Control(
        id="boot.kernel.lockdown",
        title="The running kernel cannot be modified, not even by root",
        recommendation="3.1.2.3.1",
        expected="lockdown integrity or confidentiality",
        remedy="Turn Secure Boot on, or boot with lockdown=integrity",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_lockdown,
    ),
)
