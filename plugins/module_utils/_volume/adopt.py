# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Adopt a LUKS volume made by something else: its data stays, and at every moment a proven key opens it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import EdgesecError, Refused
from .._luks import cryptsetup
from .._luks.allow_list import check
from .._luks.header import Header
from .._luks.on_device import describe
from .._luks.slots import BOOT_SLOTS, RECOVERY_SLOT
from .._storage.volume import Volume, label_of
from .._unlock.enrolment import announce_change
from .adjust import Upkeep, keep_up, retire
from .make import compressed, header_backup, header_copy, require_header, require_recovery

# Recovery key, and the two keyslots that the boot key and a rotation alternate between: no other key stays there.
_RESERVED = (RECOVERY_SLOT, *BOOT_SLOTS)
_LAST_SLOT = 31


class Keys(NamedTuple):
    """The available keys.

    :ivar existing: opens the volume now.
    :ivar recovery: will open the volume; after an interrupted adoption it may do so already.
    """

    existing: Optional[bytes]
    recovery: Optional[bytes]


def rehearse(volume: Volume, keys: Keys, upkeep: Upkeep) -> bytes:
    """Refuse what :func:`adopt` would refuse, and return a backup of the current header. Change nothing.

    :raises Refused: the volume cannot be adopted like this.
    :raises EdgesecError: its header cannot be converted to LUKS2.
    """
    with header_copy(volume.device) as copy:
        with open(copy, "rb") as file:
            as_it_is = file.read()
        if require_header(copy).version == 1:
            os.chmod(copy, 0o600)
            cryptsetup.convert(copy)
        _require_adoptable(volume.device, copy, keys, upkeep)
    return compressed(as_it_is)


def adopt(volume: Volume, keys: Keys, upkeep: Upkeep) -> bytes:
    """Adopt the volume, and return its header backup.

    The label is set last: until then the volume does not count as ours, and the next run continues where this ended.

    :raises EdgesecError: a tool or a proof failed; the keys that opened the volume still do.
    """
    device, recovery = volume.device, keys.recovery
    if recovery is None:
        raise EdgesecError(device, "cannot be adopted without a recovery key")
    if require_header(device).version == 1:
        cryptsetup.convert(device)
    _require_adoptable(device, device, keys, upkeep)
    announce_change(volume.name)
    if keys.existing is not None and keys.existing != recovery:
        _clear_reserved(device, keys.existing, upkeep.retire_keyslots)
    if not _opens_recovery_slot(device, recovery):
        existing = keys.existing or recovery
        if RECOVERY_SLOT in require_header(device).keyslots:
            retire(device, existing, [RECOVERY_SLOT])
        cryptsetup.add_key(device, existing, recovery, slot=RECOVERY_SLOT)
    keep_up(volume, recovery, upkeep)
    cryptsetup.set_label(device, label_of(volume.name), "")
    require_recovery(device, recovery)
    return header_backup(device)


def _require_adoptable(device: str, metadata: str, keys: Keys, upkeep: Upkeep) -> None:
    """Refuse a header that the unlocker would not accept, and keys that do not open the volume.

    :param metadata: the device, or a copy of its header.
    """
    header = require_header(metadata)
    wrong = check(metadata).refusals
    if wrong:
        raise Refused(
            device,
            f"its header would not be accepted at boot: {'; '.join(wrong)}",
            "Nothing was changed. Repair it with cryptsetup luksConvertKey or cryptsetup reencrypt, "
            "or copy the data to a new volume",
        )
    if keys.recovery is not None and _opens_recovery_slot(metadata, keys.recovery):
        return
    existing = keys.existing or keys.recovery
    if existing is None or not header.keyslots or not cryptsetup.opens(metadata, existing):
        raise Refused(
            device,
            "the given key opens none of its keyslots",
            "Nothing was changed. Give the key that opens the volume today (adopt_key_file or adopt_passphrase)",
        )
    if RECOVERY_SLOT not in header.keyslots or RECOVERY_SLOT in upkeep.retire_keyslots:
        return
    if not _opens_recovery_slot(metadata, existing):
        raise Refused(
            device,
            f"keyslot {RECOVERY_SLOT}, reserved for the recovery key, opens with a different key than the given one",
            "Nothing was changed. Give that key, or, if it is no longer needed, set "
            f'retire_keyslots: ["{RECOVERY_SLOT}"]',
        )


def _opens_recovery_slot(metadata: str, key: bytes) -> bool:
    return RECOVERY_SLOT in require_header(metadata).keyslots and cryptsetup.opens(metadata, key, slot=RECOVERY_SLOT)


def _clear_reserved(device: str, key: bytes, retired: Sequence[str]) -> None:
    """Move the operator's key out of our reserved keyslots."""
    header = require_header(device)
    held = [slot for slot in _RESERVED if slot in header.keyslots and cryptsetup.opens(device, key, slot=slot)]
    if not held:
        return
    kept = [slot for slot in _later(header) if slot not in retired]
    place = next((slot for slot in kept if cryptsetup.opens(device, key, slot=slot)), None)
    if place is None:
        place = _free_slot(device, header, retired)
        cryptsetup.add_key(device, key, key, slot=place, derivation=_derivation(header, held[0]))
        if not cryptsetup.opens(device, key, slot=place):
            raise EdgesecError(device, f"the key does not open its new keyslot {place}", "Its old keyslot still exists")
    _rebind_tokens(device, held, place)
    for slot in held:
        cryptsetup.kill_slot(device, slot, key)


def _later(header: Header) -> list[str]:
    return sorted((slot for slot in header.keyslots if slot not in _RESERVED), key=int)


def _free_slot(device: str, header: Header, retired: Sequence[str]) -> str:
    for number in range(len(_RESERVED), _LAST_SLOT + 1):
        if str(number) not in header.keyslots and str(number) not in retired:
            return str(number)
    raise Refused(device, "it has no free keyslot for the given key", "Retire one with retire_keyslots")


def _derivation(header: Header, slot: str) -> list[str]:
    """The options that make a key as hard to guess in another keyslot as in this one.

    The bounds are cryptsetup's: it rejects a lower forced cost.
    """
    found: dict[str, Any] = next(each for each in describe(header)["keyslots"] if each["id"] == slot)
    if found["kdf"] == "pbkdf2":
        return ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", str(max(1000, found["iterations"]))]
    # fmt: off
    return ["--pbkdf", found["kdf"], "--pbkdf-force-iterations", str(max(4, found["time"])),
            "--pbkdf-memory", str(max(32, found["memory_kib"])), "--pbkdf-parallel", str(found["cpus"])]
    # fmt: on


def _rebind_tokens(device: str, held: Sequence[str], place: str) -> None:
    """Point tokens from a keyslot that is about to be removed to the one with the same key."""
    for number, token in require_header(device).tokens.items():
        bound = [str(slot) for slot in token["keyslots"]]
        moved = list(dict.fromkeys(place if slot in held else slot for slot in bound))
        if moved != bound:
            cryptsetup.import_token(device, number, {**token, "keyslots": moved})
