# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the boot's layout: its loaders, its file systems, and whether applications share them.

Sources: the Boot Loader Specification and the Boot Loader Interface (uapi-group.org, systemd.io), the manual of GRUB,
the Raspberry Pi documentation (config.txt), U-Boot's doc/develop/bootstd and tools/env/fw_env.config.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from .._base.tree import names_in, read_line, read_text, under
from .._boot.efi_variables import LOADER, string
from .._disk.block_devices import Blocks
from .._disk.mountinfo import Mount, mount_around, mounted_at
from .._mount_tables.fstab import Line
from .boot_entry import Booted, mount_of
from .boot_trust import variable

FW_ENV = "/etc/fw_env.config"
_UBOOT = "/sys/firmware/devicetree/base/chosen/u-boot,version"
# Files that identify a loader, relative to a directory of boot files; in the order of kinds in the fact.
_SIGNS = (
    ("systemd-boot", ("loader/loader.conf", "loader/entries.srel")),
    ("grub", ("grub/grub.cfg", "grub2/grub.cfg")),
    ("raspberry-pi", ("config.txt",)),
    ("extlinux", ("extlinux/extlinux.conf",)),
    ("u-boot", ("boot.scr", "boot.scr.uimg", "uEnv.txt", "uboot.env")),
)
_MENU = re.compile(r"^\s*(?:menuentry|submenu|blscfg|linux(?:efi)?|chainloader)\b", re.MULTILINE)
_FORWARDS = re.compile(r"^\s*(?:configfile|source|normal)\s", re.MULTILINE)
_RASPBERRY_PI = ("bootcode.bin", "start4.elf", "start.elf", "cmdline.txt", "boot.img")


def file_systems(
    root: str,
    blocks: Blocks,
    mounts: Sequence[Mount],
    fstab: Sequence[Line],
    known: Sequence[str],
    places: Mapping[str, Sequence[str]],
    boot: Booted,
) -> list[dict[str, Any]]:
    """List the file systems for boot files, each with the signs that identify it.

    :param known: where boot file systems may be mounted.
    :param places: where others were found, each with the signs that identify it.
    """
    found = {path: set(signs) for path, signs in places.items()}
    for path in (*known, *places):
        if mounted_at(mounts, path) is not None:
            found.setdefault(path, set()).add("mount table")
        if any(line.entry and os.path.normpath(line.entry.mount_point) == path for line in fstab):
            found.setdefault(path, set()).add("fstab")
    for partition in boot.partitions:
        mount = mount_of(root, blocks, mounts, partition)
        if mount is not None:
            found.setdefault(mount.mount_point, set()).add("firmware")
    return [
        {"path": path, "found_by": sorted(found[path]), "source": mount.source if mount is not None else None}
        for path, mount in ((path, mounted_at(mounts, path)) for path in sorted(found))
    ]


def layout(root: str, mounts: Sequence[Mount], places: Sequence[str], stub: Optional[str]) -> list[dict[str, Any]]:
    """List the loaders found, in the order in which they would start each other.

    :param places: directories that may hold boot files, mounted or not.
    :param stub: systemd-stub's name and version, present in a unified kernel image; None without one.
    """
    found = []
    said = variable(root, "LoaderInfo", LOADER, string) or ""
    if stub is not None:
        found.append(_entry("uki", None, None))
    for kind, signs in _SIGNS:
        paths = [f"{place}/{sign}" for place in places for sign in signs if _shows(root, kind, place, sign)][:1]
        if kind == "grub":
            paths += _menus_on_efi(root, places, beside=bool(paths))
        found += [_entry(kind, path, _lies_on_root(mounts, path)) for path in paths]
        if not paths and (said.lower().startswith(f"{kind} ") or (kind == "u-boot" and _has_uboot(root))):
            found.append(_entry(kind, None, None))
    return found


def _menus_on_efi(root: str, places: Sequence[str], *, beside: bool) -> Iterator[str]:
    """Yield the grub.cfg files in vendor directories on EFI system partitions that are menus themselves.

    Those that distributions put there only load the menu in C(/boot).

    :param beside: whether there is another menu; then only firmware's default directory counts.
    """
    for place in places:
        for efi in (name for name in names_in(root, place) if name.upper() == "EFI"):
            for vendor in names_in(root, f"{place}/{efi}"):
                path = f"{place}/{efi}/{vendor}/grub.cfg"
                text = read_text(root, path) if not beside or vendor.upper() == "BOOT" else None
                if text is not None and (_MENU.search(text) or not _FORWARDS.search(text)):
                    yield path


def environment(root: str) -> list[dict[str, Any]]:
    """Where U-Boot keeps its variables, from fw_printenv's configuration; empty without one."""
    found = []
    for line in (read_text(root, FW_ENV) or "").splitlines():
        fields = line.split()
        if len(fields) >= 3 and not fields[0].startswith("#"):
            found.append({"device": fields[0], "offset": fields[1], "size": fields[2]})
    return found


def _entry(kind: str, path: Optional[str], on_root: Optional[bool]) -> dict[str, Any]:
    return {"kind": kind, "path": path, "on_root": on_root}


def _has_uboot(root: str) -> bool:
    return read_line(root, _UBOOT) is not None or os.path.exists(under(root, FW_ENV))


def _shows(root: str, kind: str, place: str, sign: str) -> bool:
    if not os.path.isfile(under(root, f"{place}/{sign}")):
        return False
    # Other firmware also uses config.txt.
    return kind != "raspberry-pi" or any(os.path.isfile(under(root, f"{place}/{each}")) for each in _RASPBERRY_PI)


def _lies_on_root(mounts: Sequence[Mount], path: str) -> Optional[bool]:
    """Whether a file is on the root file system, with the applications."""
    mount = mount_around(mounts, path)
    top = mounted_at(mounts, "/")
    if mount is None or top is None or mount.fstype == "autofs":
        return None
    return mount.device == top.device
