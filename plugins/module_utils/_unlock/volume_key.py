# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the enrolment of a volume says of its volume key, before, while and after data is encrypted with another one."""

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
    """Have the unlocker take a header that has, or is re-encrypted to, another volume key; None takes that back.

    Before the header changes, so that whenever the power is cut it is not taken for a foreign one. A volume that does
    not open at boot has nobody to be told.

    :param fingerprint: of the volume key to come, or empty as long as it is not made.
    """
    if name in enrolled_names(root):
        enrolment = read_enrolment(name, root)
        if enrolment.pins.next_volume_key_fingerprint == fingerprint:
            return
        slots = (RECOVERY_SLOT, *BOOT_SLOTS, *(() if fingerprint is None else ROTATION_SLOTS))
        pins = enrolment.pins._replace(next_volume_key_fingerprint=fingerprint, keyslots=slots, header_digest=None)
        write_enrolment(enrolment._replace(pins=pins), root)


def settle(name: str, device: str, root: str = "/") -> None:
    """Note that all data of a volume is encrypted with its final key, so that its header may no longer say otherwise.

    Where this cannot be written, the next run of tpm_keyslot or token_keyslot does it.
    """
    with suppress(EdgesecError, OSError):
        enrolment, header = read_enrolment(name, root), header_of(device)
        if header is None or is_under_way(header):
            return
        settled = _settled(enrolment, header)
        if settled.token.keyslot != enrolment.token.keyslot:
            _place_token(settled, header)
        if settled != enrolment:
            write_enrolment(settled, root)


def _settled(enrolment: Enrolment, header: Header) -> Enrolment:
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
    """Have the token in the header name the keyslot, which the one before took along when it was removed."""
    ours = list(boot_tokens(header))
    for number in ours[1:]:
        cryptsetup.remove_token(enrolment.device, number)
    place = ours[0] if ours else next(str(number) for number in range(32) if str(number) not in header.tokens)
    cryptsetup.import_token(enrolment.device, place, enrolment.token.to_json())
