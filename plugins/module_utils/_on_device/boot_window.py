# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Install and remove the boot window on a device: the program, the list of its mounts, and the hooks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NamedTuple

from .._base.files import sync_directory
from .._base.managed_files import Change, missing_files, writing
from .._base.systemd_reload import reloaded_after
from .._base.tree import read_text, under
from .._boot import window_hooks as hooks
from .._boot_window.journal import GOVERNED, governed_text
from .._disk.mountinfo import mounted_at, read_mounts
from .._mount_tables.fstab import FSTAB, find
from .._mount_tables.fstab import parse as parse_fstab
from .install import install, missing_library


class Plan(NamedTuple):
    """The files to write, and the files to remove (with their text)."""

    root: str
    governed: tuple[str, ...]
    changes: tuple[Change, ...]
    removed: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.removed)

    def diff(self) -> list[dict[str, str]]:
        """For Ansible's diff."""
        return [each.diff for each in (*self.changes, *self.removed)]

    def apply(self) -> None:
        """Apply the plan; the program is installed before the hooks that call it."""
        install(self.root, self.changes)
        with reloaded_after() if self.removed and self.root == "/" else nullcontext():
            for each in self.removed:
                with writing(each.path):
                    os.unlink(each.path)
                    sync_directory(os.path.dirname(each.path))


def look(paths: Sequence[str], root: str = "/") -> Plan:
    """Plan the boot window for the boot file systems at some paths; if there are none, plan its removal.

    :param paths: where boot file systems may be mounted. Paths neither mounted nor in fstab are left out.
    """
    mounts, fstab = read_mounts(root), parse_fstab(read_text(root, FSTAB) or "")
    plain = dict.fromkeys(os.path.normpath(path) for path in paths)
    governed = tuple(path for path in plain if mounted_at(mounts, path) is not None or find(fstab, path) is not None)
    if not governed:
        return Plan(root, (), (), tuple(_removals(root)))
    wanted = [(GOVERNED, governed_text(governed), 0o644)]
    wanted += [(path, hook.text, hook.mode) for hook, path in hooks.wanted(root)]
    return Plan(root, governed, (*missing_library(root), *missing_files(root, wanted)), ())


def _removals(root: str) -> list[Change]:
    paths = [*hooks.installed(root), *([GOVERNED] if os.path.lexists(under(root, GOVERNED)) else [])]
    # The program stays, since the unlocker may run from the same library; it has no mounts to manage any more.
    return [Change(under(root, path), read_text(root, path) or "", "", None) for path in paths]
