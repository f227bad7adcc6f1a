# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls, their findings, and how findings on several objects combine into one."""

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

# What a verdict rests on: a measurement, a capability seen, the owner's declaration, or nothing.
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
    :ivar by_hand: what a person must do; None if a role can change it.
    :ivar evidence: one of EVIDENCE; by default MEASURED for pass and fail, ABSENT otherwise.
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
    """One requirement on a device.

    :ivar id: stable and never reused.
    :ivar recommendation: recommendation of the Lens; its first four numbers name the best practice.
    :ivar expected: what passes, in a few words.
    :ivar remedy: the variable to set or what a person must do.
    :ivar role: the role that makes it pass; None if only a person can.
    :ivar topic: key of the map to other catalogues.
    :ivar source: the fact that it is judged from.
    :ivar check: facts and policy in, finding out; may raise Unseen.
    :ivar declarable: whether the owner's declaration (C(compliance_declared)) counts if nothing was measured.
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
        """Severity of a failure, unless the site policy sets another."""
        return _SEVERITY[self.priority]


def passed(actual: str) -> Finding:
    """A finding that passes."""
    return Finding(PASSED, actual)


def failed(actual: str, by_hand: Optional[str] = None) -> Finding:
    """A finding that fails; :class:`Finding` explains C(by_hand)."""
    return Finding(FAIL, actual, by_hand=by_hand)


def unknown(reason: str) -> Finding:
    """A finding that could not be determined."""
    return Finding(UNKNOWN, "not known", reason)


def not_applicable(reason: str) -> Finding:
    """A finding of a control that has nothing to apply to."""
    return Finding(NOT_APPLICABLE, "-", reason)


def threshold(policy: View, control: str, name: str, default: int) -> int:
    """A threshold of a control: the site policy's, or the default."""
    try:
        return policy.child(SITE).child("thresholds").child(control).number(name)
    except Unseen:
        return default


def combined(findings: Sequence[tuple[str, Finding]], nothing: str) -> Finding:
    """Combine named findings into one; the worst verdict counts.

    :param nothing: the reason if there are no findings.
    """
    for verdict in (FAIL, UNKNOWN, PASSED):
        chosen = [(name, finding) for name, finding in findings if finding.verdict == verdict]
        if chosen:
            hands = [finding.by_hand for _name, finding in chosen]
            return Finding(
                verdict,
                "; ".join(dict.fromkeys(f"{name}: {finding.actual}" for name, finding in chosen)),
                "; ".join(f"{name}: {finding.reason}" for name, finding in chosen if finding.reason),
                # If a role can fix one of them, run it.
                None if None in hands else "; ".join(dict.fromkeys(hand for hand in hands if hand)),
            )
    reasons = [f"{name}: {finding.reason}" for name, finding in findings]
    return not_applicable("; ".join(reasons) or nothing)


def guarded(check: Callable[[], Finding]) -> Finding:
    """Run a check; the finding is unknown if something it needs was not seen."""
    try:
        return check()
    except Unseen as unseen:
        return unknown(str(unseen))


def declared_volumes(facts: View, policy: View, area: str, check: Callable[[View, View], Finding]) -> Finding:
    """Check every declared volume; the check gets the area's facts on the volume, and its declaration."""
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
    """What opens the volumes at boot, one of UNLOCKS."""
    mode = policy.text("encrypted_storage_unlock")
    if mode not in UNLOCKS:
        raise Unseen(f"policy.encrypted_storage_unlock is {mode!r}, not {', '.join(UNLOCKS[:-1])} or {UNLOCKS[-1]}")
    return mode


def by_systemd(policy: View) -> bool:
    """Whether systemd, and not the unlocker, opens TPM-sealed volumes at boot."""
    provider = policy.text("tpm_sealing_provider")
    if provider not in PROVIDERS:
        raise Unseen(f"policy.tpm_sealing_provider is {provider!r}, not {' or '.join(PROVIDERS)}")
    return unlock_of(policy) == BY_TPM and provider == SYSTEMD


def opens_at_boot(token: View, policy: View) -> bool:
    """Whether a token of the header is meant to open the volume at boot."""
    kind = token.maybe_text("type")
    return kind in TOKEN_TYPES or (kind == SYSTEMD_TYPE and not token.flag("pin") and by_systemd(policy))


def unlocker_problem(facts: View, policy: View) -> Optional[str]:
    """What is wrong with the unlocker on the device, or None."""
    unlocker = facts.child("edgesec_platform").child("unlocker")
    if not unlocker.flag("installed"):
        return "not installed"
    digest = unlocker.text("digest")
    return None if digest == policy.text("unlocker_digest") else f"another version ({digest[:12]})"
