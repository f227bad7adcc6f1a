# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The protection level of a device and of each of its volumes, and in words what it does not cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import BY_CONTROLLER, BY_KEY_FILE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import PASSED, by_systemd, unlock_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.tpm import all_pcrs
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

# The controls that must pass for a level; each level includes those below it.
_L1 = ("storage.writable.encrypted", "storage.volume.cipher", "storage.volume.keyslots", "tpm.volume.sealed")
_OPENED_BY = {BY_CONTROLLER: "from escrow", BY_KEY_FILE: "by a key file on a token, on any board"}
_PROOF = ("tpm.approval.current", "tpm.unlock.unattended")
_L2_OF_VOLUME = ("tpm.volume.pcrs", "tpm.pcrs.measured")
_L2_OF_DEVICE = ("boot.secure_boot.enabled", "boot.image.unified_or_measured", "boot.root.verified")
VOLUME_CONTROLS = (*_L1, *_PROOF, *_L2_OF_VOLUME)
# PCRs that cover kernel, initrd and command line, by boot type: one of these sets is enough.
_COVERING = {"uki": ({4}, {11}), "shim-grub": ({8, 9},), "other": ({4, 9},)}


def levels_of(
    facts: View, policy: View, verdicts: dict[str, str], of_volume: Callable[[View], dict[str, str]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The levels of the device and of its volumes, why they are not higher, and what they do not cover.

    A device has the lowest level of its volumes.

    :param verdicts: by id of control.
    :param of_volume: returns the verdicts of VOLUME_CONTROLS for one declared volume.
    """
    volumes = [_volume(volume, facts, policy, verdicts, of_volume(volume)) for volume in _declared(policy)]
    level = min((volume["level"] for volume in volumes), default="L0")
    reasons = {volume["name"]: volume["why"] for volume in volumes if volume["level"] == level}
    if not reasons:
        why = _why_nothing_is_sealed(policy, verdicts, _missing(_L1, verdicts))
    elif len(set(reasons.values())) == 1 and len(reasons) == len(volumes):
        why = next(iter(reasons.values()))
    else:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return {"level": level, "why": why, "not_covered": _not_covered(level, facts, policy, verdicts)}, volumes


def _declared(policy: View) -> list[View]:
    try:
        return policy.children("encrypted_storage_volumes")
    except Unseen:
        return []


def _volume(
    volume: View, facts: View, policy: View, device: dict[str, str], verdicts: dict[str, str]
) -> dict[str, Any]:
    try:
        name = volume.text("name")
    except Unseen:
        name = "an unnamed volume"
    level, why = _level(facts, policy, device, verdicts)
    gaps = _gaps_of_volume(level, policy, verdicts)
    return {"name": name, "level": level, "why": why, "not_covered": [*gaps, *_gaps_of_boot(level, device)]}


def _level(facts: View, policy: View, device: dict[str, str], verdicts: dict[str, str]) -> tuple[str, str]:
    missing = _missing(_L1, verdicts)
    if missing:
        return "L0", _why_nothing_is_sealed(policy, verdicts, missing)
    if len(_missing(_PROOF, verdicts)) == len(_PROOF):
        return "L0", f"a key is sealed, but neither {_PROOF[0]} nor {_PROOF[1]} proves that it opens"
    above = [*_missing(_L2_OF_VOLUME, verdicts), *_missing(_L2_OF_DEVICE, device)]
    if above:
        return "L1", f"data is encrypted to this board; not passed for L2: {', '.join(above)}"
    if not _covers_boot(facts, policy):
        return "L1", "data is encrypted to this board; its PCRs do not cover kernel, initrd and command line"
    return (
        "L2",
        "data is encrypted to this board, and boot and root file system are verified; "
        "for L3, no fact shows a second factor or attestation",
    )


def _missing(controls: tuple[str, ...], verdicts: dict[str, str]) -> list[str]:
    return [control for control in controls if verdicts.get(control) != PASSED]


def _covers_boot(facts: View, policy: View) -> bool:
    """Whether the PCRs used for sealing (tpm.volume.pcrs) cover kernel, initrd and command line."""
    try:
        pcrs = set(all_pcrs(facts, policy))
        boots = _COVERING.get(facts.child("edgesec_tpm").text("boot_type"), ())
    except Unseen:
        return False
    return any(needed <= pcrs for needed in boots)


def _why_nothing_is_sealed(policy: View, verdicts: dict[str, str], missing: list[str]) -> str:
    try:
        encrypted = verdicts.get("storage.writable.encrypted") == PASSED
        if unlock_of(policy) in _OPENED_BY and encrypted:
            return f"nothing sealed; data is encrypted, but opened {_OPENED_BY[unlock_of(policy)]}"
        if not policy.children("encrypted_storage_volumes"):
            return "nothing sealed; no volume is declared in encrypted_storage_volumes"
        if encrypted:
            return f"data is encrypted, but not sealed to this board; not passed: {', '.join(missing)}"
    except Unseen:
        pass
    return f"nothing sealed; not passed: {', '.join(missing)}"


def _is_by_systemd(policy: View) -> bool:
    try:
        return by_systemd(policy)
    except Unseen:
        return False


def _not_covered(level: str, facts: View, policy: View, verdicts: dict[str, str]) -> list[str]:
    gaps = [*_gaps_of_volume(level, policy, verdicts), *_plain_gaps(facts)]
    if verdicts.get("storage.swap.encrypted") not in (PASSED, "not_applicable"):
        gaps.append("swapped out memory: swap is not known to be encrypted")
    return [*gaps, *_gaps_of_boot(level, verdicts)]


def _gaps_of_volume(level: str, policy: View, verdicts: dict[str, str]) -> list[str]:
    gaps = []
    if verdicts.get("storage.writable.encrypted") != PASSED:
        gaps.append("the data of a removed, resold or dumped disk: not every declared volume is encrypted")
    elif level == "L0":
        gaps.append("unattended boot bound to this board: anyone with another key can open the disk anywhere")
    if _is_by_systemd(policy):
        gaps.append("a declared volume replaced by a foreign one: systemd opens it without checking its header")
    return gaps


def _gaps_of_boot(level: str, verdicts: dict[str, str]) -> list[str]:
    gaps = []
    if verdicts.get("boot.root.verified") != PASSED:
        gaps.append("an offline change of the root file system: it is not verified, and goes unnoticed")
    if verdicts.get("boot.secure_boot.enabled") != PASSED:
        gaps.append("another boot loader or kernel: Secure Boot is not known to be on")
    if level != "L0":
        gaps.append("theft of the whole device: anyone who powers it on opens its volumes, without a second factor")
    gaps.append("a running device: anyone who becomes root on it can read mounted data")
    return gaps


def _plain_gaps(facts: View) -> list[str]:
    try:
        return [
            f"{mount.text('path')} ({mount.text('fstype')} on {mount.text('source')}): "
            + ("written unencrypted" if mount.maybe_flag("encrypted") is False else "not known to be encrypted")
            for mount in facts.child("edgesec_storage").children("plain_writable_mounts")
        ]
    except Unseen as unseen:
        return [f"file systems written unencrypted: {unseen}"]
