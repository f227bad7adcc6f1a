# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Binding a keyslot of a LUKS2 volume to the TPM: prove first, add before remove, never without the recovery slot."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Optional

from . import _cryptsetup
from ._boot_keyslot import Place, bind, free_slot, token_id
from ._enrolment import enrolled_names, read_enrolment, write_enrolment
from ._errors import EdgesecError, Malformed, Refused
from ._luks2 import Header
from ._reencryption import is_under_way
from ._sealing import SECRET_BYTES, luks_key, seal, unseal
from ._storage import Volume
from ._token import BANK, TYPE, UNEXTENDED, Approval, Token, parse_token
from ._tpm import LATCH_CANDIDATES, is_measured
from ._tpm2 import Tpm2
from ._volume import require_header, require_recovery

SEAL, APPROVE = "seal", "approve"
# The smallest header has room for so much, of which the signatures of an RSA key take the most.
_KEPT_APPROVALS, _KEPT_BYTES = 8, 3000


@dataclass(frozen=True)
class Status:
    """What was found of a volume and its TPM, and what is to be done about it (C(seal), C(approve) or nothing)."""

    volume: Volume
    header: Header
    srk_name: bytes
    values: dict[int, bytes]
    latch_pcr: int
    token: Optional[Token]
    action: Optional[str]
    why: str
    root: str
    metadata: str

    @property
    def place(self) -> Place:
        """Where the keyslot is added."""
        return Place(self.volume, self.metadata, self.root)

    def as_result(self) -> dict[str, Any]:
        """As the module returns it; the controller signs from this."""
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
            "kernel": os.uname().release,
            "diff": {"before": before, "after": f"sealed to PCRs {pcrs}\n" if self.action else before},
        }


@dataclass(frozen=True)
class Signed:
    """What the controller signed: the approvals to keep, and one of the running state that proves the seal now."""

    authority: str
    approvals: tuple[Approval, ...]
    proof: Approval


def preview(volume: Volume, tpm: Tpm2, pcrs: Sequence[int], accept: Sequence[str]) -> dict[str, Any]:
    """What :func:`look` would lead to where the volume or the storage root key is still to be made, in check mode.

    :raises Refused: sealing would be worth nothing.
    """
    latch = _latch_pcr(tpm, pcrs, None, "/")
    values = tpm.read_pcrs(BANK, sorted({*pcrs, latch}))
    refuse_worthless(pcrs, values, accept)
    nothing_yet = Header(version=2, uuid="", label="", subsystem="", seqid=0, size=0, metadata={})
    why = "the volume is not sealed to the TPM"
    status = Status(volume, nothing_yet, b"", values, latch, None, SEAL, why, "/", volume.device)
    return {**status.as_result(), "needs_key": True}


def look(
    volume: Volume,
    tpm: Tpm2,
    srk_name: bytes,
    pcrs: Sequence[int],
    accept: Sequence[str],
    latch_pcr: Optional[int] = None,
    root: str = "/",
    prepared: Optional[str] = None,
) -> Status:
    """Find out what is to be done.

    :param pcrs: the PCRs to seal to.
    :param latch_pcr: the latch of an earlier look, which the controller has signed; None to choose one.
    :param root: prefix of the enrolment's path.
    :param prepared: file with the header that the volume will get when it is encrypted in place.
    :param accept: risks that the operator accepts: C(pcr7_only), C(boot_change), C(tpm_change).
    :raises Refused: sealing would be worth nothing, or the change needs a person's word.
    """
    metadata = prepared or volume.device
    header = require_header(metadata)
    token = token_of(volume, header, root)
    latch = latch_pcr if latch_pcr is not None else _latch_pcr(tpm, pcrs, token, root)
    values = tpm.read_pcrs(BANK, sorted({*pcrs, latch}))
    refuse_worthless(pcrs, values, accept)
    status = Status(volume, header, srk_name, values, latch, token, None, "", root, metadata)
    status = _judge(status, pcrs, accept)
    if status.action is not None and is_under_way(header):
        raise Refused(
            volume.device,
            f"it is being encrypted, and its header cannot change meanwhile ({status.why})",
            "Run again when that is done",
        )
    return status


def _judge(status: Status, pcrs: Sequence[int], accept: Sequence[str]) -> Status:
    token, srk_name, values, latch = status.token, status.srk_name, status.values, status.latch_pcr
    if token is None:
        return replace(status, action=SEAL, why="the volume is not sealed to the TPM")
    if token.srk_name != srk_name:
        _need(accept, "tpm_change", "the TPM", "is not the one that the volume was sealed to: cleared, or replaced")
        return replace(status, action=SEAL, why="the volume is sealed to another TPM")
    if tuple(sorted(pcrs)) != token.pcrs:
        return replace(status, action=SEAL, why=f"the volume is sealed to the PCRs {list(token.pcrs)}")
    if token.approval_for({**values, latch: UNEXTENDED}) is None:
        _need(accept, "boot_change", "the boot state", f"has changed: no approval fits the PCRs {list(pcrs)}")
        return replace(status, action=APPROVE, why="the running boot state is not approved")
    return status


def apply(status: Status, tpm: Tpm2, signed: Signed, recovery_key: bytes) -> None:
    """Do what is to be done; the recovery key opens its keyslot before and after.

    :raises EdgesecError: a proof failed; the ways in that worked before still do.
    """
    require_recovery(status.metadata, recovery_key)
    if status.action == APPROVE and status.token is not None:
        _approve(status, status.token, signed)
    else:
        _seal(status, tpm, signed, recovery_key)
    require_recovery(status.metadata, recovery_key)


def refuse_worthless(pcrs: Sequence[int], values: dict[int, bytes], accept: Sequence[str]) -> None:
    """Refuse PCRs that bind to nothing.

    :raises Refused: a PCR is not measured, or PCR 7 stands alone.
    """
    unmeasured = [pcr for pcr in pcrs if not is_measured(values.get(pcr))]
    if not pcrs or unmeasured:
        raise Refused(
            f"the PCRs {list(pcrs)}",
            f"the firmware and loader measured nothing into {unmeasured or 'any of them'}",
            "Sealing to them would protect nothing. Choose PCRs that this boot measures (tpm_sealing_pcrs)",
        )
    if list(pcrs) == [7] and "pcr7_only" not in accept:
        raise Refused(
            "PCR 7 alone",
            "any kernel that the same Secure Boot keys signed could unseal the volume",
            "Add PCR 4 (tpm_sealing_pcrs), or accept it with tpm_sealing_accept: [pcr7_only]",
        )


def _need(accept: Sequence[str], risk: str, subject: str, seen: str) -> None:
    if risk not in accept:
        raise Refused(
            subject,
            seen,
            f"Find out why. If the change is yours, run once with tpm_sealing_accept: [{risk}]. Nothing was changed",
        )


def token_of(volume: Volume, header: Header, root: str) -> Optional[Token]:
    """The token as the header has it, if it and the enrolment are whole and of this volume."""
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
    return token if isinstance(enrolment.token, Token) and token.keyslot in header.keyslots else None


def _latch_pcr(tpm: Tpm2, pcrs: Sequence[int], token: Optional[Token], root: str) -> int:
    """The latch on record for this host, or else the first candidate that nothing extends before the unlocker."""
    if token is not None and token.latch_pcr not in pcrs:
        return token.latch_pcr
    for name in enrolled_names(root):
        with suppress(Malformed):
            other = read_enrolment(name, root).token
            if isinstance(other, Token) and other.latch_pcr not in pcrs:
                return other.latch_pcr
    values = tpm.read_pcrs(BANK, sorted(LATCH_CANDIDATES))
    for candidate in LATCH_CANDIDATES:
        if candidate not in pcrs and values.get(candidate) == UNEXTENDED:
            return candidate
    raise Refused(
        "the TPM",
        f"none of the PCRs {list(LATCH_CANDIDATES)} is unextended, so that none can be the latch",
        "Reboot the device, and see what extends them",
    )


def _approve(status: Status, token: Token, signed: Signed) -> None:
    if token.authority != signed.authority:
        raise Refused(
            "the policy key",
            "is not the one that the volume was sealed to",
            "Use the store that the volume was sealed from",
        )
    token = replace(token, approvals=_kept((*signed.approvals, *token.approvals)))
    _cryptsetup.import_token(status.metadata, token_id(status.header, token.keyslot), token.to_json())
    enrolment = read_enrolment(status.volume.name, status.root)
    write_enrolment(replace(enrolment, token=token), status.root)


def _kept(approvals: tuple[Approval, ...]) -> tuple[Approval, ...]:
    """The newest approvals, as many as there is room for."""
    kept = approvals[:_KEPT_APPROVALS]
    while len(json.dumps([approval.to_json() for approval in kept])) > _KEPT_BYTES:
        kept = kept[:-1]
    return kept


def _seal(status: Status, tpm: Tpm2, signed: Signed, recovery_key: bytes) -> None:
    secret = os.urandom(SECRET_BYTES)
    public, private = seal(tpm, secret, signed.authority, status.srk_name)
    slot = free_slot(status.place, recovery_key)
    token = Token(slot, status.srk_name, public, private, signed.authority, status.latch_pcr, signed.approvals)
    if unseal(tpm, token, signed.proof) != secret:
        raise EdgesecError("the TPM", "gave back another secret than was sealed; nothing was changed")
    bind(status.place, token, luks_key(secret, status.header.uuid), recovery_key)
