# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe whether this boot was measured: replay the firmware's event log, and compare it with the current PCRs."""

from __future__ import annotations

import os
from typing import Any

from .._base.errors import EdgesecError
from .._base.tree import read_bytes, under
from .._measured_boot import event_log as log
from .._measured_boot.measured_parts import measured_parts
from .._tpm.pcrs import shown_banks, shown_pcrs, why_missing

_BANK = "sha256"
# PCRs that a kernel, an initrd or a command line may be measured into.
PARTS_PCRS = (1, 4, 8, 9, 11, 12)


def collect(root: str) -> dict[str, Any]:
    """Collect the fact C(measured).

    C(agree) and C(differ) are the PCRs in the log, by whether replaying it gives the value that the TPM reports;
    both are None if that is unknown. C(kernel), C(initrd) and C(command_line) are the PCRs into which each was
    measured, according to the log. Later measurements (the kernel's IMA, systemd's phases) are not in
    the log.
    """
    facts: dict[str, Any] = {
        "log": False,
        "agree": None,
        "differ": None,
        "kernel": None,
        "initrd": None,
        "command_line": None,
        "reason": None,
        "source": log.PATH,
    }
    data = read_bytes(root, log.PATH, log.LOG_BYTES + 1)
    if data is None:
        there = os.path.exists(under(root, log.PATH))
        facts.update(log=None if there else False, reason="it cannot be read" if there else "it does not exist")
        return facts
    facts["log"] = True
    try:
        events = log.parse(data)
        replayed = log.replay(events, _BANK)
    except EdgesecError as error:
        facts["reason"] = str(error)
        return facts
    parts = measured_parts(events)
    facts.update({part: sorted(pcrs) for part, pcrs in parts.items()})
    used = sorted({event.pcr for event in events if event.type != log.NO_ACTION and event.pcr in replayed})
    # A log that lacks a part may have been truncated: then a PCR without events may still have a value.
    unused = [] if all(parts.values()) else [pcr for pcr in PARTS_PCRS if pcr not in used]
    shown = shown_pcrs(root, [*used, *unused])
    if not shown and not shown_pcrs(root):
        banks = shown_banks(root)
        facts["reason"] = why_missing(banks, used)[0] if banks else "the kernel shows no PCRs of the SHA-256 bank"
        return facts
    facts["agree"] = [pcr for pcr in used if shown.get(pcr) == replayed[pcr]]
    facts["differ"] = sorted(
        [pcr for pcr in used if shown.get(pcr) != replayed[pcr]]
        + [pcr for pcr in unused if shown.get(pcr, replayed[pcr]) != replayed[pcr]]
    )
    return facts
