# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of what a running system writes down in passing: swap."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._control import (
    Control,
    Finding,
    combined,
    failed,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls_storage import AREA
from ansible_collections.edgesec.hardening.plugins.plugin_utils._view import Unseen, View


def _swap(facts: View, _policy: View) -> Finding:
    findings = []
    for swap in facts.child(AREA).children("swap"):
        encrypted = swap.maybe_flag("encrypted")
        if encrypted is None:
            raise Unseen(f"what {swap.text('device')} lies on could not be determined")
        findings.append((swap.text("device"), passed("encrypted") if encrypted else failed("not encrypted")))
    return combined(findings, "no swap is in use")


CONTROLS = (
    Control(
        id="storage.swap.encrypted",
        title="What is swapped out is encrypted",
        recommendation="3.1.2.3.3",
        expected="no swap, or swap on dm-crypt",
        remedy="Turn the swap off, put it on an encrypted volume, or use zram",
        role=None,
        topic="encrypted_storage",
        source=AREA,
        check=_swap,
    ),
)
