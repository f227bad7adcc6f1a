# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the controller signs with the policy key: boot states, and moves of their counter."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._counter import Counter
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._public_key import parse_public_key
from ansible_collections.edgesec.hardening.plugins.module_utils._token import Approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm_policy import (
    counter_reference,
    policy_first_increment,
    policy_increment,
    policy_pcr,
    unseal_reference,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._policy_key import PolicyKey

_MOST_STATES = {"ecdsa": 8, "rsassa": 4}


@dataclass(frozen=True)
class BootState:
    """A boot state of one device, as it is to be approved for each of its volumes.

    :ivar id: tells people when and of which kernel it was.
    :ivar pcrs: every PCR that it looks at, the latch among them.
    :ivar digest: policy digest of what they hold (TPM2_PolicyPCR), hex.
    :ivar once: whether it ends with the next move of the revocation counter.
    """

    id: str
    pcrs: tuple[int, ...]
    digest: str
    kernel: str
    once: bool = False

    def to_bytes(self) -> bytes:
        """As the store keeps it."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"


def boot_state(values: Mapping[int, bytes], kernel: str, *, once: bool = False) -> BootState:
    """The boot state in which PCRs hold these values, by number; the latch is among them.

    :param kernel: release of the kernel, which goes into the id for people to read.
    """
    digest = policy_pcr(values).hex()
    identity = f"{datetime.now(UTC):%Y-%m-%d}-{kernel}-{digest[:8]}{'-once' if once else ''}"
    return BootState(identity, tuple(sorted(values)), digest, kernel, once)


def parse_boot_state(data: bytes) -> BootState:
    """A boot state from the store.

    :raises Malformed: it is none.
    """
    try:
        document = json.loads(data)
        state = BootState(**{**document, "pcrs": tuple(document["pcrs"])})
        bytes.fromhex(state.digest)
        return state
    except (ValueError, TypeError, KeyError):
        raise Malformed("a boot state in the store", "lacks a field or has one of a wrong type") from None


def approve(key: PolicyKey, counter: Counter, state: BootState, operand: int) -> Approval:
    """Sign a boot state for the volume that has this revocation counter, until that is above the operand."""
    unsigned = Approval(state.id, state.pcrs, bytes.fromhex(state.digest), operand, state.once, b"")
    signature = key.sign(unsigned.policy(counter.name) + unseal_reference(counter.srk_name))
    return unsigned._replace(signature=signature)


def most_states(key: PolicyKey) -> int:
    """For how many boot states the smallest header has room, with signatures of this key."""
    return _MOST_STATES[parse_public_key(key.public_pem()).scheme]


def running_state(found: Mapping[str, Any]) -> BootState:
    """The boot state that tpm_keyslot found, as it is before the latch is extended."""
    return boot_state({**_values(found), int(found["latch_pcr"]): bytes(32)}, str(found["kernel"]))


def begin_counter(key: PolicyKey, found: Mapping[str, Any]) -> str:
    """The word that begins the revocation counter of a volume that tpm_keyslot found, base64."""
    reference = counter_reference(bytes.fromhex(found["srk_name"]))
    return _encoded(key.sign(policy_first_increment() + reference))


def words(key: PolicyKey, found: Mapping[str, Any], states: Sequence[BootState]) -> dict[str, Any]:
    """What the controller says to what tpm_keyslot found, as options of that module.

    :param states: the boot states to approve, these and no other.
    """
    counter = Counter(found["counter"], key.public_pem(), bytes.fromhex(found["srk_name"]))
    value, epoch = found["counter_value"], found["epoch"]
    move = policy_increment(counter.name, value) + counter_reference(counter.srk_name)
    # Where the latch is extended already, only a state that has it so can prove the seal in this boot.
    proof = approve(key, counter, boot_state(_values(found), str(found["kernel"])), epoch)
    return {
        "authority": counter.authority,
        "latch_pcr": found["latch_pcr"],
        "counter": counter.index,
        "approvals": [approve(key, counter, state, epoch).to_json() for state in states],
        "proof": proof.to_json(),
        "counter_move": _encoded(key.sign(move)) if epoch > value else None,
    }


def _values(found: Mapping[str, Any]) -> dict[int, bytes]:
    return {int(pcr): bytes.fromhex(value) for pcr, value in found["pcr_values"].items()}


def _encoded(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
