# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Decide what to do about a volume's seal, from the volume, its enrolment and the TPM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed, Refused
from .._luks.allow_list import check
from .._luks.header import Header
from .._luks.reencryption import is_under_way
from .._storage.volume import Volume
from .._tpm import counter as _counter
from .._tpm.counter import Counter, counter_of
from .._tpm.luks_token import BANK, TYPE, UNEXTENDED, Token, parse_token
from .._tpm.public_area import SEALED, weaknesses
from .._tpm.storage_root_key import require_fit
from .._tpm.tools import Tpm2
from .._unlock.enrolment import read_enrolment, sealed_tokens
from .._unlock.header_digest import is_as_recorded
from .._volume.make import not_bootable, require_header
from .boot_keyslot import Place, require_bindable
from .pcr_selection import LATCH_CANDIDATES
from .worthless_pcrs import need, refuse_worthless, values_of

# Seal a new secret; approve more boot states; authenticate the current header; revoke approvals.
SEAL, APPROVE, AUTHENTICATE, REVOKE = "seal", "approve", "authenticate", "revoke"


class Wish(NamedTuple):
    """The operator's wishes for a volume's seal.

    :ivar pcrs: the PCRs to seal to.
    :ivar accept: accepted risks: C(pcr7_only), C(boot_change), C(tpm_change), C(policy_change),
        C(header_change).
    :ivar authority: the policy key's public part, PEM; None if there is none yet.
    :ivar approved: IDs of exactly the boot states to approve; None if unknown.
    :ivar latch_pcr: the latch that an earlier look chose and the controller signed for; None to choose one.
    :ivar counter: the NV index of the revocation counter, chosen likewise.
    """

    pcrs: tuple[int, ...]
    accept: tuple[str, ...] = ()
    authority: Optional[str] = None
    approved: Optional[tuple[str, ...]] = None
    latch_pcr: Optional[int] = None
    counter: Optional[int] = None


class Status(NamedTuple):
    """The state of a volume and its TPM, and the action to take, if any.

    :ivar counter: the revocation counter; None if no policy key is known yet.
    :ivar counted: the counter's value; None if it does not exist yet.
    """

    volume: Volume
    header: Header
    srk_name: bytes
    values: dict[int, bytes]
    latch_pcr: int
    token: Optional[Token]
    counter: Optional[Counter]
    counted: Optional[int]
    action: Optional[str]
    why: str
    root: str
    metadata: str

    @property
    def place(self) -> Place:
        """Where to add the keyslot."""
        return Place(self.volume, self.metadata, self.root)

    @property
    def epoch(self) -> Optional[int]:
        """The counter's target value: one more if an approval signed for the current value must end."""
        if self.counted is None:
            return None
        ends = self.action in (AUTHENTICATE, REVOKE) or (self.action == SEAL and self._was_sealed_under_it)
        return self.counted + 1 if ends else self.counted

    @property
    def _was_sealed_under_it(self) -> bool:
        return self.token is not None and self.counter == counter_of(self.token)

    def as_result(self) -> dict[str, Any]:
        """The module's result; the controller signs from it."""
        before = "not sealed\n" if self.token is None else f"sealed to PCRs {list(self.token.pcrs)}\n"
        pcrs = [pcr for pcr in self.values if pcr != self.latch_pcr]
        return {
            "changed": self.action is not None,
            "action": self.action or "",
            "why": self.why,
            "uuid": self.header.uuid,
            "srk_name": self.srk_name.hex(),
            "pcr_values": {str(pcr): value.hex() for pcr, value in self.values.items()},
            "latch_pcr": self.latch_pcr,
            "counter": None if self.counter is None else self.counter.index,
            "counter_value": self.counted,
            "epoch": self.epoch,
            "kernel": os.uname().release,
            "diff": {"before": before, "after": f"sealed to PCRs {pcrs}: {self.why}\n" if self.action else before},
        }


def preview(volume: Volume, tpm: Tpm2, wish: Wish) -> dict[str, Any]:
    """In check mode: the result of :func:`look` before the volume or the storage root key exists.

    :raises Refused: sealing would be worthless.
    """
    latch = _latch_pcr(tpm, wish.pcrs, None, "/")
    values = values_of(tpm, sorted({*wish.pcrs, latch}))
    refuse_worthless(wish.pcrs, values, wish.accept)
    require_fit(tpm)
    nothing_yet = Header(version=2, uuid="", label="", subsystem="", seqid=0, size=0, metadata={})
    why = "the volume is not sealed to the TPM"
    status = Status(volume, nothing_yet, b"", values, latch, None, None, None, SEAL, why, "/", volume.device)
    return {**status.as_result(), "needs_key": True}


def look(
    volume: Volume, tpm: Tpm2, srk_name: bytes, wish: Wish, root: str = "/", prepared: Optional[str] = None
) -> Status:
    """Plan the work.

    :param root: prefix of the enrolment's path.
    :param prepared: file with the header for a volume that will be encrypted in place.
    :raises Refused: sealing would be worthless, or the operator must accept the change by name.
    """
    metadata = prepared or volume.device
    header = require_header(metadata)
    token = token_of(volume, header, root)
    latch = wish.latch_pcr if wish.latch_pcr is not None else _latch_pcr(tpm, wish.pcrs, token, root)
    values = values_of(tpm, sorted({*wish.pcrs, latch, *(token.all_pcrs if token else ())}))
    sealed_to = {pcr: values[pcr] for pcr in sorted({*wish.pcrs, latch})}
    refuse_worthless(wish.pcrs, values, wish.accept)
    tpm.require_encryption()
    counter = _counter_for(volume, tpm, srk_name, wish, token, root)
    counted = None if counter is None else _counter.value_of(tpm, counter)
    status = Status(volume, header, srk_name, sealed_to, latch, token, counter, counted, None, "", root, metadata)
    status = _judge(status, wish, values)
    if status.action == SEAL:
        # An existing seal keeps working; a control reports it.
        require_fit(tpm)
        require_bindable(status.place)
    if status.action is not None and is_under_way(header):
        raise Refused(
            volume.device,
            f"it is being encrypted, so its header cannot change yet ({status.why})",
            "Run again when that is done",
        )
    return status


def _judge(status: Status, wish: Wish, values: dict[int, bytes]) -> Status:
    token, accept = status.token, wish.accept
    if token is None:
        return status._replace(action=SEAL, why="the volume is not sealed to the TPM")
    if token.srk_name != status.srk_name:
        need(
            accept, "tpm_change", "the TPM", "is not the one that the volume was sealed to: it was cleared or replaced"
        )
        return status._replace(action=SEAL, why="the volume is sealed to another TPM")
    if wish.authority is not None and token.authority != wish.authority:
        need(accept, "policy_change", "the policy key", "is not the one that the volume was sealed under")
        return status._replace(action=SEAL, why="the volume is sealed under another policy key")
    unfit_object = weaknesses(token.public[2:], SEALED)
    if unfit_object:
        return status._replace(action=SEAL, why=f"the sealed object is not fit: {', '.join(unfit_object)}")
    if tuple(sorted(wish.pcrs)) != token.pcrs:
        return status._replace(action=SEAL, why=f"the volume is sealed to the PCRs {list(token.pcrs)}")
    unfit = _unfit(status, token, values)
    if unfit is not None:
        need(accept, "boot_change", *unfit)
        return status._replace(action=APPROVE, why="the running boot state is not approved")
    changed = _header_change(status, accept)
    if changed is not None:
        return status._replace(action=AUTHENTICATE, why=changed)
    return _compared(status, token, wish)


def _unfit(status: Status, token: Token, values: dict[int, bytes]) -> Optional[tuple[str, str]]:
    """Why no lasting approval would open the volume when this state boots next: subject and problem, or None."""
    counted, pcrs = status.counted, list(token.pcrs)
    fitting = token.approvals_for({**values, status.latch_pcr: UNEXTENDED})
    if counted is None or status.counter != counter_of(token):
        return "the revocation counter", "is gone: it was removed from the TPM"
    if not fitting:
        return "the boot state", f"has changed: no approval fits the PCRs {pcrs}"
    if not any(approval.holds(counted) for approval in fitting):
        return "the boot state", f"is no longer approved: the revocation counter has reached {counted}"
    if all(approval.once for approval in fitting):
        return "the boot state", "is approved for one boot only"
    return None


def _header_change(status: Status, accept: Sequence[str]) -> Optional[str]:
    """Why the header's MAC does not cover the current header; None if it does, or need not yet."""
    if status.metadata != status.volume.device or is_under_way(status.header):
        return None
    pins = read_enrolment(status.volume.name, status.root).pins
    found = check(status.metadata, pins)
    if not found.copies:
        # No acceptance makes the boot take such a header.
        raise not_bootable(status.volume.device, found.refusals)
    if pins.header_digest is None:
        return "the header has changed since the TPM's secret vouched for it"
    if not is_as_recorded(status.header, status.metadata, pins):
        need(accept, "header_change", status.volume.device, "has another header than was authenticated")
        return "something else changed the header"
    return None


def _compared(status: Status, token: Token, wish: Wish) -> Status:
    """Compare the approved states with the wanted ones."""
    there = {approval.id for approval in token.approvals}
    wanted = there if wish.approved is None else set(wish.approved)
    running = {approval.id for approval in token.approvals_for({**status.values, status.latch_pcr: UNEXTENDED})}
    if not running & wanted:
        raise Refused(
            status.volume.device,
            "the running boot state is not among those to approve",
            "The next boot would not open it. Approve the running state first (approve.yml)",
        )
    if there - wanted:
        return status._replace(action=REVOKE, why=f"no longer approved: {', '.join(sorted(there - wanted))}")
    if status.counted is not None and token.header_epoch > status.counted:
        return status._replace(action=REVOKE, why="a revocation was interrupted")
    if token.to_json() not in status.header.tokens.values():
        return status._replace(action=APPROVE, why="the token in the header is outdated")
    if wanted - there:
        return status._replace(action=APPROVE, why=f"to be approved: {', '.join(sorted(wanted - there))}")
    return status


def token_of(volume: Volume, header: Header, root: str) -> Optional[Token]:
    """The token of a volume, if header and enrolment are intact and belong to this volume.

    It comes from the header unless that one is outdated: the TPM goes by the newer one.
    """
    try:
        enrolment = read_enrolment(volume.name, root)
    except Malformed:
        return None
    tokens = [data for data in header.tokens.values() if isinstance(data, dict) and data.get("type") == TYPE]
    if len(tokens) != 1 or enrolment.device != volume.device or enrolment.pins.uuid != header.uuid:
        return None
    try:
        token = parse_token(tokens[0])
    except Malformed:
        return None
    recorded = enrolment.token
    if not isinstance(recorded, Token):
        return None
    if (token.authority, token.srk_name) == (recorded.authority, recorded.srk_name):
        token = max(token, recorded, key=lambda each: each.header_epoch)
    return token if token.keyslot in header.keyslots else None


def _latch_pcr(tpm: Tpm2, pcrs: Sequence[int], token: Optional[Token], root: str) -> int:
    """The latch on record for this host, or else the first candidate that is still unextended."""
    if token is not None and token.latch_pcr not in pcrs:
        return token.latch_pcr
    for other in sealed_tokens(root).values():
        if other.latch_pcr not in pcrs:
            return other.latch_pcr
    values = tpm.read_pcrs(BANK, sorted(LATCH_CANDIDATES))
    for candidate in LATCH_CANDIDATES:
        if candidate not in pcrs and values.get(candidate) == UNEXTENDED:
            return candidate
    # If the bank is off, report that instead: a reboot would not help.
    values_of(tpm, sorted({*pcrs, *LATCH_CANDIDATES}))
    raise Refused(
        "the TPM",
        f"has no unextended PCR among {list(LATCH_CANDIDATES)} left for the latch",
        "Reboot the device, and find out what extends them",
    )


def _counter_for(
    volume: Volume, tpm: Tpm2, srk_name: bytes, wish: Wish, token: Optional[Token], root: str
) -> Optional[Counter]:
    """The volume's counter: the one that it was sealed under, or else an unused one."""
    authority = wish.authority or (token.authority if token else None)
    if authority is None:
        return None
    if wish.counter is not None:
        return Counter(wish.counter, authority, srk_name)
    others = {other.counter for other in other_tokens(volume, root)}
    before = None if token is None else counter_of(token)
    if before is None or (before.authority, before.srk_name) != (authority, srk_name):
        return _counter.choose(tpm, authority, srk_name, others)
    taken_by_another = before.index in tpm.nv_indices() and not _counter.is_there(tpm, before)
    return _counter.choose(tpm, authority, srk_name, others) if taken_by_another else before


def other_tokens(volume: Volume, root: str) -> list[Token]:
    """The sealed tokens of other volumes."""
    return [token for name, token in sealed_tokens(root).items() if name != volume.name]
