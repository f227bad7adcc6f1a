# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of swap, temporary files, core dumps and the journal."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    UNKNOWN,
    Control,
    Finding,
    combined,
    failed,
    guarded,
    not_applicable,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.storage import AREA, ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

_UNDECLARED = "Declare its device in encrypted_storage_swap, turn the swap off, or use zram"


def _swap(facts: View, policy: View) -> Finding:
    findings = []
    for swap in facts.child(AREA).children("swap"):
        encrypted = swap.maybe_flag("encrypted")
        if encrypted is None:
            found = Finding(UNKNOWN, "not known", "its underlying device could not be determined", _UNDECLARED)
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
            return failed("not in use as swap with a random key")
        if not swap.flag("at_boot"):
            return failed("in use as swap with a random key, but not at the next boot")
        if facts.child("edgesec_platform").child("unlocker").maybe_text("digest") != policy.text("unlocker_digest"):
            return failed("the program that activates it at boot is from another version of the collection")
        return passed("in use as swap with a random key")
    raise Unseen(f"{AREA} has no declared swap {name}")


def _at(place: View, by_hand: Optional[str]) -> Finding:
    """The finding on a place where data is written."""
    memory = place.maybe_flag("memory")
    encrypted = place.maybe_flag("encrypted")
    if memory:
        return passed("in memory")
    if encrypted:
        return passed("on dm-crypt")
    if place.maybe_flag("writable") is False:
        return passed("not writable")
    if encrypted is None or memory is None:
        reason = place.maybe_text("reason") or "where it is written could not be determined"
        return Finding(UNKNOWN, "not known", reason, by_hand)
    return failed("unencrypted on the disk", by_hand)


def _asked(policy: View, variable: str, answer: str) -> Optional[str]:
    """None if the variable makes the role act; otherwise what a person can do."""
    return None if policy.text(variable) == answer else f"Set {variable}: {answer}, or encrypt the disk"


def _temporary(facts: View, policy: View) -> Finding:
    variables = ("encrypted_storage_tmp", "encrypted_storage_var_tmp")
    places = facts.child(AREA).children("temporary")
    return combined(
        [
            (place.text("path"), _at(place, _asked(policy, variable, "memory")))
            for place, variable in zip(places, variables, strict=True)
        ],
        "there are no temporary directories",
    )


def _core_dumps(facts: View, policy: View) -> Finding:
    dumps = facts.child(AREA).child("core_dumps")
    if dumps.flag("container"):
        return not_applicable("the kernel belongs to the container's host")
    if dumps.flag("off"):
        return passed("switched off")
    found = _at(dumps, _asked(policy, "encrypted_storage_core_dumps", "none"))
    return replace(found, actual=f"{found.actual} (kernel.core_pattern={dumps.maybe_text('pattern')})")


def _journal(facts: View, policy: View) -> Finding:
    journal = facts.child(AREA).child("journal")
    if not journal.flag("present"):
        return not_applicable("there is no systemd journal")
    if journal.flag("left_over"):
        return failed(
            "in memory, but older files are unencrypted on the disk", "Remove the old files in /var/log/journal"
        )
    if journal.flag("off"):
        return passed("switched off")
    return _at(journal, _asked(policy, "encrypted_storage_journal", "memory"))


CONTROLS = (
    Control(
        id="storage.swap.encrypted",
        title="Swap is encrypted",
        recommendation="3.1.2.3.3",
        expected="no swap, or swap on dm-crypt",
        remedy="Run harden, which encrypts the devices of encrypted_storage_swap",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_swap,
    ),
    Control(
        id="storage.temporary.protected",
        title="Temporary files are in memory or encrypted",
        recommendation="3.1.2.3.3",
        expected="in memory or on dm-crypt, both /tmp and /var/tmp",
        remedy="Run harden, and reboot if the result says so",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_temporary,
    ),
    Control(
        id="storage.core_dumps.protected",
        title="Core dumps, which contain process memory, are off, in memory, or encrypted",
        recommendation="3.1.2.3.3",
        expected="none, or in memory or on dm-crypt",
        remedy="Run harden",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_core_dumps,
    ),
    Control(
        id="storage.journal.protected",
        title="The journal is in memory or encrypted",
        recommendation="3.1.2.3.3",
        expected="in memory or on dm-crypt",
        remedy="Run harden",
        role=ROLE,
        topic="encrypted_storage",
        source=AREA,
        check=_journal,
    ),
)
