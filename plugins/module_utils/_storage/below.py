# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find out where the data of a mount or swap ends up: dm-crypt, a device in clear, memory, or unknown.

Sources: Documentation/filesystems/overlayfs.rst, ubifs.rst and f2fs.rst of Linux, fs/xfs/xfs_super.c (logdev, rtdev),
fs/btrfs/sysfs.c (devices), fs/jbd2/journal.c (/proc/fs/jbd2), include/linux/f2fs_fs.h (devs), zram.rst (backing_dev).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Sequence
from typing import Optional

from .._base.tree import names_in, read_bytes, read_line, resolve, under
from .._disk.block_devices import CLASS, Block, Blocks
from .._disk.mountinfo import Mount, mount_around

ENCRYPTED, CLEAR, UNKNOWN, MEMORY, REMOTE = "encrypted", "clear", "unknown", "memory", "remote"

# cryptsetup's device-mapper uuid prefixes for mappings that encrypt (not those that only verify).
DM_CRYPT = ("CRYPT-LUKS", "CRYPT-PLAIN", "CRYPT-BITLK", "CRYPT-TCRYPT", "CRYPT-FVAULT2")
# fmt: off
_IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs", "hugetlbfs", "rootfs"))
# These store nothing: writes go to the kernel or to a process.
_KEEP_NOTHING = frozenset((
    "autofs", "bdev", "binder", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "cpuset", "debugfs", "devpts",
    "efivarfs", "fusectl", "functionfs", "ipathfs", "mqueue", "nfsd", "nsfs", "ocfs2_dlmfs", "pipefs", "proc", "pstore",
    "qibfs", "resctrl", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs", "sockfs", "spufs", "sysfs", "tracefs",
    "usbfs", "xenfs", "zonefs_ctl",
))
_ON_OTHER_MACHINES = frozenset((
    "9p", "afs", "ceph", "cifs", "coda", "davfs", "gfs2_nolock", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4",
    "orangefs", "smb2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs", "prl_fs",
))
# These are on raw flash, where dm-crypt cannot be used.
_ON_FLASH = frozenset(("jffs2", "ubifs", "yaffs", "yaffs2", "logfs"))
# fmt: on
_F2FS_AT = 1024
_F2FS_MAGIC = b"\x10\x20\xf5\xf2"
_F2FS_DEVICES = 2201
_F2FS_DEVICE = 68
_MOST_F2FS_DEVICES = 8


class Below:
    """Follows the mounts and swaps of a device down to what stores them."""

    def __init__(self, root: str, mounts: Sequence[Mount], blocks: Blocks) -> None:
        self._root = root
        self._mounts = mounts
        self._blocks = blocks

    def mount(self, mount: Mount, seen: frozenset[str] = frozenset()) -> str:
        """Where writes to a mount go: one of C(encrypted), C(clear), C(unknown), C(memory), C(remote)."""
        key = f"mount {mount.mount_id} {mount.mount_point}"
        if key in seen:
            return UNKNOWN
        seen = seen | {key}
        kind = mount.fstype
        if kind in _IN_MEMORY or kind in _KEEP_NOTHING:
            return MEMORY
        if kind in _ON_FLASH:
            return CLEAR
        if kind == "overlay":
            return self._overlay(mount, seen)
        devices = self._devices(mount)
        if devices:
            return _worst(self.block(each, seen) for each in devices)
        if kind in _ON_OTHER_MACHINES or kind.startswith("fuse"):
            return REMOTE
        return UNKNOWN

    def file(self, path: str, seen: frozenset[str] = frozenset()) -> str:
        """Where writes to a file go, see :meth:`mount`."""
        mount = mount_around(self._mounts, resolve(self._root, path))
        return UNKNOWN if mount is None else self.mount(mount, seen)

    def block(self, block: Optional[Block], seen: frozenset[str] = frozenset()) -> str:
        """Where writes to a block device go, see :meth:`mount`."""
        if block is None or block.name in seen:
            return UNKNOWN
        seen = seen | {block.name}
        if (block.dm_uuid or "").startswith(DM_CRYPT):
            return ENCRYPTED
        if block.name.startswith("zram"):
            backing = read_line(self._root, f"{CLASS}/{block.name}/backing_dev") or "none"
            return MEMORY if backing == "none" else self._file_or_device(backing, seen)
        if block.name.startswith("ram"):
            return MEMORY
        if block.name.startswith(("nbd", "rbd")):
            return REMOTE
        if block.backing_file:
            return self._file_or_device(block.backing_file, seen)
        below = [self._blocks.named(name) for name in block.slaves]
        below += [each for each in self._blocks if block.name in each.partitions]
        if below:
            return _worst(self.block(each, seen) for each in below)
        # sysfs does not list the lower device of DRBD as its slave.
        return UNKNOWN if block.name.startswith("drbd") else CLEAR

    def device_of(self, mount: Mount) -> Optional[Block]:
        """The block device that a mount names; for btrfs on several devices, one of them."""
        # btrfs reports an anonymous device number, but its source still names a device.
        block = self._blocks.numbered(mount.device)
        return self._blocks.at(mount.source) if block is None and mount.source.startswith("/dev/") else block

    def upper(self, mount: Mount) -> Optional[str]:
        """The directory that an overlay writes to; None if it is read-only."""
        options = [*mount.super_options, *mount.options]
        return next((option[len("upperdir=") :] for option in options if option.startswith("upperdir=")), None)

    def journals(self) -> list[Block]:
        """The devices that hold only the journal of an ext4 file system on another device."""
        found = (self._blocks.named(name) for name in names_in(self._root, "/proc/fs/jbd2"))
        return [block for block in found if block is not None]

    def _overlay(self, mount: Mount, seen: frozenset[str]) -> str:
        upper = self.upper(mount)
        return UNKNOWN if upper is None or not self.is_seen(upper) else self.file(upper, seen)

    def is_seen(self, upper: str) -> bool:
        """Whether the path of an upper directory exists here; an initramfs may have mounted it under another path."""
        return upper.startswith("/") and os.path.isdir(under(self._root, upper))

    def _file_or_device(self, path: str, seen: frozenset[str]) -> str:
        path = path[: -len(" (deleted)")] if path.endswith(" (deleted)") else path
        return self.block(self._blocks.at(path), seen) if path.startswith("/dev/") else self.file(path, seen)

    def _devices(self, mount: Mount) -> list[Optional[Block]]:
        """All block devices of a file system; None stands for an unknown one."""
        if mount.fstype == "bcachefs":
            return [self._blocks.at(path) for path in mount.source.split(":")]
        own = self.device_of(mount)
        if own is None:
            return []
        if mount.fstype == "btrfs":
            return self._btrfs(own)
        if mount.fstype == "f2fs":
            return [own, *self._f2fs(own)]
        paths = [option.split("=", 1)[1] for option in mount.super_options if option.startswith(("logdev=", "rtdev="))]
        return [own, *map(self._blocks.at, paths)]

    def _btrfs(self, own: Block) -> list[Optional[Block]]:
        for uuid in names_in(self._root, "/sys/fs/btrfs"):
            names = names_in(self._root, f"/sys/fs/btrfs/{uuid}/devices")
            if own.name in names:
                return [self._blocks.named(name) for name in names]
        return [own, None]

    def _f2fs(self, own: Block) -> list[Optional[Block]]:
        """The other devices, which the superblock names."""
        length = _F2FS_AT + _F2FS_DEVICES + _MOST_F2FS_DEVICES * _F2FS_DEVICE
        data = (read_bytes(self._root, f"/dev/{own.name.replace('!', '/')}", length) or b"")[_F2FS_AT:]
        if len(data) < length - _F2FS_AT or not data.startswith(_F2FS_MAGIC):
            return [None]
        entries = struct.iter_unpack("<64sI", data[_F2FS_DEVICES:])
        paths = [os.fsdecode(path.split(b"\0", 1)[0]) for path, _segments in entries]
        return [self._blocks.at(path) for path in paths if path]


def _worst(kinds: Iterable[str]) -> str:
    """The verdict on a whole, from the verdicts on its parts."""
    found = set(kinds)
    return next((kind for kind in (CLEAR, UNKNOWN, REMOTE, ENCRYPTED) if kind in found), MEMORY)
