# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find boot file systems wherever an image mounts them: by partition type, by contents, and by name.

Sources: UEFI 2.10 section 5.3.3 and the Discoverable Partitions Specification (partition types); Mender (/uboot),
balenaOS (/mnt/boot) and the udev-extraconf of Yocto (/run/media/boot-mmcblk0p1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Optional

from .._base.tree import is_directory, names_in, read_text
from .._disk.mountinfo import Mount, mounted_at
from .._mount_tables.fstab import Line

# EFI system partition, in a GUID partition table and in a DOS one, and extended boot loader partition.
_TYPES = ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef", "bc13c2ff-59e6-4262-a352-b275fd6f7172")
_FAT = ("vfat", "msdos", "fat")
# Reading other types, such as network file systems, may take long or trigger a mount.
_LOOKED_INTO = (*_FAT, "exfat", "ext2", "ext3", "ext4", "btrfs", "xfs", "f2fs", "squashfs", "erofs")
_NAMES = re.compile(r"/(?:boot|efi|esp|uboot)\d*(?:/.+)?|/mnt/boot|/run/media/boot[^/]*")
# Where desktops mount removable media.
_PLUGGED_IN = re.compile(r"/media/.*|/run/media/[^/]+/.*")
_LOADERS = re.compile(
    r"grub2?|extlinux|syslinux|loader|boot\.scr(?:\.uimg)?|uenv\.txt|uboot\.env|armbianenv\.txt|extlinux\.conf", re.I
)
_FIRST_STAGE = re.compile(r"bootcode\.bin|start4?\.elf|u-boot\.(?:bin|img|itb)|mlo|tiboot3\.bin|boot\.bin", re.I)
_KERNELS = re.compile(r"vmlinu[xz].*|[bz]image.*|image(?:\.gz|-.*)?|uimage.*|fitimage.*|kernel\d*l?\.img", re.I)


def boot_places(
    root: str, mounts: Sequence[Mount], fstab: Sequence[Line], known: Sequence[str]
) -> Mapping[str, Sequence[str]]:
    """Find mount points of boot file systems other than the known ones, each with the signs that identify it.

    :param known: known mount points; a file system mounted there is not reported again elsewhere.
    """
    found: dict[str, list[str]] = {}
    seen = {mount.device for mount in (mounted_at(mounts, path) for path in known) if mount is not None}
    top = mounted_at(mounts, "/")
    seen |= {top.device} if top is not None else set()
    # A later mount covers an earlier one at the same place. One pass, because there may be thousands.
    topmost = {mount.mount_point: mount for mount in mounts}
    for path, mount in topmost.items():
        if path in known or mount.device in seen:
            continue
        signs = _signs(root, mount) if mount.root == "/" and mount.fstype in _LOOKED_INTO else []
        if signs:
            seen.add(mount.device)
            found[path] = signs
    for line in fstab:
        path = line.entry.mount_point if line.entry is not None else ""
        if path not in known and _NAMES.fullmatch(path) and path not in topmost:
            found.setdefault(path, [])
    return found


def _signs(root: str, mount: Mount) -> list[str]:
    signs = []
    path = mount.mount_point
    if _partition_type(root, mount.device) in _TYPES:
        signs.append("partition type")
    if not _PLUGGED_IN.fullmatch(path) and _has_boot_files(root, mount):
        signs.append("contents")
    if _NAMES.fullmatch(path):
        signs.append("mount table")
    return signs


def _partition_type(root: str, number: str) -> Optional[str]:
    """The partition type that udev recorded; None without a record."""
    text = read_text(root, f"/run/udev/data/b{number}") or ""
    match = re.search(r"^E:ID_PART_ENTRY_TYPE=(\S+)$", text, re.MULTILINE)
    return match.group(1).lower() if match else None


def _has_boot_files(root: str, mount: Mount) -> bool:
    path = mount.mount_point
    names = names_in(root, path)
    # Another root file system may have a kernel next to /etc, but its boot files are in /boot.
    if "etc" in names and "usr" in names:
        return False
    if any(each.lower() == "efi" and is_directory(root, f"{path}/{each}") for each in names):
        return True
    signs = (_LOADERS, _FIRST_STAGE, _KERNELS) if mount.fstype in _FAT else (_LOADERS, _KERNELS)
    return any(sign.fullmatch(name) for name in names for sign in signs)
