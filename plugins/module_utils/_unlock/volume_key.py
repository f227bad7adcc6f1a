# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Update the volume key in the enrolment of a volume, before and after a rotation of that key."""

from __future__ import annotations

from contextlib import suppress
from typing import Optional

from .._base.errors import EdgesecError
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.on_device import header_of
from .._luks.reencryption import is_under_way
from .._luks.slots import BOOT_SLOTS, RECOVERY_SLOT, ROTATION_SLOTS
from .enrolment import Enrolment, boot_tokens, enrolled_names, read_enrolment, write_enrolment


def announce(name: str, fingerprint: Optional[str], root: str = "/") -> None:
    """Tell the unlocker to accept a header with another volume key, or one being re-encrypted to it.

    Call this before the header changes; otherwise a power cut would leave a header that the unlocker takes for a
    foreign one. Does nothing for a volume that is not enrolled.

    :param fingerprint: of the next volume key, or empty until that key exists; None withdraws the announcement.
    """
    if name in enrolled_names(root):
        enrolment = read_enrolment(name, root)
        if enrolment.pins.next_volume_key_fingerprint == fingerprint:
            return
        slots = (RECOVERY_SLOT, *BOOT_SLOTS, *(() if fingerprint is None else ROTATION_SLOTS))
        pins = enrolment.pins._replace(next_volume_key_fingerprint=fingerprint, keyslots=slots, header_digest=None)
        write_enrolment(enrolment._replace(pins=pins), root)


def record_final_key(name: str, device: str, root: str = "/") -> None:
    """Record that all data of a volume is encrypted with its final key; from then on its header must say so.

    If the enrolment cannot be written, the next run of tpm_keyslot or token_keyslot does it.
    """
    with suppress(EdgesecError, OSError):
        enrolment, header = read_enrolment(name, root), header_of(device)
        if header is None or is_under_way(header):
            return
        final = _final(enrolment, header)
        if final.token.keyslot != enrolment.token.keyslot:
            _place_token(final, header)
        if final != enrolment:
            write_enrolment(final, root)


def _final(enrolment: Enrolment, header: Header) -> Enrolment:
    """The enrolment after the re-encryption: it pins the new volume key and names the new keyslot."""
    pins, token = enrolment.pins._replace(in_place=False), enrolment.token
    if pins.next_volume_key_fingerprint and header.volume_key_fingerprint == pins.next_volume_key_fingerprint:
        pins = pins._replace(
            volume_key_fingerprint=pins.next_volume_key_fingerprint,
            next_volume_key_fingerprint=None,
            keyslots=(RECOVERY_SLOT, *BOOT_SLOTS),
        )
        (slot,) = set(header.keyslots) - {RECOVERY_SLOT}
        token = token._replace(keyslot=slot)
    return enrolment._replace(pins=pins, token=token)


def _place_token(enrolment: Enrolment, header: Header) -> None:
    """Write the token with the new keyslot: the reference to the old one went when that keyslot was removed."""
    ours = list(boot_tokens(header))
    for number in ours[1:]:
        cryptsetup.remove_token(enrolment.device, number)
    place = ours[0] if ours else next(str(number) for number in range(32) if str(number) not in header.tokens)
    cryptsetup.import_token(enrolment.device, place, enrolment.token.to_json())
