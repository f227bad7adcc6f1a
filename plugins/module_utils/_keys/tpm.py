# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Bind a keyslot of a LUKS2 volume to the TPM: prove first, add before remove, never without the recovery slot."""

from __future__ import annotations

import os
from typing import NamedTuple

from .._base.errors import EdgesecError, Refused
from .._luks import cryptsetup
from .._luks.reencryption import is_under_way
from .._tpm import counter as _counter
from .._tpm.counter import Counter, counter_of
from .._tpm.luks_token import Approval, Token
from .._tpm.sealing import SECRET_BYTES, luks_key, seal, unseal
from .._tpm.tools import Tpm2
from .._unlock.enrolment import read_enrolment, write_enrolment
from .._unlock.header_digest import digest_of
from .._unlock.header_mac import header_mac
from .._volume.make import require_bootable, require_header, require_recovery
from .boot_keyslot import bind, free_slot, token_id
from .tpm_status import SEAL, Status, other_tokens


class Signed(NamedTuple):
    """What the controller signed.

    :ivar approvals: all approvals to keep.
    :ivar proof: an approval of the running state, which proves the seal now and is not kept.
    :ivar increment: the signature that increments the counter, if it must move.
    """

    authority: str
    approvals: tuple[Approval, ...]
    proof: Approval
    increment: bytes = b""


def apply(status: Status, tpm: Tpm2, signed: Signed, recovery_key: bytes) -> None:
    """Carry out the planned action; prove the recovery key before and after.

    :raises EdgesecError: a proof failed; the earlier keys still work.
    """
    counter, epoch = status.counter, status.epoch
    if status.counted is not None and signed.increment:
        # The controller may move the counter even if the device sees no need.
        epoch = status.counted + 1
    if counter is None or epoch is None or any(approval.operand != epoch for approval in signed.approvals):
        raise Refused("what the controller signed", "is not for this state of the device", "Run again")
    require_recovery(status.metadata, recovery_key)
    if status.action == SEAL or status.token is None:
        token, secret = _seal(status, tpm, counter, signed, recovery_key)
    else:
        token, secret = _renewed(status, tpm, status.token, counter, signed)
    _keep(status, token._replace(header_epoch=epoch), secret)
    if status.counted is not None and epoch > status.counted:
        _counter.increment(tpm, counter, status.counted, signed.increment)
    _remove_orphaned_counter(status, tpm, counter)
    require_recovery(status.metadata, recovery_key)


def _seal(status: Status, tpm: Tpm2, counter: Counter, signed: Signed, recovery_key: bytes) -> tuple[Token, bytes]:
    secret = os.urandom(SECRET_BYTES)
    public, private = seal(tpm, secret, signed.authority, status.srk_name)
    slot = free_slot(status.place, recovery_key)
    token = Token(
        slot, status.srk_name, public, private, signed.authority, status.latch_pcr, counter.index, signed.approvals
    )
    if unseal(tpm, token, signed.proof) != secret:
        raise EdgesecError("the TPM", "unsealed a different secret than was sealed; nothing was changed")
    bind(status.place, token, luks_key(secret, status.header.uuid), recovery_key)
    return token, secret


def _renewed(status: Status, tpm: Tpm2, token: Token, counter: Counter, signed: Signed) -> tuple[Token, bytes]:
    """Update the token's approvals, and prove that the TPM still unseals with them."""
    token = token._replace(counter=counter.index, approvals=signed.approvals)
    secret = unseal(tpm, token, signed.proof)
    if not cryptsetup.opens(status.metadata, luks_key(secret, status.header.uuid), slot=token.keyslot):
        raise EdgesecError(
            status.volume.device,
            f"the TPM's secret does not open keyslot {token.keyslot}",
            "Run recover.yml, which seals it again. Nothing was changed",
        )
    return token, secret


def _keep(status: Status, token: Token, secret: bytes) -> None:
    """Write a token to header and enrolment, with the header's MAC if the header is final."""
    header = require_header(status.metadata)
    enrolment = read_enrolment(status.volume.name, status.root)
    if status.metadata == status.volume.device and not is_under_way(header):
        # The MAC vouches for the current header, so the boot must accept it.
        pins = enrolment.pins._replace(in_place=False)
        require_bootable(status.volume.device, status.metadata, pins)
        digest = digest_of(header, status.metadata)
        token = token._replace(header_mac=header_mac(secret, header.uuid, token.header_epoch, digest))
        enrolment = enrolment._replace(pins=pins._replace(header_digest=digest.hex()))
    cryptsetup.import_token(status.metadata, token_id(header, token.keyslot), token.to_json())
    write_enrolment(enrolment._replace(token=token), status.root)


def _remove_orphaned_counter(status: Status, tpm: Tpm2, counter: Counter) -> None:
    """Remove the volume's previous counter, if it was ours and no other volume uses it."""
    if status.token is None or status.token.counter == counter.index:
        return
    before = counter_of(status.token)
    shared = any(counter_of(other) == before for other in other_tokens(status.volume, status.root))
    if not shared and _counter.is_there(tpm, before):
        _counter.remove(tpm, before.index)
