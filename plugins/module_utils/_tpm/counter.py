# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Revocation counters: one NV index per volume. Each increment, by one, needs a signature of the controller.

An approval states the highest counter value at which it is valid. Removing the index revokes all approvals: a new
counter starts above every value that any counter of the TPM ever had (TPM 2.0 Library, part 1, NV counters).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Optional

from .._base.errors import Refused
from .authorization import Authorization, session, verify
from .luks_token import COUNTERS, Token
from .policy import (
    COUNTER_BYTES,
    EQUAL,
    counter_name,
    counter_policy,
    counter_reference,
    key_name,
    policy_first_increment,
    policy_increment,
)
from .tools import Tpm2, TpmError

_ATTRIBUTES = "nt=counter|policywrite|authread|no_da"


@dataclass(frozen=True)
class Counter:
    """A counter under the policy key C(authority) (PEM), on the TPM with the storage root key C(srk_name)."""

    index: int
    authority: str
    srk_name: bytes

    @property
    def policy(self) -> bytes:
        """The authPolicy of the index."""
        return counter_policy(key_name(self.authority), self.srk_name)

    @property
    def name(self) -> bytes:
        """TPM name of the index after its first increment."""
        return counter_name(self.index, self.policy)

    @property
    def first_name(self) -> bytes:
        """TPM name of the index before its first increment."""
        return counter_name(self.index, self.policy, written=False)


def counter_of(token: Token) -> Counter:
    """The counter of a sealed volume."""
    return Counter(token.counter, token.authority, token.srk_name)


def choose(tpm: Tpm2, authority: str, srk_name: bytes, taken: Collection[int]) -> Counter:
    """Choose the counter for a volume: one that was made for it before, or a free index.

    :param taken: indices of other volumes.
    :raises Refused: no index is free.
    """
    there = tpm.nv_indices()
    candidates = [Counter(index, authority, srk_name) for index in COUNTERS if index not in taken]
    made_before = (counter for counter in candidates if counter.index in there and is_there(tpm, counter))
    free = (counter for counter in candidates if counter.index not in there)
    for counter in (*made_before, *free):
        return counter
    raise Refused(
        "the TPM",
        f"every NV index from {COUNTERS[0]:#x} to {COUNTERS[-1]:#x} is in use",
        "Find out which software uses them (tpm2_nvreadpublic), and remove an unneeded one (tpm2_nvundefine)",
    )


def is_there(tpm: Tpm2, counter: Counter) -> bool:
    """Whether the index holds this counter, incremented or not, and nothing else."""
    return counter.index in tpm.nv_indices() and tpm.nv_name(counter.index) in (counter.name, counter.first_name)


def value_of(tpm: Tpm2, counter: Counter) -> Optional[int]:
    """The value of the counter; None if it is missing, is not this counter, or was never incremented."""
    if counter.index not in tpm.nv_indices() or tpm.nv_name(counter.index) != counter.name:
        return None
    return int.from_bytes(tpm.nv_read(counter.index, COUNTER_BYTES), "big")


def begin(tpm: Tpm2, counter: Counter, signature: bytes) -> int:
    """Define the counter if it is missing, increment it if it never was, and return its value.

    :param signature: the controller's signature of the policy that allows a first increment.
    :raises TpmError: the TPM refused.
    """
    if counter.index not in tpm.nv_indices():
        # fmt: off
        tpm.call("tpm2_nvdefine", "-Q", "-C", "o", "-s", str(COUNTER_BYTES), "-a", _ATTRIBUTES,
                 "-L", tpm.write("counter.policy", counter.policy), hex(counter.index))
        # fmt: on
    if tpm.nv_name(counter.index) == counter.first_name:
        _increment(tpm, counter, policy_first_increment(), signature, lambda context: tpm.call(
            "tpm2_policynvwritten", "-Q", "-S", context, "c"))  # fmt: skip
    value = value_of(tpm, counter)
    if value is None:
        raise TpmError("failed", f"has no revocation counter at {counter.index:#x} after defining and incrementing it")
    return value


def increment(tpm: Tpm2, counter: Counter, value: int, signature: bytes) -> None:
    """Increment the counter from a value to the next one.

    :param signature: the controller's signature of the policy that allows exactly this increment.
    :raises TpmError: C(revoked) if the counter has another value.
    """
    _increment(tpm, counter, policy_increment(counter.name, value), signature,
               lambda context: tpm.policy_nv(context, counter.index, value, EQUAL))  # fmt: skip


def remove(tpm: Tpm2, index: int) -> None:
    """Remove a counter that no volume uses any more."""
    tpm.call("tpm2_nvundefine", "-Q", "-C", "o", hex(index))


def _increment(tpm: Tpm2, counter: Counter, policy: bytes, signature: bytes, compare: Callable[[str], object]) -> None:
    authorization = Authorization(counter.authority, policy, counter_reference(counter.srk_name), signature)

    def assertions(context: str) -> None:
        compare(context)
        tpm.call("tpm2_policycommandcode", "-Q", "-S", context, "TPM2_CC_NV_Increment")

    verify(tpm, authorization)
    with session(tpm, counter.srk_name, authorization, assertions) as context:
        tpm.call("tpm2_nvincrement", "-Q", "-C", hex(counter.index), "-P", f"session:{context}", hex(counter.index))
