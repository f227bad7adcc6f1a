# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of what a running system writes down in passing: swap."""

from __future__ import annotations

from functools import partial

from ansible_collections.edgesec.hardening.plugins.plugin_utils._control import (
    UNKNOWN,
    Control,
    Finding,
    combined,
    failed,
    guarded,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls_storage import AREA, ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._view import Unseen, View

_UNDECLARED = "Declare its device in encrypted_storage_swap, turn the swap off, or use zram"


def _swap(facts: View, policy: View) -> Finding:
    findings = []
    for swap in facts.child(AREA).children("swap"):
        encrypted = swap.maybe_flag("encrypted")
        if encrypted is None:
            found = Finding(UNKNOWN, "not known", "what it lies on could not be determined", _UNDECLARED)
        else:
            found = passed("encrypted") if encrypted else failed("not encrypted", _UNDECLARED)
        findings.append((swap.text("device"), found))
    for declared in policy.children("encrypted_storage_swap"):
        name = declared.text("name")
        findings.append((name, guarded(partial(_declared_swap, name, facts, policy))))
    return combined(findings, "no swap is in use")


def _declared_swap(name: str, facts: View, policy: View) -> Finding:
    for swap in facts.child(AREA).children("declared_swap"):
        if swap.text("name") != name:
            continue
        if not swap.flag("active"):
            return failed("not swapped to with a random key")
        if not swap.flag("at_boot"):
            return failed("swapped to with a random key, but not at the next boot")
        if facts.child("edgesec_platform").child("unlocker").maybe_text("digest") != policy.text("unlocker_digest"):
            return failed("what swaps to it at boot is not of this version of the collection")
        return passed("swapped to with a random key")
    raise Unseen(f"{AREA} has no declared swap {name}")


CONTROLS = (
    Control(
        id="storage.swap.encrypted",
        title="What is swapped out is encrypted",
        recommendation="3.1.2.3.3",
        expected="no swap, or swap on dm-crypt",
        remedy="Run harden, which encrypts the devices of encrypted_storage_swap",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_swap,
    ),
)
