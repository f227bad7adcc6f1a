# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the TPM, and of what is sealed to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.next_boot_record import (
    APPROVED,
    UNAPPROVED,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.pcrs import is_measured, why_missing
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import (
    BY_CONTROLLER,
    BY_KEY_FILE,
    BY_TPM,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls import systemd_seal as systemd
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Control,
    Finding,
    by_systemd,
    declared_volumes,
    failed,
    not_applicable,
    passed,
    unknown,
    unlock_of,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

AREA = "edgesec_tpm"
ROLE = "tpm_sealing"
BANK = "sha256"
NOT_SEALED = {
    BY_CONTROLLER: "volumes are opened by the controller (encrypted_storage_unlock), nothing is sealed",
    BY_KEY_FILE: "volumes are opened by a key file on a token (encrypted_storage_unlock), nothing is sealed",
}


def sealing_pcrs(facts: View, policy: View) -> list[int]:
    """The PCRs to seal to: the policy's, or the default for the device's boot type."""
    return sorted(policy.numbers("tpm_sealing_pcrs") or facts.child(AREA).numbers("default_pcrs"))


def all_pcrs(facts: View, policy: View) -> list[int]:
    """The PCRs to seal to, whether by current value or by signature."""
    if not by_systemd(policy) or not policy.text("tpm_sealing_public_key"):
        return sealing_pcrs(facts, policy)
    return sorted({*policy.numbers("tpm_sealing_pcrs"), *policy.numbers("tpm_sealing_public_key_pcrs")})


def without_values(facts: View, pcrs: list[int]) -> Optional[tuple[str, str]]:
    """Why the TPM has no values for some of the PCRs, and what a person can do; None if it has all."""
    tpm = facts.child(AREA)
    banks = tpm.child("pcrs")
    # Inactive banks are not listed.
    shown = banks.child(BANK).raw() if BANK in banks.raw() else {}
    missing = [pcr for pcr in pcrs if str(pcr) not in shown]
    return why_missing(tpm.texts("active_banks"), missing) if missing and tpm.flag("responding") else None


def unmeasured(facts: View, pcrs: list[int]) -> list[int]:
    """The PCRs into which nothing was measured.

    :raises Unseen: a PCR has no value, or its value is not a digest.
    """
    bank = facts.child(AREA).child("pcrs").child(BANK)
    try:
        return [pcr for pcr in pcrs if not is_measured(bytes.fromhex(bank.text(str(pcr))))]
    except ValueError:
        raise Unseen(f"{AREA}.pcrs.{BANK} contains a value that is not a digest") from None


def nothing_sealed(policy: View) -> Optional[Finding]:
    """The finding if the policy seals nothing; None otherwise."""
    reason = NOT_SEALED.get(unlock_of(policy))
    return None if reason is None else not_applicable(reason)


def sealed_volumes(
    facts: View,
    policy: View,
    check: Callable[[View], Finding],
    of_systemd: Callable[[View], Finding],
) -> Finding:
    """Check every declared volume, if the policy seals volumes, with the check for the policy's provider."""
    one = of_systemd if by_systemd(policy) else check
    return nothing_sealed(policy) or declared_volumes(facts, policy, AREA, lambda volume, _declared: one(volume))


def _enrolled_volumes(
    facts: View,
    policy: View,
    check: Callable[[View], Finding],
    of_systemd: Callable[[View], Finding],
) -> Finding:
    """Like :func:`sealed_volumes`, but a volume that is not sealed fails every check."""

    def enrolled(volume: View) -> Finding:
        return check(volume) if volume.flag("enrolled") else failed("not sealed to the TPM")

    return sealed_volumes(facts, policy, enrolled, of_systemd)


def _present(facts: View, _policy: View) -> Finding:
    tpm = facts.child(AREA)
    if not tpm.flag("present"):
        return failed("there is no TPM")
    version = tpm.text("version")
    if version != "2.0":
        return failed(f"TPM {version}")
    return passed("TPM 2.0")


def _responding(facts: View, _policy: View) -> Finding:
    tpm = facts.child(AREA)
    if not tpm.flag("present"):
        return not_applicable("there is no TPM")
    if tpm.flag("responding"):
        return passed("it answers")
    return failed(tpm.maybe_text("reason") or "it does not answer")


def _not_judged(facts: View, policy: View) -> Optional[Finding]:
    """The finding if nothing is sealed, or there is no TPM; None otherwise."""
    elsewhere = nothing_sealed(policy)
    if elsewhere is not None:
        return elsewhere
    return None if facts.child(AREA).flag("present") else not_applicable("there is no TPM")


def _measured(facts: View, policy: View) -> Finding:
    elsewhere = _not_judged(facts, policy)
    if elsewhere is not None:
        return elsewhere
    pcrs = all_pcrs(facts, policy)
    missing = without_values(facts, pcrs)
    if missing is not None:
        return failed(*missing)
    blank = unmeasured(facts, pcrs)
    if blank:
        return failed(f"nothing was measured into PCR {', '.join(map(str, blank))}")
    return passed(f"PCRs {', '.join(map(str, pcrs))}")


def _sealed(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        if not volume.flag("srk_matches"):
            return failed("sealed to another TPM, or the TPM was cleared")
        return passed(f"keyslot {volume.text('keyslot')}, PCRs {', '.join(map(str, volume.numbers('pcrs')))}")

    return _enrolled_volumes(facts, policy, check, systemd.sealed)


def _srk_fit(facts: View, policy: View) -> Finding:
    elsewhere = _not_judged(facts, policy)
    if elsewhere is not None:
        return elsewhere
    tpm = facts.child(AREA)
    if not tpm.flag("responding"):
        return unknown(tpm.maybe_text("reason") or "the TPM does not answer")
    srk = tpm.maybe_child("srk")
    if srk is None:
        return not_applicable("the TPM has no storage root key yet")
    wrong = srk.texts("weaknesses")
    if not wrong:
        return passed(f"the key at {srk.text('handle')}")
    locks = "; a few power cuts lock the TPM" if "noda_missing" in wrong else ""
    return failed(f"the key at {srk.text('handle')}: {', '.join(wrong)}{locks}")


def _approved(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        match = volume.maybe_text("approval_match")
        if match is None:
            return failed("no approval matches this boot")
        if volume.flag("approved_once"):
            return failed(f"approved only once, as {match}")
        return passed(match)

    return _enrolled_volumes(facts, policy, check, systemd.approved)


def _authenticated(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        if volume.flag("header_authenticated"):
            return passed("authenticated by the sealed secret")
        return failed("changed since it was authenticated, or its volume was being encrypted")

    return _enrolled_volumes(facts, policy, check, systemd.not_offered)


def _revoked(facts: View, policy: View) -> Finding:
    def check(volume: View) -> Finding:
        words = f"the revocation counter {volume.text('counter')}"
        if volume.flag("counter_current"):
            return passed(f"{words} is at {volume.number('epoch')}")
        return failed(f"{words} is missing, or not at {volume.number('epoch')}, the value of the approvals")

    return _enrolled_volumes(facts, policy, check, systemd.not_offered)


def _next_boot(facts: View, policy: View) -> Finding:
    elsewhere = nothing_sealed(policy)
    if elsewhere is not None:
        return elsewhere
    if by_systemd(policy):
        return not_applicable("volumes are sealed by systemd (tpm_sealing_provider)")
    said = facts.child(AREA).maybe_child("next_boot")
    if said is None:
        return not_applicable("no package has changed since the boot")
    state = said.text("state")
    if state == APPROVED:
        return passed("it is approved to open every volume")
    return failed(said.text("message")) if state == UNAPPROVED else unknown(said.text("message"))


def _selected(facts: View, policy: View) -> Finding:
    wanted = _wanted_pcrs(facts, policy)

    def check(volume: View) -> Finding:
        sealed = sorted(volume.numbers("pcrs"))
        words = f"PCRs {', '.join(map(str, sealed)) or 'none'}"
        return passed(words) if sealed == wanted else failed(words)

    return _enrolled_volumes(facts, policy, check, lambda volume: systemd.selected(volume, wanted, policy))


def _wanted_pcrs(facts: View, policy: View) -> list[int]:
    """The PCRs to seal to by current value, for either provider."""
    if unlock_of(policy) != BY_TPM:
        return []
    signed = by_systemd(policy) and policy.text("tpm_sealing_public_key")
    return sorted(policy.numbers("tpm_sealing_pcrs")) if signed else sealing_pcrs(facts, policy)


CONTROLS = (
    Control(
        id="tpm.device.present",
        title="The device has a TPM 2.0",
        recommendation="3.1.2.2.1",
        expected="TPM 2.0",
        remedy="Turn the TPM on in the firmware setup, or install one",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_present,
    ),
    Control(
        id="tpm.device.responding",
        title="The TPM answers",
        recommendation="3.1.2.2.1",
        expected="an answer",
        remedy="Install tpm2-tools; check the kernel log; power the device off and on",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_responding,
    ),
    Control(
        id="tpm.pcrs.measured",
        title="The boot was measured into the PCRs used for sealing",
        recommendation="3.1.2.2.1",
        expected="no selected PCR is empty",
        remedy="Select PCRs that this firmware measures with tpm_sealing_pcrs",
        role=None,
        topic="secure_boot",
        source=AREA,
        check=_measured,
    ),
    Control(
        id="tpm.volume.sealed",
        title="A key of every declared volume is sealed to this TPM",
        recommendation="3.1.2.2.1",
        expected="a TPM keyslot, sealed under this TPM's storage root key",
        remedy="Run harden",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_sealed,
    ),
    Control(
        id="tpm.srk.fit",
        title="The storage root key used for sealing is strong, and power cuts cannot lock it",
        recommendation="3.1.2.2.1",
        expected="a storage key with noda, fixed in this TPM and made by it, with AES in CFB mode",
        remedy=(
            "If no other program needs the key, remove it (tpm2_evictcontrol -C o -c HANDLE), and run harden with"
            " tpm_sealing_accept: [tpm_change]; the recovery key opens the volumes meanwhile"
        ),
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_srk_fit,
    ),
    Control(
        id="tpm.volume.pcrs",
        title="Every declared volume is sealed to the selected PCRs",
        recommendation="3.1.2.2.1",
        expected="tpm_sealing_pcrs, or the default for the device's boot type",
        remedy="Run harden, or change tpm_sealing_pcrs",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_selected,
    ),
    Control(
        id="tpm.approval.current",
        title="The running boot state is approved for every declared volume",
        recommendation="3.1.2.2.1",
        expected="an approval that matches the PCRs, or the PCR values that systemd sealed to",
        remedy="If the change is yours, run harden once with tpm_sealing_accept: [boot_change]",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_approved,
    ),
    Control(
        id="tpm.next_boot.approved",
        title="The next boot is already approved",
        recommendation="3.1.2.2.1",
        expected="an approval that matches the installed kernel",
        remedy="Before the reboot, run approve.yml with tpm_sealing_approve=predict",
        role=None,
        topic="keys_in_hardware",
        source=AREA,
        check=_next_boot,
    ),
    Control(
        id="tpm.header.authenticated",
        title="The header of every declared volume is authenticated by the sealed secret",
        recommendation="3.1.2.2.1",
        expected="the header as last authenticated",
        remedy="Run harden; if nobody meant to change the header, find out who did",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_authenticated,
    ),
    Control(
        id="tpm.revocation.current",
        title="The TPM refuses revoked approvals",
        recommendation="3.1.2.2.1",
        expected="the revocation counter at the value of the approvals",
        remedy="Run harden; if the counter was removed, find out who did it",
        role=ROLE,
        topic="keys_in_hardware",
        source=AREA,
        check=_revoked,
    ),
)
