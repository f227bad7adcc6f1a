# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Approvals: boot states of one device, signed on the controller with the policy key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ansible_collections.edgesec.hardening.plugins.module_utils._token import Approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm_policy import policy_pcr, unseal_reference
from ansible_collections.edgesec.hardening.plugins.plugin_utils._policy_key import PolicyKey


def approve(key: PolicyKey, srk_name: bytes, values: Mapping[int, bytes], kernel: str) -> Approval:
    """Sign a boot state for the device whose storage root key has this name.

    :param values: what each PCR must hold, by number; the latch included.
    :param kernel: release of the running kernel, which goes into the id for people to read.
    """
    policy = policy_pcr(values)
    signature = key.sign(policy + unseal_reference(srk_name))
    identity = f"{datetime.now(UTC):%Y-%m-%d}-{kernel}-{policy.hex()[:8]}"
    return Approval(id=identity, pcrs=tuple(sorted(values)), policy=policy, signature=signature)
