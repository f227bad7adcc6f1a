# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Boot states as the store keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.policy import DIGEST_BYTES, policy_pcr


@dataclass(frozen=True)
class BootState:
    """A boot state of one device, to be approved for each of its volumes.

    :ivar id: names date and kernel, for people.
    :ivar pcrs: every PCR that it covers, including the latch.
    :ivar digest: policy digest of their values (TPM2_PolicyPCR), hex.
    :ivar once: whether it ends with the next increment of the revocation counter.
    """

    id: str
    pcrs: tuple[int, ...]
    digest: str
    kernel: str
    once: bool = False

    def to_json(self) -> dict[str, Any]:
        """The state as a JSON object."""
        return {**vars(self), "pcrs": list(self.pcrs)}

    def to_bytes(self) -> bytes:
        """The state as a file for people."""
        return json.dumps(self.to_json(), indent=2).encode() + b"\n"


def boot_state(values: Mapping[int, bytes], kernel: str, *, once: bool = False) -> BootState:
    """The boot state in which the PCRs have these values (by number, including the latch).

    :param kernel: release of the kernel; it becomes part of the id, for people.
    """
    digest = policy_pcr(values).hex()
    identity = f"{datetime.now(UTC):%Y-%m-%d}-{kernel}-{digest[:8]}{'-once' if once else ''}"
    return BootState(identity, tuple(sorted(values)), digest, kernel, once)


def boot_state_of(document: Any) -> BootState:
    """A boot state from its JSON object.

    :raises Malformed: a field is missing, unknown, or of a wrong type.
    """
    try:
        state = BootState(**{**document, "pcrs": tuple(document["pcrs"])})
        if not (
            all(isinstance(text, str) for text in (state.id, state.digest, state.kernel))
            and all(isinstance(pcr, int) and not isinstance(pcr, bool) and 0 <= pcr < 24 for pcr in state.pcrs)
            and isinstance(state.once, bool)
            and len(bytes.fromhex(state.digest)) == DIGEST_BYTES
        ):
            raise ValueError
        return state
    except (ValueError, TypeError, KeyError):
        raise Malformed("a boot state in the store", "lacks a field, or has one of the wrong type") from None


def parse_boot_state(data: bytes) -> BootState:
    """A boot state from its file.

    :raises Malformed: the file is not a boot state.
    """
    try:
        return boot_state_of(json.loads(data))
    except (ValueError, RecursionError):
        raise Malformed("a boot state in the store", "is not JSON") from None
