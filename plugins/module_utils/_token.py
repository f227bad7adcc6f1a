# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The C(edgesec-tpm2) LUKS2 token: a sealed secret, and the boot states that are approved to unseal it.

Nothing in a token is secret, and nothing in it is trusted: the sealed object opens in one TPM only, and each approval
carries the signature of the controller.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from ._errors import Malformed
from ._tpm_policy import DIGEST_BYTES, policy_pcr

TYPE = "edgesec-tpm2"
VERSION = 1
BANK = "sha256"
UNEXTENDED = bytes(DIGEST_BYTES)


@dataclass(frozen=True)
class Approval:
    """One signed boot state.

    C(policy) is the digest that the TPM must reach, C(signature) one over policy and policyRef: ECDSA in DER,
    or RSASSA-PKCS1-v1_5.
    """

    id: str
    pcrs: tuple[int, ...]
    policy: bytes
    signature: bytes

    def matches(self, values: Mapping[int, bytes]) -> bool:
        """Whether PCR values, by number, are the ones approved."""
        return all(number in values for number in self.pcrs) and self.policy == policy_pcr(
            {number: values[number] for number in self.pcrs}
        )

    def to_json(self) -> dict[str, Any]:
        """As in the token; C(nv) is the place of the revocation counter."""
        return {
            "id": self.id,
            "pcrs": list(self.pcrs),
            "nv": None,
            "pol": _encode(self.policy),
            "sig": _encode(self.signature),
        }


@dataclass(frozen=True)
class Token:
    """A sealed secret with its approvals; C(keyslot) is the LUKS2 keyslot that the secret opens."""

    keyslot: str
    srk_name: bytes
    public: bytes
    private: bytes
    authority: str
    latch_pcr: int
    approvals: tuple[Approval, ...]

    @property
    def pcrs(self) -> tuple[int, ...]:
        """Every PCR that an approval looks at, but the latch."""
        return tuple(sorted({pcr for approval in self.approvals for pcr in approval.pcrs} - {self.latch_pcr}))

    def approval_for(self, values: Mapping[int, bytes]) -> Optional[Approval]:
        """The first approval that fits PCR values, by number."""
        return next((approval for approval in self.approvals if approval.matches(values)), None)

    def to_json(self) -> dict[str, Any]:
        """As C(cryptsetup token import) takes it; C(hdr_mac) and C(hdr_epoch) are the place of the header MAC."""
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
            "hdr_mac": None,
            "hdr_epoch": 0,
            "approvals": [approval.to_json() for approval in self.approvals],
        }


def parse_token(data: Any) -> Token:
    """A token from its JSON object.

    :raises Malformed: a field is missing, of a wrong type, or of a version this code does not know.
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
            latch_pcr=_pcr(data["latch_pcr"]),
            approvals=tuple(parse_approval(approval) for approval in data["approvals"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Malformed("the TPM token", "lacks a field or has one of a wrong type") from None


def parse_approval(data: Any) -> Approval:
    """An approval from its JSON object.

    :raises Malformed: a field is missing or of a wrong type, or it asks for a check this code does not know.
    """
    try:
        if data["nv"] is not None:
            raise Malformed("an approval", "asks for a revocation counter, which this version cannot check")
        return Approval(
            id=_string(data["id"]),
            pcrs=tuple(sorted({_pcr(number) for number in data["pcrs"]})),
            policy=_decode(data["pol"]),
            signature=_decode(data["sig"]),
        )
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise Malformed("an approval", "lacks a field or has one of a wrong type") from None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _pcr(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 24:
        raise ValueError
    return value


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
