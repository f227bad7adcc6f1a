# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The keyslot that opens a volume at boot: one at a time; a new one is added and proven before the old one goes."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError, Malformed, Refused
from .._base.files import sync_directory, write_atomic
from .._base.places import ENROLMENTS
from .._luks import cryptsetup
from .._luks.allow_list import Pins, pins_of
from .._luks.header import Header
from .._luks.slots import BOOT_SLOTS, RECOVERY_SLOT
from .._storage.volume import Volume
from .._unlock.enrolment import (
    BootToken,
    Enrolment,
    announce_change,
    boot_slots,
    boot_tokens,
    read_enrolment,
    write_enrolment,
)
from .._volume.make import require_bootable, require_header


class Place(NamedTuple):
    """Where to add a keyslot.

    :ivar metadata: the volume's device, or a file with its future header.
    :ivar root: prefix of the enrolment's path.
    """

    volume: Volume
    metadata: str
    root: str = "/"


def free_slot(place: Place, recovery_key: bytes) -> str:
    """Choose the keyslot for a new key. Remove one that a power cut left unfinished.

    :raises Refused: foreign keyslots are in the way, or the boot would not accept the header. Nothing was changed.
    """
    device = place.metadata
    require_bindable(place)
    _remove_unfinished(place, recovery_key)
    header = require_header(device)
    slot = next((slot for slot in BOOT_SLOTS if slot not in header.keyslots), None)
    if slot is not None:
        return slot
    stale = [slot for slot in boot_slots(header) if slot in BOOT_SLOTS and slot != _enrolled_slot(place, header)]
    if not stale:
        raise Refused(
            device,
            f"the keyslots {', '.join(BOOT_SLOTS)} are in use, but not for opening it at boot",
            f"Find out whose they are (cryptsetup luksDump {device}), and add one to the volume's retire_keyslots",
        )
    announce_change(place.volume.name, place.root)
    cryptsetup.kill_slot(device, stale[0], recovery_key)
    return stale[0]


def require_bindable(place: Place) -> None:
    """Refuse a header that the boot would not accept, whichever keyslot is added.

    :raises Refused: lists the broken rules.
    """
    require_bootable(place.volume.device, place.metadata, _pins(place, require_header(place.metadata)))


def bind(place: Place, token: BootToken, key: bytes, recovery_key: bytes) -> None:
    """Add a key to its token's keyslot, make the boot use it, and remove the previous one.

    :raises EdgesecError: the proof failed; the earlier keys still work.
    """
    device, slot = place.metadata, token.keyslot
    _begin(place, slot)
    cryptsetup.add_key(device, recovery_key, key, slot=slot)
    if not cryptsetup.opens(device, key, slot=slot):
        raise EdgesecError(
            device, f"the new key does not open keyslot {slot}", "The recovery key still opens keyslot 0"
        )
    current = token_id(require_header(device), slot)
    cryptsetup.import_token(device, current, token.to_json())
    header = require_header(device)
    write_enrolment(Enrolment(place.volume.name, place.volume.device, _pins(place, header), token), place.root)
    for stale in boot_slots(header):
        if stale not in (slot, RECOVERY_SLOT) and stale in header.keyslots:
            cryptsetup.kill_slot(device, stale, recovery_key)
    for number in boot_tokens(require_header(device)):
        if number != current:
            cryptsetup.remove_token(device, number)
    _end(place)


def _pins(place: Place, header: Header) -> Pins:
    # Pin both keyslots: a power cut while one replaces the other must not make the header look foreign.
    return pins_of(header)._replace(
        keyslots=tuple(sorted({RECOVERY_SLOT, *BOOT_SLOTS, *header.keyslots})),
        in_place=place.metadata != place.volume.device,
    )


def token_id(header: Header, slot: str) -> str:
    """The number for a keyslot's token: that of our existing token, or else a free one."""
    for number, data in boot_tokens(header).items():
        if [str(each) for each in data.get("keyslots") or []] == [slot]:
            return number
    return next(number for number in (slot, *map(str, range(32))) if number not in header.tokens)


def _enrolled_slot(place: Place, header: Header) -> Optional[str]:
    """The keyslot that the boot uses now, or None."""
    with suppress(Malformed):
        enrolment = read_enrolment(place.volume.name, place.root)
        if enrolment.pins.uuid == header.uuid:
            return enrolment.token.keyslot
    return None


def _intent(place: Place) -> str:
    """The path of a file that names the keyslot being added; after a power cut the next run removes that keyslot."""
    return os.path.join(place.root, ENROLMENTS, f"{place.volume.name}.adding")


def _begin(place: Place, slot: str) -> None:
    announce_change(place.volume.name, place.root)
    os.makedirs(os.path.dirname(_intent(place)), mode=0o755, exist_ok=True)
    write_atomic(_intent(place), slot.encode(), 0o644, os.geteuid(), os.getegid())


def _end(place: Place) -> None:
    os.unlink(_intent(place))
    sync_directory(os.path.dirname(_intent(place)))


def _remove_unfinished(place: Place, recovery_key: bytes) -> None:
    try:
        with open(_intent(place), encoding="ascii") as file:
            slot = file.read().strip()
    except FileNotFoundError:
        return
    header = require_header(place.metadata)
    if slot in BOOT_SLOTS and slot in header.keyslots and slot not in boot_slots(header):
        announce_change(place.volume.name, place.root)
        cryptsetup.kill_slot(place.metadata, slot, recovery_key)
    _end(place)
