# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the controller may sign of a device's claim: pure functions of claim, register, and the operator's words.

Each takes the record of a host and returns it as it is once the claim is granted, or refuses it.
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

# A counter begins above the highest that its TPM has ever removed, so that an honest one may be far above 1.
FIRST_SIGHT = 1024
# No counter that is moved by hand comes to this, by no operator's word either.
_MOST = 1 << 32
_BOOT = ("boot_change", "tpm_change")
_MANY = 3
_CLEAR = (
    "if the board is in your hands, clear its TPM (tpm2_clear), which makes another storage root key, and run recover. "
    "All else that is under the owner hierarchy of that TPM is lost with it, keys of other programs among them, and "
    "what was sealed to it opens by its recovery key until then"
)


@dataclass(frozen=True)
class Operator:
    """What the operator says in this run.

    :ivar accept: the changes that are accepted by name.
    :ivar pcrs: the PCRs to seal to; empty for one of the product's own sets.
    :ivar run: names this run of ansible-playbook.
    :ivar by_playbook: those of C(accept) that a playbook says whoever runs it, such as recover.yml.
    """

    accept: Collection[str] = ()
    pcrs: tuple[int, ...] = ()
    run: str = ""
    by_playbook: Collection[str] = ()

    def says(self, *words: str) -> bool:
        """Whether one of these changes is accepted."""
        return any(word in self.accept for word in words)

    def says_in_person(self, word: str) -> bool:
        """Whether a change is accepted by what the operator wrote, and not by what a playbook says for each host."""
        return self.says(word) and word not in self.by_playbook


def tpm_admitted(
    host: str, register: Register, earlier: Sequence[HostRecord], claim: Claim, operator: Operator
) -> HostRecord:
    """The record of a host once its storage root key is accepted; it may be carried over from an earlier policy key.

    :param earlier: what was recorded of it under other policy keys, the newest in front.
    :raises Refused: the key is another host's, or not the one that the host is known by.
    """
    record = register.host(host)
    holder = register.holder_of(claim.srk_name)
    if holder not in (None, host):
        raise Refused(
            f"{host}: the storage root key (srk_name)",
            f"{claim.srk_name} is the one of {holder}",
            f"Nothing was signed. If the board went from {holder} to {host}, run decommission for {holder}, or harden "
            f"it on the TPM that it has now; docs/recovery.md has what to do where only the name has changed",
        )
    if record.srk_name == claim.srk_name:
        return record
    if not record.was_sealed and (earlier or register.unread.get(host) == OTHER_KEY):
        if not operator.says("policy_change", "tpm_change"):
            raise _needs(host, "the policy key", "is another one than its volumes were sealed under", "policy_change")
        record = earlier[0] if earlier else record
        if record.srk_name in ("", claim.srk_name):
            return replace(record, srk_name=claim.srk_name, counters={}, first_run="")
    if not operator.says("tpm_change"):
        seen, expected = claim.srk_name, record.srk_name or _why_unknown(host, register)
        if record.was_sealed or host in register.unread:
            what = f"{seen} is not the one that it is known by ({expected})"
            raise _needs(host, "the storage root key (srk_name)", what, "tpm_change")
    if not operator.says_in_person("tpm_change"):
        others = {name: why for name, why in register.unread.items() if why != OTHER_KEY and name != host}
        unread = [f"{name} ({why})" for name, why in others.items()]
        if unread:
            seen = claim.srk_name
            listed = ", ".join(unread[:_MANY]) + (f" and {len(unread) - _MANY} more" if len(unread) > _MANY else "")
            what = f"{seen} is new, and might be that of a host whose TPM is not on record here: {listed}"
            raise _needs(host, "the storage root key (srk_name)", what, "tpm_change")
    # The counters of another TPM tell nothing of those of this one.
    counters = dict.fromkeys(record.counters, SignedCounter(None, 0))
    return replace(record, srk_name=claim.srk_name, counters=counters)


def pcrs_admitted(host: str, record: HostRecord, claim: Claim, operator: Operator) -> HostRecord:
    """The record of a host once the PCRs and the latch are accepted.

    :raises Refused: they are none that the operator or the product names, or others than before.
    """
    wanted = tuple(sorted(set(operator.pcrs)))
    allowed = [wanted] if wanted else list(DEFAULT_PCRS.values())
    if claim.pcrs not in allowed:
        raise Refused(
            f"{host}: the PCRs to seal to (pcr_values)",
            f"are {list(claim.pcrs)}, and they may be {' or '.join(str(list(each)) for each in allowed)}",
            "Nothing was signed. If they are yours, name them in tpm_sealing_pcrs",
        )
    if claim.latch_pcr not in LATCH_CANDIDATES:
        raise Refused(
            f"{host}: the latch (latch_pcr)",
            f"is PCR {claim.latch_pcr}, and may be one of {sorted(LATCH_CANDIDATES)}",
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
    """The record of a host once what its counter is to come to is accepted.

    That is one more than the claim asks for, where the device is still to make a move that was signed for before.

    :param retired: what was signed for its TPM and is in no record any more, see :class:`Register`.
    :raises Refused: it is none that the controller has led it to.
    """
    what = "the revocation counter"
    if claim.counter is None or claim.value is None or claim.epoch is None:
        raise Refused(f"{host}: {what}", "has not been begun", "Nothing was signed. Run again")
    if claim.epoch - claim.value not in (0, 1) or not 0 < claim.value < _MOST:
        raise Refused(
            f"{host}: {what} (counter_value, epoch)",
            f"is at {claim.value} and to come to {claim.epoch}, which no counter does",
            "Nothing was signed. Find out what answers in place of the device",
        )
    before = record.counters.get(claim.uuid)
    if before is not None and not before.value:
        before = None
    moved = before is not None and before.index not in (None, claim.counter)
    if before is not None and not moved and claim.value < before.value - 1:
        raise Refused(
            f"{host}: {what} (counter_value)",
            f"has come to {claim.value}, and was last signed for {before.value}. No TPM does that: it begins a counter "
            "above those that it has removed",
            f"Nothing was signed. Find out what answers in place of the device. Or, {_CLEAR}",
        )
    by_word = operator.says(*_BOOT, "policy_change") if moved else operator.says(*_BOOT)
    if not by_word:
        if before is None and claim.value > FIRST_SIGHT:
            seen = f"is at {claim.value} when it is first seen, above {FIRST_SIGHT}"
            raise _needs(host, f"{what} (counter_value)", seen, "boot_change")
        if before is not None and moved:
            seen = f"was at index {_hex(before.index)}, and is at {_hex(claim.counter)}"
            raise _needs(host, f"{what} (counter)", seen, "boot_change")
        if before is not None and claim.epoch > before.value + 1:
            seen = f"has come to {claim.value}, and was last signed for {before.value}"
            raise _needs(host, f"{what} (counter_value)", f"{seen}. It was removed and made again", "boot_change")
    new_on_tpm = before is None or moved
    epochs = [
        _require_above(host, claim.value, claim.counter, each) for each in (retired, before) if each and new_on_tpm
    ]
    # A move that was signed for is made, though the device may see no need of it any more.
    counter = SignedCounter(claim.counter, max(claim.epoch, *epochs, before.value if before and not moved else 0))
    return replace(record, counters={**record.counters, claim.uuid: counter})


def _require_above(host: str, value: int, index: int, signed: SignedCounter) -> int:
    """What a counter that is new on its TPM is to come to, so that nothing holds which was signed for that TPM before.

    An approval names a counter by its index, and whoever has the TPM can make one there. It begins above those that
    were removed, and so does an honest one. So a counter that begins above what was signed shows that one at another
    index would, too; one that begins at what was signed shows that of its own index alone, once it has moved.

    :raises Refused: something would hold.
    """
    if value > signed.value:
        return value
    if (index, value) == (signed.index, signed.value):
        return value + 1
    raise Refused(
        f"{host}: the revocation counter (counter_value)",
        f"is at {value}, and approvals for up to {signed.value} were signed for this TPM before, for another host or "
        "another counter. They would open what is sealed now",
        f"Nothing was signed. Find out who had them signed (journal.jsonl in the store). Then, {_CLEAR}",
    )


def state_admitted(
    host: str, record: HostRecord, claim: Claim, operator: Operator, most: int, *, first: bool
) -> HostRecord:
    """The record of a host with the boot states to approve, the running one among them.

    :param most: for how many there is room.
    :param first: whether nothing says that the host was ever sealed before.
    :raises Refused: the running one is new for a host that was sealed before.
    """
    running = claim.running
    usable = [state for state in record.states.values() if state.once or state.pcrs == running.pcrs]
    kept = [state for state in usable if state.digest == running.digest and not state.once]
    first_run = record.first_run
    if not kept:
        if not first and not operator.says(*_BOOT):
            approved = ", ".join(record.states) or "none is on record"
            seen = f"has changed to {running.id}, and is none of those that were approved before ({approved})"
            raise _needs(host, "the boot state (pcr_values)", seen, "boot_change")
        first_run = operator.run if first else ""
        kept = [running]
    # The running one whatever its age, and of the others the newest.
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
