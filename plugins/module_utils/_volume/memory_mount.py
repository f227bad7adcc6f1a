# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Mount tmpfs on a directory for temporary files, now or at the next boot."""

from __future__ import annotations

import os
from typing import NamedTuple

from .._base.errors import Refused
from .._base.tools import run
from .._disk.mountinfo import mounted_at, read_mounts
from .._mount_tables.fstab import Entry, find, parse, put_entry
from .._mount_tables.write import FSTAB, put_in_place, read_fstab
from .._storage.observe import place_of

WRITE, MOUNT = "write fstab", "mount"
_FSTYPE = "tmpfs"


class State(NamedTuple):
    """The current state, and the steps to a directory in memory; C(waits) says why it takes a reboot."""

    path: str
    steps: list[str]
    waits: str
    fstab_before: str
    fstab_after: str

    @property
    def diff(self) -> dict[str, str]:
        """The changes for Ansible's diff."""
        return {
            "before_header": FSTAB,
            "after_header": FSTAB,
            "before": self.fstab_before,
            "after": self.fstab_after,
        }

    def apply(self) -> None:
        """Take the steps."""
        if WRITE in self.steps:
            put_in_place(self.fstab_before, self.fstab_after)
        if MOUNT in self.steps:
            run(["mount", self.path])


def look(path: str, size: str) -> State:
    """Plan the steps.

    :raises Refused: something else is mounted there, or fstab says so.
    """
    fstab = read_fstab()
    steps, waits, wanted = [], "", fstab
    if not place_of("/", path)["memory"]:
        mount = mounted_at(read_mounts("/"), path)
        if mount is not None:
            raise Refused(path, f"{mount.source} ({mount.fstype}) is mounted there", "Unmount it, or leave it")
        wanted = with_line(fstab, path, size)
        if wanted != fstab:
            steps.append(WRITE)
        if not os.path.isdir(path):
            raise Refused(path, "is not a directory", "Create it")
        if os.listdir(path):
            waits = f"{path} is not empty: its contents stay on the disk, hidden once the next boot mounts tmpfs there"
        else:
            steps.append(MOUNT)
    return State(path, steps, waits, fstab, wanted)


def with_line(fstab: str, path: str, size: str) -> str:
    """Add a line to fstab that mounts tmpfs on a directory; an existing line stays as it is.

    :raises Refused: fstab mounts something else there.
    """
    line = find(parse(fstab), path, os.path.realpath)
    if line is not None and line.entry is not None:
        if line.entry.fstype != _FSTYPE:
            raise Refused(
                FSTAB, f"line {line.number} mounts {line.entry.source} on {path}", "Remove the line, or leave it"
            )
        return fstab
    options = ("nodev", "nosuid", "mode=1777", f"size={size}")
    return put_entry(fstab, Entry(_FSTYPE, path, _FSTYPE, options), os.path.realpath)
