# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Decide what the controller may sign: pure functions of the claim, the register, and what the operator accepts.

Each takes the record of a host and returns the record after the claim is granted, or refuses the claim.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.pcr_selection import (
    DEFAULT_PCRS,
    LATCH_CANDIDATES,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.claim import Claim
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.register import (
    OTHER_KEY,
    HostRecord,
    Register,
    SignedCounter,
)

# A new counter starts above the highest value that its TPM ever removed, so an honest one may start far above 1.
FIRST_SIGHT = 1024
# No honest counter reaches this value; the operator cannot accept one that does.
_MOST = 1 << 32
_BOOT = ("boot_change", "tpm_change")
_MANY = 3
_CLEAR = (
    "if you have the board, clear its TPM (tpm2_clear), which makes a new storage root key, and run recover. Clearing "
    "also destroys everything else under the TPM's owner hierarchy, including keys of other programs. Until you run "
    "recover, sealed volumes open with their recovery keys"
)


@dataclass(frozen=True)
class Operator:
    """What the operator accepts in this run.

    :ivar accept: the changes that are accepted by name.
    :ivar pcrs: the PCRs to seal to; empty for one of the product's own sets.
    :ivar run: names this run of ansible-playbook.
    :ivar by_playbook: the changes in C(accept) that a playbook (such as recover.yml) accepts for every operator.
    """

    accept: Collection[str] = ()
    pcrs: tuple[int, ...] = ()
    run: str = ""
    by_playbook: Collection[str] = ()

    def says(self, *words: str) -> bool:
        """Whether one of these changes is accepted."""
        return any(word in self.accept for word in words)

    def says_in_person(self, word: str) -> bool:
        """Whether the operator accepted a change, rather than a playbook for every host."""
        return self.says(word) and word not in self.by_playbook


def tpm_admitted(
    host: str, register: Register, earlier: Sequence[HostRecord], claim: Claim, operator: Operator
) -> HostRecord:
    """Accept the storage root key of a host; returns its record, possibly taken over from an earlier policy key.

    :param earlier: its records under other policy keys, newest first.
    :raises Refused: the key belongs to another host, or is not the one on record for this host.
    """
    record = register.host(host)
    holder = register.holder_of(claim.srk_name)
    if holder not in (None, host):
        raise Refused(
            f"{host}: the storage root key (srk_name)",
            f"{claim.srk_name} belongs to {holder}",
            f"Nothing was signed. If the board moved from {holder} to {host}, run decommission for {holder}, or harden "
            f"it on its present TPM; if only the name changed, see docs/recovery.md",
        )
    if record.srk_name == claim.srk_name:
        return record
    if not record.was_sealed and (earlier or register.unread.get(host) == OTHER_KEY):
        if not operator.says("policy_change", "tpm_change"):
            raise _needs(host, "the policy key", "is not the one that its volumes were sealed under", "policy_change")
        record = earlier[0] if earlier else record
        if record.srk_name in ("", claim.srk_name):
            return replace(record, srk_name=claim.srk_name, counters={}, first_run="")
    if not operator.says("tpm_change"):
        seen, expected = claim.srk_name, record.srk_name or _why_unknown(host, register)
        if record.was_sealed or host in register.unread:
            what = f"{seen} is not the one on record ({expected})"
            raise _needs(host, "the storage root key (srk_name)", what, "tpm_change")
    if not operator.says_in_person("tpm_change"):
        others = {name: why for name, why in register.unread.items() if why != OTHER_KEY and name != host}
        unread = [f"{name} ({why})" for name, why in others.items()]
        if unread:
            seen = claim.srk_name
            listed = ", ".join(unread[:_MANY]) + (f" and {len(unread) - _MANY} more" if len(unread) > _MANY else "")
            what = f"{seen} is new, and might belong to a host whose TPM is not on record here: {listed}"
            raise _needs(host, "the storage root key (srk_name)", what, "tpm_change")
    # The counters of another TPM say nothing about those of this one.
    counters = dict.fromkeys(record.counters, SignedCounter(None, 0))
    return replace(record, srk_name=claim.srk_name, counters=counters)


def pcrs_admitted(host: str, record: HostRecord, claim: Claim, operator: Operator) -> HostRecord:
    """Accept the PCRs and the latch of a host; returns its record.

    :raises Refused: neither the operator nor the product names them, or they differ from before.
    """
    wanted = tuple(sorted(set(operator.pcrs)))
    allowed = [wanted] if wanted else list(DEFAULT_PCRS.values())
    if claim.pcrs not in allowed:
        raise Refused(
            f"{host}: the PCRs to seal to (pcr_values)",
            f"are {list(claim.pcrs)}, but may only be {' or '.join(str(list(each)) for each in allowed)}",
            "Nothing was signed. If you chose these PCRs, set tpm_sealing_pcrs",
        )
    if claim.latch_pcr not in LATCH_CANDIDATES:
        raise Refused(
            f"{host}: the latch (latch_pcr)",
            f"is PCR {claim.latch_pcr}, but must be one of {sorted(LATCH_CANDIDATES)}",
            "Nothing was signed. Find out what answers in place of the device",
        )
    for what, seen, expected in (
        ("the PCRs to seal to (pcr_values)", list(claim.pcrs), list(record.pcrs)),
        ("the latch (latch_pcr)", claim.latch_pcr, record.latch_pcr),
    ):
        if expected not in ([], None, seen) and not operator.says(*_BOOT):
            raise _needs(host, what, f"changed from {expected} to {seen}", "boot_change")
    return replace(record, pcrs=claim.pcrs, latch_pcr=claim.latch_pcr)


def counter_admitted(
    host: str, record: HostRecord, claim: Claim, operator: Operator, retired: SignedCounter | None = None
) -> HostRecord:
    """Accept the next value of a host's revocation counter; returns the record with it.

    The value is one above the claim's if the device has not yet made a move that was signed before.

    :param retired: what was signed for its TPM and is in no record any more, see :class:`Register`.
    :raises Refused: the controller did not sign the counter to this value.
    """
    what = "the revocation counter"
    if claim.counter is None or claim.value is None or claim.epoch is None:
        raise Refused(f"{host}: {what}", "was not started", "Nothing was signed. Run again")
    if claim.epoch - claim.value not in (0, 1) or not 0 < claim.value < _MOST:
        raise Refused(
            f"{host}: {what} (counter_value, epoch)",
            f"is at {claim.value} and should reach {claim.epoch}, which no counter does",
            "Nothing was signed. Find out what answers in place of the device",
        )
    before = record.counters.get(claim.uuid)
    if before is not None and not before.value:
        before = None
    moved = before is not None and before.index not in (None, claim.counter)
    if before is not None and not moved and claim.value < before.value - 1:
        raise Refused(
            f"{host}: {what} (counter_value)",
            f"is at {claim.value}, but was last signed for {before.value}. No TPM does that: a new counter starts "
            "above those that were removed",
            f"Nothing was signed. Find out what answers in place of the device. Or, {_CLEAR}",
        )
    by_word = operator.says(*_BOOT, "policy_change") if moved else operator.says(*_BOOT)
    if not by_word:
        if before is None and claim.value > FIRST_SIGHT:
            seen = f"is at {claim.value} when first seen, above {FIRST_SIGHT}"
            raise _needs(host, f"{what} (counter_value)", seen, "boot_change")
        if before is not None and moved:
            seen = f"was at index {_hex(before.index)}, and is now at {_hex(claim.counter)}"
            raise _needs(host, f"{what} (counter)", seen, "boot_change")
        if before is not None and claim.epoch > before.value + 1:
            seen = f"is at {claim.value}, but was last signed for {before.value}"
            raise _needs(host, f"{what} (counter_value)", f"{seen}. It was removed and created again", "boot_change")
    new_on_tpm = before is None or moved
    epochs = [
        _require_above(host, claim.value, claim.counter, each) for each in (retired, before) if each and new_on_tpm
    ]
    # A signed move is made even if the device no longer needs it.
    counter = SignedCounter(claim.counter, max(claim.epoch, *epochs, before.value if before and not moved else 0))
    return replace(record, counters={**record.counters, claim.uuid: counter})


def _require_above(host: str, value: int, index: int, signed: SignedCounter) -> int:
    """The value that a counter new on its TPM must reach, so that no approval signed earlier for that TPM is valid.

    An approval names a counter by its index, and anyone with the TPM can create a counter there. Every new counter
    starts above those that were removed. So if this counter starts above all signed values, so would a counter at any
    other index; if it starts at a signed value, that is certain only for its own index, after its next move.

    :raises Refused: an earlier approval would be valid.
    """
    if value > signed.value:
        return value
    if (index, value) == (signed.index, signed.value):
        return value + 1
    raise Refused(
        f"{host}: the revocation counter (counter_value)",
        f"is at {value}, but approvals up to {signed.value} were signed for this TPM before, for another host or "
        "another counter. They would open what is sealed now",
        f"Nothing was signed. Find out who had them signed (journal.jsonl in the store). Then, {_CLEAR}",
    )


def state_admitted(
    host: str, record: HostRecord, claim: Claim, operator: Operator, most: int, *, first: bool
) -> HostRecord:
    """The record of a host with the boot states to approve, including the running one.

    :param most: the most boot states that fit.
    :param first: whether nothing shows that the host was ever sealed before.
    :raises Refused: the running boot state is new, and the host was sealed before.
    """
    running = claim.running
    usable = [state for state in record.states.values() if state.once or state.pcrs == running.pcrs]
    kept = [state for state in usable if state.digest == running.digest and not state.once]
    first_run = record.first_run
    if not kept:
        if not first and not operator.says(*_BOOT):
            approved = ", ".join(record.states) or "none is on record"
            seen = f"has changed to {running.id}, which was not approved before ({approved})"
            raise _needs(host, "the boot state (pcr_values)", seen, "boot_change")
        first_run = operator.run if first else ""
        kept = [running]
    # Keep the running state, whatever its age, and the newest others.
    others = [state for state in usable if state not in kept]
    kept = [*others[max(0, len(others) + len(kept) - most) :], *kept]
    return replace(record, states={state.id: state for state in kept}, first_run=first_run)


def _why_unknown(host: str, register: Register) -> str:
    return register.unread.get(host, "none is on record, though it was sealed before")


def _hex(index: int | None) -> str:
    return "none" if index is None else f"{index:#x}"


def _needs(host: str, what: str, seen: str, word: str) -> Refused:
    return Refused(
        f"{host}: {what}",
        seen,
        f"Nothing was signed. Find out why. If the change is yours, run once with tpm_sealing_accept: [{word}]",
    )
