# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Revocation counters: one NV index a volume, which the controller alone can have incremented, by one at a time.

An approval says how far the counter may be. Removing the index revokes all there is: a counter that is made anew begins
above every one that the TPM ever had (TPM 2.0 Library, part 1, NV counters).
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
        """TPM name of the index, once it has been begun."""
        return counter_name(self.index, self.policy)

    @property
    def first_name(self) -> bytes:
        """TPM name of the index, until then."""
        return counter_name(self.index, self.policy, written=False)


def counter_of(token: Token) -> Counter:
    """The counter of a sealed volume."""
    return Counter(token.counter, token.authority, token.srk_name)


def choose(tpm: Tpm2, authority: str, srk_name: bytes, taken: Collection[int]) -> Counter:
    """The counter for a volume: one that was made for it before, or an index that nobody has.

    :param taken: indices of other volumes.
    :raises Refused: there is no such index.
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
        "See whose they are (tpm2_nvreadpublic), and remove one that nobody needs (tpm2_nvundefine)",
    )


def is_there(tpm: Tpm2, counter: Counter) -> bool:
    """Whether the TPM has the counter, begun or not, and not something else in its place."""
    return counter.index in tpm.nv_indices() and tpm.nv_name(counter.index) in (counter.name, counter.first_name)


def value_of(tpm: Tpm2, counter: Counter) -> Optional[int]:
    """What the counter has come to; None where it is not there, is another's, or has not been begun."""
    if counter.index not in tpm.nv_indices() or tpm.nv_name(counter.index) != counter.name:
        return None
    return int.from_bytes(tpm.nv_read(counter.index, COUNTER_BYTES), "big")


def begin(tpm: Tpm2, counter: Counter, signature: bytes) -> int:
    """Define the counter where it is not, and bring it to its first value, which is returned.

    :param signature: of the controller, over the policy that allows a first increment.
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
        raise TpmError("failed", f"has no revocation counter at {counter.index:#x} after it was begun")
    return value


def increment(tpm: Tpm2, counter: Counter, value: int, signature: bytes) -> None:
    """Bring the counter from a value to the next one.

    :param signature: of the controller, over the policy that allows this very increment.
    :raises TpmError: C(revoked) where the counter has another value.
    """
    _increment(tpm, counter, policy_increment(counter.name, value), signature,
               lambda context: tpm.policy_nv(context, counter.index, value, EQUAL))  # fmt: skip


def remove(tpm: Tpm2, index: int) -> None:
    """Remove a counter that no volume has any more."""
    tpm.call("tpm2_nvundefine", "-Q", "-C", "o", hex(index))


def _increment(tpm: Tpm2, counter: Counter, policy: bytes, signature: bytes, compare: Callable[[str], object]) -> None:
    authorization = Authorization(counter.authority, policy, counter_reference(counter.srk_name), signature)

    def assertions(context: str) -> None:
        compare(context)
        tpm.call("tpm2_policycommandcode", "-Q", "-S", context, "TPM2_CC_NV_Increment")

    verify(tpm, authorization)
    with session(tpm, counter.srk_name, authorization, assertions) as context:
        tpm.call("tpm2_nvincrement", "-Q", "-C", hex(counter.index), "-P", f"session:{context}", hex(counter.index))
