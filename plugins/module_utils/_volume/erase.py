# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Erase a LUKS2 volume permanently: close it, destroy its keys, discard its data, overwrite its header.

The header goes last: while it exists, the next run recognises the volume and continues.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Optional

from .._base.errors import EdgesecError, Refused, ToolFailed
from .._base.files import memory_directory, overwrite
from .._base.places import mapper_of
from .._base.tools import WAIT_SECONDS, run
from .._disk.block_devices import Blocks
from .._disk.mountinfo import read_mounts
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.on_device import header_of
from .._luks.reencryption import describes_reencryption
from .._mount_tables.crypttab import CRYPTTAB, without
from .._mount_tables.fstab import parse
from .._mount_tables.write import FSTAB, put_in_place, read_fstab, read_table, replace_table
from .._storage.volume import Volume
from .discard import discard, left_to_a_person
from .make import label_of, observe

DISCARD, OVERWRITE, KEEP = "discard", "overwrite", "keep"


class Remains(NamedTuple):
    """What is left of a volume on its device; C(header) is None if it was overwritten or never existed."""

    volume: Volume
    size: int
    header: Optional[Header]
    mapping: Optional[str]
    mounts: tuple[str, ...]
    fstab_before: str
    fstab_after: str
    crypttab_before: str
    crypttab_after: str

    @property
    def header_bytes(self) -> int:
        """Bytes before the data: both copies of the header, and the keyslots."""
        header = self.header
        return min(self.size, max(header.data_offset or 0, 2 * header.size)) if header else 0

    def steps(self, data: str) -> list[str]:
        """The steps in order, in words."""
        found = [f"unmount {path}" for path in self.mounts]
        if self.mapping:
            found.append(f"close {self.mapping}")
        if self.fstab_before != self.fstab_after:
            found.append(f"remove the volume from {FSTAB}")
        if self.crypttab_before != self.crypttab_after:
            found.append(f"remove the volume from {CRYPTTAB}")
        if self.header is not None:
            if self.header.keyslots:
                found.append(f"erase the keyslots {', '.join(sorted(self.header.keyslots))}")
            if data != KEEP:
                found.append(f"{data} the data" + (" if the device can" if data == DISCARD else ""))
            found.append(f"overwrite the header ({self.header_bytes} bytes)")
        return found


def look(volume: Volume, data: str) -> Remains:
    """Find out what is left of a volume.

    :param data: what to do with the data: C(discard), C(overwrite) or C(keep).
    :raises Refused: the device does not exist, or holds something other than our volume.
    """
    facts = observe(volume)
    device, luks = volume.device, facts["luks"]
    if not facts["exists"]:
        raise Refused(device, "there is no such device", f"Correct the device of the volume {volume.name}")
    if luks is None and not facts["blank"] and not _is_left(facts):
        held = ", ".join(str(each["type"]) for each in facts["signatures"] or []) or facts["reason"] or "something else"
        raise Refused(device, f"it holds {held}, not a LUKS2 volume", "Nothing was changed. Empty it by hand")
    if luks is not None and (luks["version"], luks["label"]) != (2, label_of(volume.name)):
        raise Refused(
            device,
            f"it holds a LUKS{luks['version']} volume that is not this one (label {luks['label']!r}, expected "
            f"{label_of(volume.name)!r})",
            "Nothing was changed. Use the volume's name from its label",
        )
    header = header_of(device) if luks is not None else None
    if header is not None and header.requirements and data != OVERWRITE:
        raise Refused(
            device,
            f"part of its data may be in clear, because it is being changed ({', '.join(header.requirements)})",
            "Let that end, or overwrite the data (decommission_data: overwrite)",
        )
    mapping = facts["mapping"]["path"] if facts["mapping"] else None
    fstab, crypttab = read_fstab(), read_table(CRYPTTAB)
    return Remains(
        volume=volume,
        size=int(facts["size_bytes"] or 0),
        header=header,
        mapping=mapping,
        mounts=_mounts_of(mapping) if mapping else (),
        fstab_before=fstab,
        fstab_after=_without(fstab, {mapper_of(volume.name), device, *([mapping] if mapping else [])}),
        crypttab_before=crypttab,
        crypttab_after=without(crypttab, [line["line"] for line in facts["crypttab"] if line["opens_it"]]),
    )


def _is_left(facts: dict[str, Any]) -> bool:
    """Whether the device may hold only kept ciphertext, behind zeros where the header was."""
    used = facts["partition_table"] or facts["holders"] or facts["mounted_at"] or facts["in_use_as"]
    sampled = facts["sample"]
    if used or facts["signatures"] or facts["reason"] or sampled is None:
        return False
    return bool(sampled["start_erased"])


def erase(remains: Remains, data: str, services: Sequence[str], recovery_key: Optional[bytes]) -> dict[str, Any]:
    """Take all steps; return their outcome for the erasure record.

    :param services: units to stop first.
    :param recovery_key: proven to open the volume before, and not to open its remains after; None if unknown.
    :raises EdgesecError: the volume is in use, or a part of it survived its destruction.
    """
    device = remains.volume.device
    _take_out_of_use(remains, services)
    if remains.header is None:
        return {}
    proof = _erase_keyslots(device, remains.header, recovery_key)
    begin = remains.header_bytes
    fate = "kept as ciphertext"
    if data == DISCARD:
        fate = discard(device, begin)
    elif data == OVERWRITE:
        overwrite(device, begin, remains.size)
        fate = "overwritten with zeros"
    overwrite(device, 0, begin)
    if header_of(device) is not None:
        raise EdgesecError(
            device, "a copy of the header survived being overwritten", "Do not trust this device to erase data"
        )
    return {
        "keyslots_erased": sorted(remains.header.keyslots),
        "recovery_key": proof,
        "data": fate,
        "header_bytes_overwritten": begin,
        "left_to_a_person": left_to_a_person(device),
    }


def _take_out_of_use(remains: Remains, services: Sequence[str]) -> None:
    if remains.mounts:
        for service in services:
            run(["systemctl", "stop", service], timeout=WAIT_SECONDS)
    for path in remains.mounts:
        try:
            run(["umount", path], timeout=WAIT_SECONDS)
        except ToolFailed as error:
            raise EdgesecError(
                path,
                f"cannot be unmounted ({error.stderr})",
                f"Stop what uses it (fuser -vm {path}), or add its units to the volume's services. "
                "Nothing was destroyed",
            ) from None
    if remains.mapping:
        cryptsetup.close_volume(os.path.basename(remains.mapping))
    # Before anything is destroyed, so a boot in between does not wait for the volume.
    if remains.fstab_before != remains.fstab_after:
        put_in_place(remains.fstab_before, remains.fstab_after)
    if remains.crypttab_before != remains.crypttab_after:
        replace_table(remains.crypttab_before, remains.crypttab_after, CRYPTTAB)


def _erase_keyslots(device: str, header: Header, key: Optional[bytes]) -> str:
    """Destroy the keyslots; return in words what the recovery key opened before and after.

    The proof joins the old metadata to the current keyslot areas: what the holder of a header copy could still try.
    """
    with memory_directory() as directory:
        copy = os.path.join(directory, "header")
        cryptsetup.backup_header(device, copy)
        os.chmod(copy, 0o600)
        opened = key is not None and bool(header.keyslots) and cryptsetup.opens(copy, key)
        cryptsetup.erase_keyslots(device)
        left = header_of(device)
        # A keyslot that describes a re-encryption stays; it holds no key.
        if left is None or not all(map(describes_reencryption, left.keyslots.values())):
            raise EdgesecError(device, "its keyslots survived being erased", "Do not trust this device to erase data")
        if key is None or not opened:
            return "was not tested, because it is not escrowed here" if key is None else "did not open it before either"
        _splice(copy, device, 2 * header.size)
        if cryptsetup.opens(copy, key):
            raise EdgesecError(
                device, "the recovery key still opens the erased keyslots", "Do not trust this device: destroy it"
            )
    return "opened it before, and opens nothing of it now"


def _splice(copy: str, device: str, begin: int) -> None:
    """Overwrite an old header copy, from a byte on, with what the device holds now."""
    with open(copy, "r+b") as target, open(device, "rb") as source:
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        end = target.seek(0, os.SEEK_END)
        target.seek(begin)
        source.seek(begin)
        target.write(source.read(end - begin))


def _mounts_of(mapping: str) -> tuple[str, ...]:
    """The mount points of a mapping, last mount first."""
    block = Blocks("/").at(mapping)
    with suppress(EdgesecError):
        mounts = read_mounts("/")
        return tuple(m.mount_point for m in reversed(mounts) if block is not None and m.device == block.number)
    return ()


def _without(fstab: str, sources: set[str]) -> str:
    return "".join(line.raw for line in parse(fstab) if line.entry is None or line.entry.source not in sources)
