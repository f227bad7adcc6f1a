# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The C(edgesec-tpm2) LUKS2 token: a sealed secret, and the boot states that are approved to unseal it.

Nothing in a token is secret, and nothing in it is trusted: the sealed object opens in one TPM only, and each approval
is signed by the controller.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .policy import (
    AT_MOST,
    COUNTER_BYTES,
    DIGEST_BYTES,
    EQUAL,
    counter_name,
    counter_policy,
    key_name,
    policy_nv,
    policy_pcr,
)

TYPE = "edgesec-tpm2"
VERSION = 1
BANK = "sha256"
UNEXTENDED = bytes(DIGEST_BYTES)
# The NV indices of revocation counters, from the range for the owner's own use (TCG registry of reserved handles).
COUNTERS = range(0x01800010, 0x01800030)

_OFTEN, _ONCE = "ule", "eq"
_PCRS = range(24)
_OPERANDS = range(1 << (8 * COUNTER_BYTES))


class Approval(NamedTuple):
    """One signed boot state.

    :ivar pcrs: every PCR that it checks, including the latch.
    :ivar state: the policy digest of their values (TPM2_PolicyPCR).
    :ivar operand: the highest value that the revocation counter may have.
    :ivar once: whether the counter must have exactly that value; then the next increment ends the approval.
    :ivar signature: the policy key's signature of the policy digest and the policyRef (DER for ECDSA,
        RSASSA-PKCS1-v1_5 for RSA).
    """

    id: str
    pcrs: tuple[int, ...]
    state: bytes
    operand: int
    once: bool
    signature: bytes

    @property
    def comparison(self) -> int:
        """How the counter is compared with the operand."""
        return EQUAL if self.once else AT_MOST

    def policy(self, counter: bytes) -> bytes:
        """The signed policy digest, given the TPM name of the counter."""
        return policy_nv(counter, self.operand, self.comparison, self.state)

    def holds(self, counter: int) -> bool:
        """Whether the approval is still valid at this value of the counter."""
        return counter == self.operand if self.once else counter <= self.operand

    def matches(self, values: Mapping[int, bytes]) -> bool:
        """Whether these PCR values, by number, are the approved ones."""
        return all(number in values for number in self.pcrs) and self.state == policy_pcr(
            {number: values[number] for number in self.pcrs}
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object in the token."""
        return {
            "id": self.id,
            "pcrs": list(self.pcrs),
            "state": _encode(self.state),
            "nv": {"op": _ONCE if self.once else _OFTEN, "operand": self.operand},
            "sig": _encode(self.signature),
        }


class Token(NamedTuple):
    """A sealed secret with its approvals.

    :ivar keyslot: the LUKS2 keyslot that the secret opens.
    :ivar counter: the NV index of the revocation counter.
    :ivar header_mac: MAC of the header without its tokens (:mod:`_unlock.header_mac`); None while the header changes.
    :ivar header_epoch: the highest value of the counter at which the header is current; it detects an old header.
    """

    keyslot: str
    srk_name: bytes
    public: bytes
    private: bytes
    authority: str
    latch_pcr: int
    counter: int
    approvals: tuple[Approval, ...]
    header_mac: Optional[bytes] = None
    header_epoch: int = 0

    @property
    def pcrs(self) -> tuple[int, ...]:
        """Every PCR that a lasting approval checks, except the latch."""
        lasting = (approval for approval in self.approvals if not approval.once)
        return tuple(sorted({pcr for approval in lasting for pcr in approval.pcrs} - {self.latch_pcr}))

    @property
    def all_pcrs(self) -> list[int]:
        """Every PCR that any approval checks."""
        return sorted({self.latch_pcr, *(pcr for approval in self.approvals for pcr in approval.pcrs)})

    @property
    def counter_name(self) -> bytes:
        """TPM name of the revocation counter."""
        return counter_name(self.counter, counter_policy(key_name(self.authority), self.srk_name))

    def approvals_for(self, values: Mapping[int, bytes]) -> list[Approval]:
        """The approvals that match PCR values (by number), the longest-lasting first."""
        fitting = [approval for approval in self.approvals if approval.matches(values)]
        return sorted(fitting, key=lambda approval: (approval.once, -approval.operand))

    def to_json(self) -> dict[str, Any]:
        """The JSON object for C(cryptsetup token import)."""
        return {
            "type": TYPE,
            "keyslots": [self.keyslot],
            "v": VERSION,
            "srk_name": self.srk_name.hex(),
            "pub": _encode(self.public),
            "priv": _encode(self.private),
            "authkey": self.authority,
            "bank": BANK,
            "latch_pcr": self.latch_pcr,
            "nv": f"0x{self.counter:08x}",
            "hdr_mac": None if self.header_mac is None else self.header_mac.hex(),
            "hdr_epoch": self.header_epoch,
            "approvals": [approval.to_json() for approval in self.approvals],
        }


def parse_token(data: Any) -> Token:
    """Parse the JSON object of a token.

    :raises Malformed: a field is missing, has a wrong type, or is of an unknown version.
    """
    try:
        if data["type"] != TYPE or data["v"] != VERSION or data["bank"] != BANK:
            raise Malformed(
                "the TPM token", f"is of type {data['type']!r}, version {data['v']!r}, bank {data['bank']!r}"
            )
        (keyslot,) = data["keyslots"]
        return Token(
            keyslot=_string(keyslot),
            srk_name=bytes.fromhex(data["srk_name"]),
            public=_decode(data["pub"]),
            private=_decode(data["priv"]),
            authority=_string(data["authkey"]),
            latch_pcr=_number(data["latch_pcr"], _PCRS),
            counter=_number(int(_string(data["nv"]), 16), COUNTERS),
            approvals=tuple(parse_approval(approval) for approval in data["approvals"]),
            header_mac=None if data["hdr_mac"] is None else bytes.fromhex(data["hdr_mac"]),
            header_epoch=_number(data["hdr_epoch"], _OPERANDS),
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Malformed("the TPM token", "lacks a field or has one of a wrong type") from None


def parse_approval(data: Any) -> Approval:
    """Parse the JSON object of an approval.

    :raises Malformed: a field is missing or has a wrong type, or the approval demands an unknown check.
    """
    try:
        nv = data["nv"]
        if nv["op"] not in (_OFTEN, _ONCE):
            raise Malformed("an approval", f"compares the counter with {nv['op']!r}, which this version cannot check")
        return Approval(
            id=_string(data["id"]),
            pcrs=tuple(sorted({_number(number, _PCRS) for number in data["pcrs"]})),
            state=_decode(data["state"]),
            operand=_number(nv["operand"], _OPERANDS),
            once=nv["op"] == _ONCE,
            signature=_decode(data["sig"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Malformed("an approval", "lacks a field or has one of a wrong type") from None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise ValueError
    return value


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
