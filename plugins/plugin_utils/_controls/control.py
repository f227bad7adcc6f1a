# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What a control is, and how findings on several things make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._keys.foreign_tokens import SYSTEMD, SYSTEMD_TYPE
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import (
    BY_CONTROLLER,
    BY_KEY_FILE,
    BY_TPM,
    TOKEN_TYPES,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

PASSED = "pass"
FAIL = "fail"
UNKNOWN = "unknown"
NOT_APPLICABLE = "not_applicable"
WAIVED = "waived"
UNLOCKS = (BY_TPM, BY_KEY_FILE, BY_CONTROLLER)
PROVIDERS = ("edgesec", SYSTEMD)
VERDICTS = (PASSED, FAIL, UNKNOWN, NOT_APPLICABLE, WAIVED)

# How sure a verdict is: seen to be so, seen to be possible, said by the owner, or nothing was seen.
MEASURED = "measured"
CAPABLE = "capable"
DECLARED = "declared"
ABSENT = "absent"
EVIDENCE = (MEASURED, CAPABLE, DECLARED, ABSENT)

SITE = "compliance_site_policy"

# The Lens's own priorities (AWS Well-Architected IoT Lens, 3.1.2).
PRIORITIES = {"3.1.2.1": "Required", "3.1.2.2": "Highly Recommended", "3.1.2.3": "Recommended"}
# Its recommendations.
RECOMMENDATIONS = (
    *("3.1.2.1.1", "3.1.2.1.2"),
    *("3.1.2.2.1", "3.1.2.2.2", "3.1.2.2.3"),
    *("3.1.2.3.1", "3.1.2.3.2", "3.1.2.3.3", "3.1.2.3.4"),
)
SEVERITIES = ("critical", "high", "medium", "low", "informational")
_SEVERITY = {"Required": "high", "Highly Recommended": "medium", "Recommended": "low"}


@dataclass(frozen=True)
class Finding:
    """What a control found.

    :ivar actual: what was seen, in a few words.
    :ivar reason: why the verdict is unknown or not applicable.
    :ivar by_hand: set where no role can change it: what a person must do.
    :ivar evidence: one of EVIDENCE; what passes or fails was measured, unless it says otherwise.
    """

    verdict: str
    actual: str
    reason: str = ""
    by_hand: Optional[str] = None
    evidence: str = ""

    def __post_init__(self) -> None:
        if not self.evidence:
            object.__setattr__(self, "evidence", MEASURED if self.verdict in (PASSED, FAIL) else ABSENT)


Check = Callable[[View, View], Finding]


@dataclass(frozen=True)
class Control:
    """One thing that is demanded of a device.

    :ivar id: stable and never reused.
    :ivar recommendation: of the Lens; its first four numbers are the best practice.
    :ivar expected: what passes, in a few words.
    :ivar remedy: the variable to set or what a person must do.
    :ivar role: which brings it to pass; None where only a person can.
    :ivar topic: key of the map to other catalogues.
    :ivar source: fact that it is judged by.
    :ivar check: facts and policy in, finding out; may raise Unseen.
    :ivar declarable: whether the owner's word counts (C(compliance_declared)) where nothing was measured.
    :ivar thresholds: numbers that a site policy may change, with their defaults.
    """

    id: str
    title: str
    recommendation: str
    expected: str
    remedy: str
    role: Optional[str]
    topic: str
    source: str
    check: Check
    declarable: bool = False
    thresholds: Mapping[str, int] = field(default_factory=dict)

    @property
    def best_practice(self) -> str:
        """Number of the best practice in the Lens."""
        return ".".join(self.recommendation.split(".")[:4])

    @property
    def priority(self) -> str:
        """The Lens's priority of the best practice."""
        return PRIORITIES[self.best_practice]

    @property
    def severity(self) -> str:
        """How bad it is where it does not pass, as long as no site policy says otherwise."""
        return _SEVERITY[self.priority]


def passed(actual: str) -> Finding:
    """It is as it should be."""
    return Finding(PASSED, actual)


def failed(actual: str, by_hand: Optional[str] = None) -> Finding:
    """It is not as it should be."""
    return Finding(FAIL, actual, by_hand=by_hand)


def unknown(reason: str) -> Finding:
    """It could not be determined."""
    return Finding(UNKNOWN, "not known", reason)


def not_applicable(reason: str) -> Finding:
    """There is nothing it could apply to."""
    return Finding(NOT_APPLICABLE, "-", reason)


def threshold(policy: View, control: str, name: str, default: int) -> int:
    """A number of a control: the site policy's, or else the default."""
    try:
        return policy.child(SITE).child("thresholds").child(control).number(name)
    except Unseen:
        return default


def combined(findings: Sequence[tuple[str, Finding]], nothing: str) -> Finding:
    """One finding out of those on several things, each with its name: the worst verdict counts.

    :param nothing: the reason where there are none to judge.
    """
    for verdict in (FAIL, UNKNOWN, PASSED):
        chosen = [(name, finding) for name, finding in findings if finding.verdict == verdict]
        if chosen:
            hands = [finding.by_hand for _name, finding in chosen]
            return Finding(
                verdict,
                "; ".join(dict.fromkeys(f"{name}: {finding.actual}" for name, finding in chosen)),
                "; ".join(f"{name}: {finding.reason}" for name, finding in chosen if finding.reason),
                # As long as a role can do something about one of them, it is to be run.
                None if None in hands else "; ".join(dict.fromkeys(hand for hand in hands if hand)),
            )
    reasons = [f"{name}: {finding.reason}" for name, finding in findings]
    return not_applicable("; ".join(reasons) or nothing)


def guarded(check: Callable[[], Finding]) -> Finding:
    """The finding of a check, unknown where it could not see what it needs."""
    try:
        return check()
    except Unseen as unseen:
        return unknown(str(unseen))


def declared_volumes(facts: View, policy: View, area: str, check: Callable[[View, View], Finding]) -> Finding:
    """A check of every declared volume, which is given what an area has observed of it and what was declared."""
    findings = []
    for declared in policy.children("encrypted_storage_volumes"):
        name = declared.text("name")

        def one(name: str = name, declared: View = declared) -> Finding:
            for observed in facts.child(area).children("volumes"):
                if observed.text("name") == name:
                    return check(observed, declared)
            raise Unseen(f"{area} has no volume {name}")

        findings.append((name, guarded(one)))
    return combined(findings, "no volume is declared in encrypted_storage_volumes")


def unlock_of(policy: View) -> str:
    """Who opens the volumes at boot."""
    mode = policy.text("encrypted_storage_unlock")
    if mode not in UNLOCKS:
        raise Unseen(f"policy.encrypted_storage_unlock is {mode!r}, not {', '.join(UNLOCKS[:-1])} or {UNLOCKS[-1]}")
    return mode


def by_systemd(policy: View) -> bool:
    """Whether volumes are sealed to the TPM and opened at boot by systemd, and not by the unlocker."""
    provider = policy.text("tpm_sealing_provider")
    if provider not in PROVIDERS:
        raise Unseen(f"policy.tpm_sealing_provider is {provider!r}, not {' or '.join(PROVIDERS)}")
    return unlock_of(policy) == BY_TPM and provider == SYSTEMD


def opens_at_boot(token: View, policy: View) -> bool:
    """Whether a token of a header is one by which the volume is to be opened at boot."""
    kind = token.maybe_text("type")
    return kind in TOKEN_TYPES or (kind == SYSTEMD_TYPE and not token.flag("pin") and by_systemd(policy))


def unlocker_problem(facts: View, policy: View) -> Optional[str]:
    """What is wrong with the unlocker on the device, or None."""
    unlocker = facts.child("edgesec_platform").child("unlocker")
    if not unlocker.flag("installed"):
        return "not installed"
    digest = unlocker.text("digest")
    return None if digest == policy.text("unlocker_digest") else f"another version ({digest[:12]})"
