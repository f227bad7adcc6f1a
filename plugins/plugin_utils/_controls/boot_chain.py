# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the boot chain: what the firmware trusts and measured, and the kernel command line."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot import AREA
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
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

# PCRs that only firmware and loader extend; the running system extends the others too, and no log shows it.
_REPLAYED = (*range(10), 14)
_TRUSTED = ("PK", "KEK", "db")


def _keys(facts: View) -> View:
    """The firmware's key stores; :class:`Unseen` if the facts lack them, which does not mean that they are empty."""
    return facts.child(AREA).child("firmware_keys")


def _without_uefi(facts: View) -> bool:
    return facts.child(AREA).text("firmware") != "uefi"


def _trusted_keys(facts: View, _policy: View) -> Finding:
    if _without_uefi(facts):
        return not_applicable("the device has no UEFI")

    def check(store: View) -> Finding:
        if not store.flag("present"):
            return not_applicable("not present")
        certificates = store.children("certificates")
        bad = [each.maybe_text("subject") or "no name" for each in certificates if each.maybe_flag("test_key")]
        if bad:
            return failed(f"test key ({'; '.join(bad)})")
        if not certificates:
            raise Unseen("none of its certificates could be read")
        for each in certificates:
            each.flag("test_key")
        return passed(f"{len(certificates)} certificates")

    keys = _keys(facts)
    findings = [(name, guarded(lambda name=name: check(keys.child(name)))) for name in _TRUSTED]  # type: ignore[misc]
    return combined(findings, "no keys are enrolled")


def _dbx(facts: View, _policy: View) -> Finding:
    if _without_uefi(facts):
        return not_applicable("the device has no UEFI")
    dbx = _keys(facts).child("dbx")
    if not dbx.flag("present"):
        return failed("empty: revoked boot loaders still start")
    return passed(f"{dbx.number('hashes')} digests and {len(dbx.children('certificates'))} certificates")


def _shim(facts: View, _policy: View) -> Finding:
    if _without_uefi(facts):
        return not_applicable("the device has no UEFI")
    shim = facts.child(AREA).child("shim")
    if not shim.flag("present"):
        return not_applicable("the device boots without shim")
    if shim.flag("validation_disabled"):
        return failed("shim starts unsigned code")
    return passed(f"on, with SBAT level {shim.maybe_text('sbat_level') or 'unknown'}")


def _replays(facts: View, _policy: View) -> Finding:
    measured = facts.child(AREA).child("measured")
    if not measured.flag("log"):
        return not_applicable("the firmware kept no event log")
    if measured.maybe_text("reason") is not None:
        return unknown(measured.text("reason"))
    agree, differ = (
        [pcr for pcr in measured.numbers(name) if pcr in _REPLAYED] for name in ("agree", "differ")
    )  # fmt: skip
    if differ:
        return failed(f"the log does not match PCR {', '.join(map(str, differ))}")
    if not agree:
        return unknown("the log has no measurements of firmware and loader")
    return passed(f"PCR {', '.join(map(str, agree))}")


def _command_line(facts: View, _policy: View) -> Finding:
    boot = facts.child(AREA)
    dangers = boot.children("dangers")
    if not dangers:
        return passed("no dangerous option")
    by_hand = None
    if boot.maybe_flag("uki"):
        by_hand = "Build a unified kernel image without these options: its command line is signed"
    return failed("; ".join(f"{each.text('option')} {each.text('why')}" for each in dangers), by_hand)


def _emmc(facts: View, _policy: View) -> Finding:
    def check(part: View) -> Finding:
        if part.flag("force_ro") or part.flag("read_only"):
            return passed("read-only")
        return failed("writable")

    findings = [
        (part.text("name"), guarded(lambda part=part: check(part)))  # type: ignore[misc]
        for part in facts.child(AREA).children("emmc")
    ]
    return combined(findings, "the device has no eMMC boot partitions")


CONTROLS = (
    Control(
        id="boot.keys.trusted",
        title="The firmware trusts no test keys",
        recommendation="3.1.2.3.1",
        expected="no test key in PK, KEK and db",
        remedy="Update the firmware, or enrol your own keys: the private half of a test key is public",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_trusted_keys,
    ),
    Control(
        id="boot.dbx.present",
        title="The firmware has a list of revoked boot loaders",
        recommendation="3.1.2.3.1",
        expected="entries in dbx",
        remedy="Install the revocation list (fwupdmgr update), then approve the new boot state",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_dbx,
    ),
    Control(
        id="boot.shim.validation",
        title="shim starts only signed code",
        recommendation="3.1.2.3.1",
        expected="validation on",
        remedy="Run mokutil --enable-validation, reboot, and confirm it at the console",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_shim,
    ),
    Control(
        id="boot.log.replays",
        title="The event log matches what the TPM has measured of firmware and loader",
        recommendation="3.1.2.2.1",
        expected="the log matches PCRs 0 to 9 and 14",
        remedy="Update the firmware; until then boot states can be observed but not predicted",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_replays,
    ),
    Control(
        id="boot.cmdline.safe",
        title="The kernel command line disables no protection and requests no shell",
        recommendation="3.1.2.3.1",
        expected="no dangerous option",
        remedy="Remove the options from the loader's configuration (with GRUB: /etc/default/grub, then update-grub)",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_command_line,
    ),
    Control(
        id="boot.emmc.read_only",
        title="The boot partitions of the eMMC chip cannot be written",
        recommendation="3.1.2.3.2",
        expected="force_ro 1",
        remedy="Run boot_mounts with boot_mounts_emmc: true, or lock them with mmc writeprotect boot set",
        role="boot_mounts",
        topic="read_only_boot",
        source=AREA,
        check=_emmc,
    ),
)
