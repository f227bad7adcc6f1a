# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Open a volume, make its file system once, and mount it by its mapper name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import Refused
from .._base.places import mapper_of, systemd_unit_of, unlock_unit_of
from .._base.tools import run
from .._disk.signatures import probe
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.on_device import UNUSED, header_of
from .._mount_tables.crypttab import CRYPTTAB, path_of, without
from .._mount_tables.fstab import Entry, find, parse, put_entry, set_options
from .._mount_tables.write import FSTAB, put_in_place, read_fstab, read_table, replace_table
from .._storage.volume import Volume
from .._unlock.enrolment import BY_CONTROLLER, BY_SYSTEMD, BY_TPM
from .checked_copy import checked_copy
from .make import observe, recovery_slot, require_recovery
from .plan import ADOPT, ENCRYPT_IN_PLACE, plan

# An option on a line whose file system is being encrypted in place; lists the other options added for that time.
GUARD = "x-edgesec.guard="

# Longer than the unlocker's TimeoutStartSec=; otherwise a volume that opens late stays unmounted:
# systemd waits 90 s for the device of a mount by default (systemd.mount(5)).
_WAIT = "x-systemd.device-timeout="
_WAIT_SECONDS = 180

OPEN, MAKE, WRITE, MOUNT, REMOUNT = "open", "make file system", "write fstab", "mount", "remount"
TAKE_OVER = "take out of crypttab"


class Mounting(NamedTuple):
    """How to mount a volume; C(unlock) says who opens it at boot."""

    volume: Volume
    options: tuple[str, ...]
    unlock: str
    fstype: str

    @property
    def mapper(self) -> str:
        """The device to mount."""
        return mapper_of(self.volume.name)

    @property
    def path(self) -> str:
        """The directory to mount it on."""
        return str(self.volume.mount)

    @property
    def unit(self) -> str:
        """The mount option that runs the volume's opener first."""
        return f"x-systemd.requires={opener_of(self.volume.name, self.unlock)}"

    @property
    def units_of_others(self) -> list[str]:
        """The same option for openers that do not apply here."""
        units = (f"x-systemd.requires={opener_of(self.volume.name, each)}" for each in (BY_TPM, BY_SYSTEMD))
        return [unit for unit in units if self.unlock == BY_CONTROLLER or unit != self.unit]


def opener_of(name: str, unlock: str) -> str:
    """The unit that opens a volume at boot."""
    return systemd_unit_of(name) if unlock == BY_SYSTEMD else unlock_unit_of(name)


class State(NamedTuple):
    """The current state, and the steps to a mounted volume."""

    mounting: Mounting
    header: Optional[Header]
    steps: list[str]
    fstab_before: str
    fstab_after: str
    crypttab_before: str = ""
    crypttab_after: str = ""

    @property
    def closed(self) -> bool:
        """Whether the volume is closed, so the recovery key is needed."""
        return OPEN in self.steps

    @property
    def uuid(self) -> str:
        """UUID of the LUKS2 volume, empty if there is none yet."""
        return self.header.uuid if self.header else ""

    @property
    def diff(self) -> list[dict[str, str]]:
        """The changes for Ansible's diff."""
        fstab = {"before_header": FSTAB, "after_header": FSTAB, "before": self.fstab_before, "after": self.fstab_after}
        crypttab = {
            "before_header": CRYPTTAB,
            "after_header": CRYPTTAB,
            "before": self.crypttab_before,
            "after": self.crypttab_after,
        }
        path = self.mounting.path
        steps = {
            "before_header": path,
            "after_header": path,
            "before": "",
            "after": "".join(f"{s}\n" for s in self.steps),
        }
        return [fstab, crypttab, steps] if self.steps else []

    def apply(self, key: bytes) -> None:
        """Take the steps; the next run can continue after any of them.

        :raises Refused: the volume does not exist yet.
        """
        mounting, device = self.mounting, self.mounting.volume.device
        if self.header is None:
            raise Refused(device, "it has no LUKS header", "Encrypt it first (edgesec.hardening.luks_volume)")
        if OPEN in self.steps:
            with checked_copy(device) as copy:
                require_recovery(copy or device, key)
                slot = recovery_slot(self.header)
                cryptsetup.open_volume(device, mounting.volume.name, key, header=copy, slot=slot)
        if MAKE in self.steps:
            _make_file_system(mounting, self.header)
        os.makedirs(mounting.path, mode=0o755, exist_ok=True)
        if WRITE in self.steps:
            put_in_place(self.fstab_before, self.fstab_after)
        # After fstab: a boot between the two still opens the volume through crypttab.
        if TAKE_OVER in self.steps:
            replace_table(self.crypttab_before, self.crypttab_after, CRYPTTAB)
        if MOUNT in self.steps:
            run(["mount", mounting.path])
        elif REMOUNT in self.steps:
            run(["mount", "-o", f"remount,{','.join(mounting.options)}", mounting.path])


def look(mounting: Mounting) -> State:
    """Plan the steps.

    :raises Refused: the device is not this volume, or something else prevents mounting it.
    """
    facts = observe(mounting.volume)
    intent = plan(facts, mounting.volume).intent
    fstab = read_fstab()
    if intent == ENCRYPT_IN_PLACE:
        # In check mode: the encryption will open and mount it.
        return State(mounting, None, [], fstab, fstab)
    header = header_of(mounting.volume.device) if intent is None else None
    wanted = fstab_with(fstab, mounting)
    steps = []
    if not _is_open(facts, mounting):
        steps.append(OPEN)
    if intent != ADOPT and (header is None or header.subsystem == UNUSED):
        steps.append(MAKE)
    if wanted != fstab:
        steps.append(WRITE)
    mount = facts["mount"]
    if mount is None:
        steps.append(MOUNT)
    elif mount["source"] != mounting.mapper:
        raise Refused(
            mounting.path,
            f"{mount['source']} is mounted there, not {mounting.mapper}",
            "Unmount it, or give the volume another directory",
        )
    elif not set(mounting.options) <= set(mount["options"]):
        steps.append(REMOUNT)
    crypttab = read_table(CRYPTTAB)
    numbers = _foreign_openers(facts, mounting)
    if numbers:
        steps.append(TAKE_OVER)
    return State(mounting, header, steps, fstab, wanted, crypttab, without(crypttab, numbers))


def _foreign_openers(facts: dict[str, Any], mounting: Mounting) -> list[int]:
    """The crypttab lines through which something else opens the volume at boot, bypassing our header check.

    :raises Refused: the system may need one of them to start, or one gives the volume's name to another device.
    """
    lines = [line for line in facts["crypttab"] if not _is_its_own(line, mounting)]
    for line in lines:
        where = f"line {line['line']}"
        if not line["opens_it"]:
            raise Refused(
                CRYPTTAB,
                f"{where} gives the name {mounting.volume.name} to {line['source']}",
                "Give the volume another name, or remove the line",
            )
        if line["early"]:
            raise Refused(
                CRYPTTAB,
                f"{where} makes the initramfs open {mounting.volume.device}, so the system may need it to start",
                "Nothing was changed. Do not declare this volume: the role opens volumes only once the system runs",
            )
    return [line["line"] for line in lines]


def _is_its_own(line: dict[str, Any], mounting: Mounting) -> bool:
    """Whether this is the line through which systemd should open the volume."""
    ours = line["opens_it"] and line["target"] == mounting.volume.name and not line["early"]
    return bool(ours) and mounting.unlock == BY_SYSTEMD


def _is_open(facts: dict[str, Any], mounting: Mounting) -> bool:
    mapping = facts["mapping"]
    if mapping is not None and mapping["path"] != mounting.mapper:
        raise Refused(
            mounting.volume.device,
            f"it is open as {mapping['path']}, not as {mounting.mapper}",
            "Close it, or give the volume that name",
        )
    return mapping is not None


def fstab_with(text: str, mounting: Mounting) -> str:
    """Add the volume's line to an fstab, keeping the options of an existing line.

    :raises Refused: a line mounts something else on its directory.
    """
    options = (*mounting.options, "nofail")
    line = find(parse(text), mounting.path, os.path.realpath)
    present = line.entry.options if line and line.entry else ()
    if mounting.unlock != BY_CONTROLLER:
        waits = any(option.startswith(_WAIT) for option in present)
        options += (mounting.unit,) if waits else (mounting.unit, f"{_WAIT}{_WAIT_SECONDS}")
    entry = Entry(mounting.mapper, mounting.path, mounting.fstype, options, 0, 2)
    if line is None or line.entry is None:
        return put_entry(text, entry, os.path.realpath)
    guarded = any(option.startswith(GUARD) for option in line.entry.options)
    if guarded or line.entry.source == mounting.volume.device or _is_inside(line.entry.source, mounting):
        kept = (*_without_guard(line.entry.options), *options)
        fstype = line.entry.fstype if line.entry.fstype != "auto" else mounting.fstype
        return put_entry(text, entry._replace(fstype=fstype, options=tuple(dict.fromkeys(kept))), os.path.realpath)
    if line.entry.source != mounting.mapper:
        raise Refused(
            FSTAB,
            f"line {line.number} mounts {line.entry.source} on {mounting.path}",
            "Remove the line, or give the volume another directory",
        )
    return set_options(text, mounting.path, add=options, drop=mounting.units_of_others, real=os.path.realpath)


def _is_inside(source: str, mounting: Mounting) -> bool:
    """Whether a source names the file system inside the open volume, by UUID or label."""
    path = path_of(source)
    return source != mounting.mapper and os.path.realpath(path) == os.path.realpath(mounting.mapper)


def _without_guard(options: Sequence[str]) -> list[str]:
    added = [each for option in options if option.startswith(GUARD) for each in option[len(GUARD) :].split("+")]
    return [option for option in options if not option.startswith(GUARD) and option not in added]


def _make_file_system(mounting: Mounting, header: Header) -> None:
    # After a power cut right after mkfs, the file system exists but the header is still marked unused.
    if not probe(mounting.mapper).something:
        run([f"mkfs.{mounting.fstype}", "-q", mounting.mapper], timeout=3600)
    cryptsetup.set_label(mounting.volume.device, header.label, "")
