# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe storage: the declared volumes, other file systems written in clear, and swap."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, Callable, Optional

from .._base.places import mapper_of
from .._base.tree import json_clean, read_whole, resolve, under
from .._disk.block_devices import Block, Blocks
from .._disk.mountinfo import MOUNTINFO, Mount, decode_octal, mount_around, mounted_at, read_mounts
from .._mount_tables.crypttab import CRYPTTAB, links_of, path_of
from .._mount_tables.crypttab import Line as CrypttabLine
from .._mount_tables.crypttab import parse as parse_crypttab
from .._mount_tables.crypttab_readers import INITRAMFS, Readers, ignored_options, installed, reader_of
from .._mount_tables.fstab import FSTAB, Line, first_for
from .._mount_tables.fstab import parse as parse_fstab
from .below import CLEAR, ENCRYPTED, MEMORY, UNKNOWN, Below
from .contents import look_inside
from .volume import Volume

SWAPS = "/proc/swaps"
_HOLDER_USES = (("md", "md"), ("bcache", "bcache"), ("drbd", "drbd"))
_DM_USES = (("LVM-", "lvm"), ("mpath-", "multipath"), ("CRYPT-VERITY-", "dm-verity"))


class _Device:
    """What is known about a device apart from its volumes; each part is read on first use."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.mounts = read_mounts(root)

    @cached_property
    def blocks(self) -> Blocks:
        return Blocks(self.root)

    @cached_property
    def below(self) -> Below:
        return Below(self.root, self.mounts, self.blocks)

    @cached_property
    def fstab(self) -> list[Line]:
        return parse_fstab(read_whole(self.root, FSTAB))

    @cached_property
    def crypttab(self) -> list[CrypttabLine]:
        return parse_crypttab(read_whole(self.root, CRYPTTAB))

    @cached_property
    def readers(self) -> Readers:
        return installed(self.root)

    @cached_property
    def swaps(self) -> list[str]:
        lines = read_whole(self.root, SWAPS).split("\n")[1:]
        return [decode_octal(line.split()[0]) for line in lines if line.split()]

    def mounts_of(self, block: Optional[Block], real: str) -> list[Mount]:
        return [
            mount
            for mount in self.mounts
            if (block is not None and mount.device == block.number)
            or (mount.source.startswith("/") and resolve(self.root, mount.source) == real)
        ]

    def mappings_of_the_system(self) -> set[str]:
        """Names of the device-mapper devices below C(/) and C(/usr), which the initramfs sets up."""
        mounts = filter(None, (mounted_at(self.mounts, path) for path in ("/", "/usr")))
        below = {block.name for block in map(self.below.device_of, mounts) if block is not None}
        names: set[str] = set()
        while below:
            block = self.blocks.named(below.pop())
            if block is not None:
                below.update(block.slaves)
                names.update([block.dm_name] if block.dm_name else [])
        return names


def collect(root: str, volumes: Sequence[Volume]) -> dict[str, Any]:
    """The fact C(edgesec_storage).

    :raises EdgesecError: the kernel's mount table cannot be read.
    """
    device = _Device(root)
    facts = {
        "schema": 1,
        "volumes": [_volume(device, volume) for volume in volumes],
        "crypttab": [_crypttab_line(device, line) for line in device.crypttab],
        "plain_writable_mounts": _plain_writable_mounts(device),
        "swap": [_swap(device, path) for path in device.swaps if _kind_of_swap(device, path) != MEMORY],
        "source": [MOUNTINFO, FSTAB, CRYPTTAB, SWAPS, "/sys/class/block"],
    }
    return dict(json_clean(facts))


def place_of(root: str, path: str) -> dict[str, Any]:
    """Find out whether a directory is in memory, on dm-crypt or neither; C(None) if unknown.

    :raises EdgesecError: the kernel's mount table cannot be read.
    """
    device = _Device(root)
    mount = mount_around(device.mounts, resolve(root, path))
    facts: dict[str, Any] = {
        "path": path,
        "memory": None,
        "encrypted": None,
        "writable": None,
        "reason": None,
        "source": [MOUNTINFO],
    }
    if mount is None or mount.fstype == "autofs":
        facts["reason"] = f"the mount that contains {path} is not known"
        return facts
    kind = device.below.mount(mount)
    facts["memory"] = kind == MEMORY
    facts["writable"] = "ro" not in mount.effective_options
    if kind in (ENCRYPTED, CLEAR):
        facts["encrypted"] = kind == ENCRYPTED
    elif not facts["memory"]:
        facts["reason"] = f"the device below {mount.mount_point} ({mount.fstype} on {mount.source}) is not known"
    return facts


def _volume(device: _Device, volume: Volume) -> dict[str, Any]:
    path = under(device.root, volume.device)
    facts: dict[str, Any] = {
        "name": volume.name,
        "device": volume.device,
        "exists": os.path.exists(path),
        "realpath": None,
        "size_bytes": None,
        "blank": None,
        "signatures": None,
        "sample": None,
        "named_by": [],
        "parts_elsewhere": None,
        "partition_table": False,
        "partition_table_uuid": None,
        "partitions_in_use": [],
        "holders": [],
        "mounted_at": [],
        "in_use_as": [],
        "interrupted": False,
        "luks": None,
        "key_file": None,
        "mapping": None,
        "mount": _mount_at(device, volume.mount),
        "fstab": fstab_facts(device.fstab, volume.mount, partial(resolve, device.root)),
        "crypttab": [],
        "reason": None,
        "source": [volume.device],
    }
    if not facts["exists"]:
        facts["reason"] = "there is no such device"
        return facts
    mode = os.stat(path).st_mode
    if not (stat.S_ISBLK(mode) or stat.S_ISREG(mode)):
        facts["reason"] = "it is neither a block device nor a regular file"
        return facts
    real = resolve(device.root, volume.device)
    block = device.blocks.at(volume.device)
    facts["realpath"] = real
    facts["size_bytes"] = block.size_bytes if block is not None else os.path.getsize(path)
    if block is not None:
        facts["holders"] = list(block.holders)
        facts["partition_table"] = bool(block.partitions)
        facts["partitions_in_use"] = _partitions_in_use(device, block)
        facts["mapping"] = _mapping(device, block)
    facts["mounted_at"] = sorted({mount.mount_point for mount in device.mounts_of(block, real)})
    facts["in_use_as"] = _uses(device, block, real)
    look_inside(device.root, path, block, facts)
    facts["crypttab"] = _crypttab(device, volume, real, facts["luks"]["uuid"] if facts["luks"] else None)
    return facts


def _opens(device: _Device, source: str, real: str, uuid: Optional[str]) -> bool:
    return source == f"UUID={uuid}" or any(
        resolve(device.root, path) == real for path in (*links_of(source), path_of(source))
    )


def _crypttab(device: _Device, volume: Volume, real: str, uuid: Optional[str]) -> list[dict[str, Any]]:
    """The lines of crypttab that open the device, or use the name of the volume."""
    found = []
    for line in device.crypttab:
        opens_it = any(_opens(device, each.source, real, uuid) for each in line.readings)
        if opens_it or volume.name in [each.target for each in line.readings]:
            found.append(
                {
                    "line": line.number,
                    "target": line.target,
                    "source": line.source,
                    "options": list(line.options),
                    "opens_it": opens_it,
                    "early": line.is_early,
                }
            )
    return found


def _crypttab_line(device: _Device, line: CrypttabLine) -> dict[str, Any]:
    """A line of crypttab, with the program that reads it at boot and the options that this program ignores."""
    reader = reader_of(line, device.readers, device.mappings_of_the_system())
    if reader == INITRAMFS and line.elsewise is not None:
        line = line.elsewise
    return {
        "line": line.number,
        "target": line.target,
        "source": line.source,
        "options": list(line.options),
        "reader": reader,
        "ignored_options": ignored_options(line, reader, device.readers.version),
    }


def _mapping(device: _Device, block: Block) -> Optional[dict[str, Any]]:
    for holder in map(device.blocks.named, block.holders):
        if holder is not None and (holder.dm_uuid or "").startswith("CRYPT-LUKS"):
            return {"path": f"/dev/mapper/{holder.dm_name}", "uuid": holder.dm_uuid}
    return None


def _uses(device: _Device, block: Optional[Block], real: str) -> list[str]:
    """What uses the device, apart from file systems and LUKS mappings."""
    found = {"swap" for path in device.swaps if resolve(device.root, path) == real}
    for name in block.holders if block is not None else ():
        holder = device.blocks.named(name)
        uuid = (holder.dm_uuid if holder is not None else None) or ""
        found.update(use for prefix, use in _HOLDER_USES if name.startswith(prefix))
        found.update(use for prefix, use in _DM_USES if uuid.startswith(prefix))
    # The kernel does not list a loop device among the holders of its backing device.
    if any(each.backing_file and resolve(device.root, each.backing_file) == real for each in device.blocks):
        found.add("loop")
    return sorted(found)


def _partitions_in_use(device: _Device, block: Block) -> list[str]:
    """Describe the use of each partition that is mounted, held or swapped to."""
    found = []
    for part in filter(None, map(device.blocks.named, block.partitions)):
        real = f"/dev/{part.name}"
        uses = [f"mounted at {mount.mount_point}" for mount in device.mounts_of(part, real)]
        uses += [f"held by {holder}" for holder in part.holders]
        uses += [f"in use as {use}" for use in _uses(device, part, real)]
        found += [f"its partition {part.name} {use}" for use in uses]
    return found


def _mount_at(device: _Device, mount_point: Optional[str]) -> Optional[dict[str, Any]]:
    mount = mounted_at(device.mounts, mount_point) if mount_point else None
    if mount is None or mount.fstype == "autofs":
        return None
    block = device.blocks.numbered(mount.device)
    return {
        "path": mount.mount_point,
        "source": mapper_of(block.dm_name) if block is not None and block.dm_name else mount.source,
        "fstype": mount.fstype,
        "options": list(mount.effective_options),
    }


def fstab_facts(
    lines: Sequence[Line], mount_point: Optional[str], real: Callable[[str], str] = str
) -> Optional[dict[str, Any]]:
    """The line of fstab that applies to a mount point, as facts; a disputed line has no options.

    :param real: resolves the symbolic links in a path.
    """
    if not mount_point:
        return None
    line = first_for(lines, mount_point, real)
    if line is None:
        return None
    if line.entry is None:
        # No option is certain.
        return {"source": line.seen[0].source, "options": [], "line": line.number}
    return {"source": line.entry.source, "options": list(line.entry.options), "line": line.number}


def _plain_writable_mounts(device: _Device) -> list[dict[str, Any]]:
    """One writable mount for each device that is in clear, or not known to be on dm-crypt."""
    found: dict[str, dict[str, Any]] = {}
    for mount in device.mounts:
        if "ro" in mount.effective_options or _writes_to_another(device, mount):
            continue
        kind = device.below.mount(mount)
        block = device.below.device_of(mount)
        key = f"{mount.device} {mount.source}" if block is None else block.name
        if kind in (CLEAR, UNKNOWN) and key not in found:
            found[key] = _plain(mount.mount_point, mount.source, mount.fstype, kind)
    for block in device.below.journals():
        kind = device.below.block(block)
        if kind in (CLEAR, UNKNOWN):
            found[f"journal {block.name}"] = _plain("(a journal)", f"/dev/{block.name}", "jbd2", kind)
    return sorted(found.values(), key=lambda each: str(each["path"]))


def _plain(path: str, source: str, fstype: str, kind: str) -> dict[str, Any]:
    return {"path": path, "source": source, "fstype": fstype, "encrypted": False if kind == CLEAR else None}


def _writes_to_another(device: _Device, mount: Mount) -> bool:
    """Whether a mount is an overlay that writes nowhere, or to another mount that is judged separately."""
    if mount.fstype != "overlay":
        return False
    upper = device.below.upper(mount)
    if upper is None:
        return True
    if not device.below.is_seen(upper):
        return False
    around = mount_around(device.mounts, resolve(device.root, upper))
    return around is not None and around.fstype != "overlay" and "ro" not in around.effective_options


def _kind_of_swap(device: _Device, path: str) -> str:
    block = device.blocks.at(path)
    return device.below.file(path) if block is None else device.below.block(block)


def _swap(device: _Device, path: str) -> dict[str, Any]:
    kind = _kind_of_swap(device, path)
    return {"device": path, "encrypted": kind == ENCRYPTED if kind in (ENCRYPTED, CLEAR) else None}
