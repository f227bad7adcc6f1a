# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Sign boot states and counter moves with the policy key.

Only :mod:`_signing_gate.gate` decides what may be signed, and nothing else on the controller calls this.
"""

from __future__ import annotations

import base64

from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import Approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import (
    counter_reference,
    policy_first_increment,
    policy_increment,
    unseal_reference,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.public_key import parse_public_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import BootState, boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey

__all__ = ["BootState", "approve", "begin_counter", "boot_state", "most_states", "move_counter"]

_MOST_STATES = {"ecdsa": 8, "rsassa": 4}


def approve(key: PolicyKey, counter: Counter, state: BootState, operand: int) -> Approval:
    """Sign a boot state for the volume with this revocation counter; valid until the counter exceeds the operand."""
    unsigned = Approval(state.id, state.pcrs, bytes.fromhex(state.digest), operand, state.once, b"")
    signature = key.sign(unsigned.policy(counter.name) + unseal_reference(counter.srk_name))
    return unsigned._replace(signature=signature)


def most_states(key: PolicyKey) -> int:
    """The number of boot states that fit into the smallest header, with signatures of this key."""
    return _MOST_STATES[parse_public_key(key.public_pem()).scheme]


def begin_counter(key: PolicyKey, srk_name: bytes) -> str:
    """Sign the start of a revocation counter on the TPM with this storage root key; returns base64."""
    return _encoded(key.sign(policy_first_increment() + counter_reference(srk_name)))


def move_counter(key: PolicyKey, counter: Counter, value: int) -> str:
    """Sign the increment of a revocation counter from a value to the next; returns base64."""
    return _encoded(key.sign(policy_increment(counter.name, value) + counter_reference(counter.srk_name)))


def _encoded(signature: bytes) -> str:
    return base64.b64encode(signature).decode()
