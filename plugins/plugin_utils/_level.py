# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The protection level that a device has reached, and in words what it does not cover."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._enrolment import BY_CONTROLLER, BY_KEY_FILE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._control import PASSED, by_systemd, unlock_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._view import Unseen, View

# What has to pass for a level; each level needs those below it as well.
_L1 = ("storage.writable.encrypted", "storage.volume.cipher", "storage.volume.keyslots", "tpm.volume.sealed")
_OPENED_BY = {BY_CONTROLLER: "from escrow", BY_KEY_FILE: "by a key file on a token, on any board"}
_PROOF = ("tpm.approval.current", "tpm.unlock.unattended")
_L2 = ("boot.secure_boot.enabled", "boot.image.unified_or_measured", "tpm.pcrs.measured", "boot.root.verified")


def level_of(facts: View, policy: View, verdicts: dict[str, str]) -> dict[str, Any]:
    """The level, why it is no higher, and what it leaves open.

    :param verdicts: by id of control.
    """
    level, why = _level(policy, verdicts)
    return {"level": level, "why": why, "not_covered": _not_covered(level, facts, policy, verdicts)}


def _level(policy: View, verdicts: dict[str, str]) -> tuple[str, str]:
    missing = [control for control in _L1 if verdicts.get(control) != PASSED]
    if missing:
        return "L0", _why_nothing_is_sealed(policy, verdicts, missing)
    if all(verdicts.get(control) != PASSED for control in _PROOF):
        return "L0", f"a key is sealed, but neither {_PROOF[0]} nor {_PROOF[1]} proves that it opens"
    above = [control for control in _L2 if verdicts.get(control) != PASSED]
    if above:
        return "L1", f"data is encrypted to this board; not passed for L2: {', '.join(above)}"
    return "L2", "data is encrypted to this board, and boot and root file system are verified; L3 is not assessed yet"


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
    gaps = []
    if verdicts.get("storage.writable.encrypted") != PASSED:
        gaps.append("the data of a removed, resold or dumped disk: not every declared volume is encrypted")
    elif level == "L0":
        gaps.append("unattended boot bound to this board: whoever has another key opens the disk anywhere")
    gaps += _plain_gaps(facts)
    if _is_by_systemd(policy):
        gaps.append(
            "a volume of somebody else's in place of a declared one: systemd opens it without a look at its header"
        )
    if verdicts.get("storage.swap.encrypted") not in (PASSED, "not_applicable"):
        gaps.append("memory that was swapped out: swap is not known to be encrypted")
    if verdicts.get("boot.root.verified") != PASSED:
        gaps.append("an offline edit of the root file system: it is not verified, and nobody would notice")
    if verdicts.get("boot.secure_boot.enabled") != PASSED:
        gaps.append("another boot loader or kernel: Secure Boot is not known to be on")
    gaps.append("a running device: whoever becomes root on it reads what is mounted")
    return gaps


def _plain_gaps(facts: View) -> list[str]:
    try:
        return [
            f"{mount.text('path')} ({mount.text('fstype')} on {mount.text('source')}): written in clear"
            for mount in facts.child("edgesec_storage").children("plain_writable_mounts")
        ]
    except Unseen as unseen:
        return [f"file systems written in clear: {unseen}"]
