# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Re-encrypt an open volume with a new volume key, while it is in use; safe against power cuts.

Until the header records the re-encryption, everything can be undone, and the next attempt undoes it.
From then on both volume keys are needed, and the recovery key and the boot key each open both. Their keyslots for the
old volume key are removed at the end.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional

from .._base import background
from .._base.background import is_running, launch
from .._base.errors import EdgesecError, Refused
from .._base.places import mapper_of
from .._base.roll_back import Step, cause, go_back
from .._luks import cryptsetup
from .._luks.header import Header, fingerprint
from .._luks.libcryptsetup import add_next_volume_key, begin_reencryption
from .._luks.reencryption import Progress, is_rekeyed, is_under_way, progress_of
from .._luks.slots import BOOT_SLOTS, RECOVERY_SLOT, ROTATION_SLOTS
from .._storage.volume import Volume
from .._unlock.enrolment import boot_slots
from .._unlock.resume import FAILED, PREPARING, Report, last_report, report, work_of
from .._unlock.volume_key import announce
from .._volume.launch import install_library, wait_until_begun
from .._volume.make import require_header, require_recovery
from .boot_key import BootKey

# Not begun; begun, but no process works on it; running.
IDLE, BEGUN, RUNNING = "idle", "begun", "running"

# Holds the recovery key for the old volume key, so its own keyslot is free for the next volume key.
_ASIDE = ROTATION_SLOTS[0]


class State(NamedTuple):
    """The state of a volume and the progress of its rotation."""

    volume: Volume
    stage: str
    header: Header
    report: Report
    progress: Optional[Progress]

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        return {
            "stage": self.stage,
            **self.report.with_progress(self.progress),
            "uuid": self.header.uuid,
            "fingerprint": self.header.volume_key_fingerprint or "",
        }


def look(volume: Volume) -> State:
    """Examine the progress.

    :raises Refused: the volume is being encrypted for the first time.
    """
    header = require_header(volume.device)
    if is_under_way(header) and not is_rekeyed(header):
        raise Refused(volume.device, "it is being encrypted for the first time", "Let that end, then run again")
    progress = progress_of(header, volume.device)
    said = last_report(volume.name) or Report("")
    if is_running(work_of(volume.name)):
        return State(volume, RUNNING, header, Report(said.phase), progress)
    stage = BEGUN if is_under_way(header) else IDLE
    return State(volume, stage, header, said if said.phase == FAILED else Report(""), progress)


def require_rotatable(state: State) -> None:
    """Refuse a volume that cannot be rotated, or that would lose a key.

    :raises Refused: the volume is closed, or has keyslots that would no longer open anything.
    """
    volume, header = state.volume, state.header
    if not _is_open(volume):
        raise Refused(volume.device, f"the volume {volume.name} is closed", "Open it first: run unlock.yml or harden")
    others = sorted(set(header.keyslots) - {RECOVERY_SLOT, _ASIDE, *boot_slots(header), *header.unbound_keyslots})
    if state.stage == IDLE and others:
        raise _unknown(volume.device, others)


def begin(volume: Volume, recovery_key: bytes, boot_key: Optional[BootKey], root: str = "/") -> None:
    """Add the next volume key, and record in the header that the re-encryption has begun.

    :param boot_key: None for a volume that the controller opens.
    :raises EdgesecError: it failed; this or the next attempt restores the volume's former state.
    """
    device = volume.device
    take_back(volume, recovery_key, root)
    if boot_key is not None and not cryptsetup.opens(device, boot_key.value, slot=boot_key.slot):
        raise EdgesecError(
            device, f"the key that opens it at boot does not open keyslot {boot_key.slot}", "Run harden first"
        )
    try:
        _set_aside(volume, recovery_key, root)
        keys = {RECOVERY_SLOT: recovery_key}
        if boot_key is not None:
            keys[next(slot for slot in BOOT_SLOTS if slot != boot_key.slot)] = boot_key.value
        add_next_volume_key(device, keys)
        unproven = [slot for slot, key in keys.items() if not cryptsetup.opens(device, key, slot=slot)]
        if unproven:
            raise EdgesecError(device, f"the keyslots {', '.join(unproven)} do not open the next volume key")
        header = require_header(device)
        announce(volume.name, _next_fingerprint(header), root)
        begin_reencryption(
            device,
            volume.name if _is_open(volume) else None,
            recovery_key,
            old_slot=_ASIDE,
            new_slot=RECOVERY_SLOT,
            sector_size=header.sector_size or 512,
        )
    except EdgesecError as error:
        # One step: it removes each keyslot only after proving the other one.
        step = Step(device, lambda: take_back(volume, recovery_key, root))
        raise cause(error, go_back([step])) from None


def start(volume: Volume, recovery_key: bytes) -> None:
    """Continue in the background, after the caller has returned."""
    report(volume.name, Report(PREPARING))
    command = launch("_unlock.resume", install_library(), volume.name, volume.device)
    background.start(work_of(volume.name), command, recovery_key)
    wait_until_begun(volume.name)


def take_back(volume: Volume, recovery_key: bytes, root: str = "/") -> None:
    """Undo a rotation that the header does not record yet.

    :raises EdgesecError: the recovery key does not open its keyslot; the earlier keys still work.
    """
    device = volume.device
    header = require_header(device)
    if is_under_way(header):
        return
    for slot in header.unbound_keyslots:
        cryptsetup.kill_slot(device, slot, recovery_key)
    slots = require_header(device).keyslots
    if RECOVERY_SLOT not in slots and _ASIDE in slots:
        cryptsetup.add_key(device, recovery_key, recovery_key, slot=RECOVERY_SLOT)
    require_recovery(device, recovery_key)
    if _ASIDE in slots:
        if not cryptsetup.opens(device, recovery_key, slot=_ASIDE):
            raise _unknown(device, [_ASIDE])
        cryptsetup.kill_slot(device, _ASIDE, recovery_key)
    announce(volume.name, None, root)


def _is_open(volume: Volume) -> bool:
    return os.path.exists(mapper_of(volume.name))


def _set_aside(volume: Volume, recovery_key: bytes, root: str) -> None:
    """Free the recovery key's keyslot for the next volume key."""
    device = volume.device
    announce(volume.name, "", root)
    cryptsetup.add_key(device, recovery_key, recovery_key, slot=_ASIDE)
    if not cryptsetup.opens(device, recovery_key, slot=_ASIDE):
        raise EdgesecError(device, f"the recovery key does not open keyslot {_ASIDE}", "It still opens its own")
    cryptsetup.kill_slot(device, RECOVERY_SLOT, recovery_key)


def _next_fingerprint(header: Header) -> str:
    (digest,) = [digest for digest in header.digests.values() if not digest.get("segments")]
    return str(fingerprint(digest))


def _unknown(device: str, slots: list[str]) -> Refused:
    return Refused(
        device,
        f"the keyslots {', '.join(slots)} have unknown keys, which would no longer open anything",
        f"Find out whose they are (cryptsetup luksDump {device}), and add them to the volume's retire_keyslots",
    )
