# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Adjust a LUKS2 volume in use: retire keyslots that nobody needs, and set its activation flags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._luks import cryptsetup
from .._luks.libcryptsetup import set_persistent_flags
from .._luks.on_device import describe
from .._luks.slots import RECOVERY_SLOT
from .._storage.volume import Volume
from .._unlock.enrolment import TOKEN_TYPES, announce_change
from .make import observe, require_header, require_recovery
from .plan import ADJUST, Plan


class Upkeep(NamedTuple):
    """The operator's wishes for a volume.

    :ivar retire_keyslots: IDs of keyslots that are no longer needed.
    :ivar flags: all persistent flags; None leaves them as they are.
    """

    retire_keyslots: tuple[str, ...] = ()
    flags: Optional[tuple[str, ...]] = None


def plan_upkeep(facts: dict[str, Any], upkeep: Upkeep) -> Plan:
    """Plan the changes to one of our volumes, from its facts."""
    luks = facts["luks"]
    if luks["requirements"]:
        return Plan(None)
    slots = _retirable(luks, upkeep)
    steps = [f"retire its keyslots {', '.join(slots)}"] if slots else []
    if _has_other_flags(luks, upkeep):
        steps.append(f"set its flags {', '.join(sorted(upkeep.flags or ())) or '(none)'}")
    return Plan(ADJUST, f"{facts['device']}: {'; '.join(steps)}") if steps else Plan(None)


def keep_up(volume: Volume, key: bytes, upkeep: Upkeep) -> None:
    """Carry out the plan; prove the recovery key before the first keyslot is removed.

    :raises EdgesecError: a tool failed, or the recovery key does not open its keyslot.
    """
    device = volume.device
    require_recovery(device, key)
    luks = describe(require_header(device))
    slots = _retirable(luks, upkeep)
    if slots or _has_other_flags(luks, upkeep):
        announce_change(volume.name)
    retire(device, key, slots)
    if upkeep.flags is not None and _has_other_flags(luks, upkeep):
        set_persistent_flags(device, upkeep.flags)
        mapping = observe(volume)["mapping"]
        if mapping is not None:
            cryptsetup.refresh(os.path.basename(mapping["path"]), key)


def retire(device: str, other_key: bytes, slots: Sequence[str]) -> None:
    """Destroy keyslots, and the tokens bound only to them.

    A token is removed before its keyslot: after an interruption, the next run still finds what is left.

    :param other_key: opens another keyslot; cryptsetup proves that first.
    """
    for token in describe(require_header(device))["tokens"]:
        if token["keyslots"] and set(token["keyslots"]) <= set(slots):
            cryptsetup.remove_token(device, token["id"])
    for slot in slots:
        cryptsetup.kill_slot(device, slot, other_key)


def _retirable(luks: dict[str, Any], upkeep: Upkeep) -> list[str]:
    """The keyslots to retire that exist and are not ours: we may have reused a number retired earlier."""
    ours = {
        RECOVERY_SLOT,
        *(slot for token in luks["tokens"] if token["type"] in TOKEN_TYPES for slot in token["keyslots"]),
    }
    there = {slot["id"] for slot in luks["keyslots"]} - ours
    return [slot for slot in dict.fromkeys(upkeep.retire_keyslots) if slot in there]


def _has_other_flags(luks: dict[str, Any], upkeep: Upkeep) -> bool:
    return upkeep.flags is not None and set(luks["flags"] or ()) != set(upkeep.flags)
