# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Test and rotate the recovery key of a LUKS2 volume; at every moment a proven key opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from .._base.errors import EdgesecError, Refused
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.slots import BOOT_SLOTS, RECOVERY_SLOT
from .._storage.volume import Volume
from .._volume.make import require_header, require_recovery


def look(volume: Volume) -> Header:
    """Read the volume's header.

    :raises EdgesecError: the device cannot be read, or holds no LUKS2 volume.
    """
    try:
        header = require_header(volume.device)
    except OSError as error:
        raise EdgesecError(
            volume.device,
            f"cannot be read: {error.strerror}",
            f"Check the device of the volume {volume.name}; lsblk lists devices",
        ) from None
    if header.version != 2:
        raise Refused(
            volume.device, f"it holds a LUKS{header.version} volume", "Convert it with cryptsetup convert --type luks2"
        )
    return header


def test(device: str, key: bytes, next_key: Optional[bytes]) -> None:
    """Prove that the recovery key opens its keyslot; during a rotation, that either key opens any keyslot.

    :raises EdgesecError: it does not.
    """
    if next_key is not None and any(cryptsetup.opens(device, each) for each in (key, next_key)):
        return
    if RECOVERY_SLOT not in require_header(device).keyslots:
        raise EdgesecError(
            device,
            f"the recovery key's keyslot {RECOVERY_SLOT} is empty",
            "If another key still opens the volume, add this one by hand: cryptsetup luksAddKey --key-slot 0",
        )
    require_recovery(device, key)


def rotate(device: str, old: bytes, new: bytes) -> bool:
    """Replace the old recovery key by the new one; return whether anything had to change.

    Continues where an earlier attempt ended: the new key opens a spare keyslot before the old one loses its own,
    and keeps that until it has been proven in the recovery keyslot.

    :raises EdgesecError: neither key opens the volume, a proof failed, or a re-encryption is running.
    """
    header = require_header(device)
    if header.requirements:
        raise Refused(device, f"it is being changed ({', '.join(header.requirements)})", "Let that end, then run again")
    if header.unbound_keyslots:
        raise Refused(
            device,
            f"the keyslots {', '.join(header.unbound_keyslots)} have a volume key that no data is encrypted with",
            "If a rotation of the volume key was interrupted, run rotate.yml again with rotate_volume_key: true",
        )
    in_place = _opened_by(header, device, new) == [RECOVERY_SLOT]
    if in_place and not _opened_by(header, device, old):
        return False
    if not _opened_by(header, device, new):
        require_recovery(device, old)
        _add(device, old, new, _spare_slot(header, device))
    if RECOVERY_SLOT not in _opened_by(header, device, new):
        _free_recovery_slot(device, old, new)
        _add(device, new, new, RECOVERY_SLOT)
    header = require_header(device)
    for slot in {*_opened_by(header, device, new), *_opened_by(header, device, old)} - {RECOVERY_SLOT}:
        cryptsetup.kill_slot(device, slot, new)
    require_recovery(device, new)
    return True


def _free_recovery_slot(device: str, old: bytes, new: bytes) -> None:
    if RECOVERY_SLOT not in require_header(device).keyslots:
        return
    if not cryptsetup.opens(device, old, slot=RECOVERY_SLOT):
        raise Refused(
            device,
            f"keyslot {RECOVERY_SLOT} opens with neither the present recovery key nor the next one",
            f"Find out whose key that is (cryptsetup luksDump {device}), and move it to another keyslot",
        )
    cryptsetup.kill_slot(device, RECOVERY_SLOT, new)


def _add(device: str, existing: bytes, new: bytes, slot: str) -> None:
    cryptsetup.add_key(device, existing, new, slot=slot)
    if not cryptsetup.opens(device, new, slot=slot):
        raise EdgesecError(device, f"the next recovery key does not open keyslot {slot}", "The earlier keys still work")


def _opened_by(header: Header, device: str, key: bytes) -> list[str]:
    """The keyslots without a token that a key opens."""
    return [slot for slot in _unbound(header) if cryptsetup.opens(device, key, slot=slot)]


def _unbound(header: Header) -> Sequence[str]:
    bound = {
        str(slot) for token in header.tokens.values() if isinstance(token, dict) for slot in token.get("keyslots") or []
    }
    return sorted(set(header.keyslots) - bound)


def _spare_slot(header: Header, device: str) -> str:
    for slot in BOOT_SLOTS:
        if slot not in header.keyslots:
            return slot
    raise Refused(
        device,
        f"the keyslots {' and '.join(BOOT_SLOTS)} are in use, but one of them is needed to change the key",
        f"Find out whose they are (cryptsetup luksDump {device}), and add one to the volume's retire_keyslots",
    )
