# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the block devices from /sys/class/block.

Source: Linux Documentation/ABI/stable/sysfs-block, Documentation/ABI/testing/sysfs-block-dm.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple, Optional

from .._base.tree import is_directory, names_in, read_line, resolve, under

CLASS = "/sys/class/block"
SECTOR = 512


class Block(NamedTuple):
    """One block device.

    :ivar name: kernel name, such as ``vda3`` or ``dm-0``.
    :ivar number: ``major:minor``.
    :ivar size_bytes: None if sysfs does not report it.
    :ivar slaves: names of the devices below it.
    :ivar holders: names of the devices on top of it.
    :ivar partitions: names of its partitions.
    :ivar dm_name: device-mapper name, None on other devices.
    :ivar dm_uuid: device-mapper uuid, such as ``CRYPT-LUKS2-...``, None on other devices.
    :ivar backing_file: the file behind a loop device, None on other devices.
    """

    name: str
    number: str
    size_bytes: Optional[int]
    slaves: tuple[str, ...]
    holders: tuple[str, ...]
    partitions: tuple[str, ...]
    dm_name: Optional[str]
    dm_uuid: Optional[str]
    backing_file: Optional[str]


class Blocks:
    """All block devices, each read on first use."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._names = names_in(root, CLASS)
        self._read: dict[str, Block] = {}

    def __iter__(self) -> Iterator[Block]:
        return iter([block for block in map(self.named, self._names) if block is not None])

    def named(self, name: str) -> Optional[Block]:
        """The block device with a kernel name."""
        if name not in self._read:
            if name not in self._names:
                return None
            self._read[name] = self._load(name)
        return self._read[name]

    def numbered(self, number: str) -> Optional[Block]:
        """The block device with a ``major:minor`` number."""
        return next((block for block in self if block.number == number), None)

    def at(self, path: str) -> Optional[Block]:
        """The block device at a path; for a regular file, the loop device on top of it, if there is one."""
        try:
            info = os.stat(under(self._root, path))
        except OSError:
            return None
        if stat.S_ISBLK(info.st_mode):
            return self.numbered(f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}")
        real = resolve(self._root, path)
        if real.startswith("/dev/"):
            return self.named(real[len("/dev/") :].replace("/", "!"))
        return next((block for block in self if block.backing_file == real), None)

    def lies_on(self, block: Block, prefixes: tuple[str, ...]) -> bool:
        """Whether the whole device lies on device-mapper targets whose uuids begin with one of the prefixes."""
        if (block.dm_uuid or "").startswith(prefixes):
            return True
        slaves = [self.named(name) for name in block.slaves]
        return bool(slaves) and all(slave is not None and self.lies_on(slave, prefixes) for slave in slaves)

    def disks_of(self, block: Block) -> set[str]:
        """The names of the whole disks that a device lies on: a thief of one of them has part of the device."""
        below = [each for each in map(self.named, block.slaves) if each is not None]
        below += [each for each in self if block.name in each.partitions]
        return {disk for each in below for disk in self.disks_of(each)} if below else {block.name}

    def _load(self, name: str) -> Block:
        base = f"{CLASS}/{name}"
        sectors = read_line(self._root, f"{base}/size")
        is_dm = is_directory(self._root, f"{base}/dm")
        return Block(
            name=name,
            number=read_line(self._root, f"{base}/dev") or "",
            size_bytes=int(sectors) * SECTOR if sectors is not None and sectors.isdecimal() else None,
            slaves=tuple(names_in(self._root, f"{base}/slaves")),
            holders=tuple(names_in(self._root, f"{base}/holders")),
            partitions=tuple(
                each
                for each in names_in(self._root, base)
                if each.startswith(name) and os.path.exists(under(self._root, f"{base}/{each}/partition"))
            ),
            dm_name=read_line(self._root, f"{base}/dm/name") if is_dm else None,
            dm_uuid=read_line(self._root, f"{base}/dm/uuid") if is_dm else None,
            backing_file=read_line(self._root, f"{base}/loop/backing_file") if name.startswith("loop") else None,
        )
