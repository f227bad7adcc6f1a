# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Change the options of a mounted file system, see mount(8)."""

from __future__ import annotations

from collections.abc import Sequence

from .._base.tools import run
from .mountinfo import Mount

# Each restriction, and the option that lifts it.
RESTRICTIONS = {"ro": "rw", "nosuid": "suid", "nodev": "dev", "noexec": "exec"}
# The flags of a mount that a remount clears unless it names them.
FLAGS = {*RESTRICTIONS, "nosymfollow", "noatime", "nodiratime"} - {"ro"}


def remount(mount: Mount, options: Sequence[str], *, bind: bool) -> None:
    """Change options of a mount; flags that are not named stay.

    :param bind: change only this mount; other mounts of the file system keep their options.
    :raises EdgesecError: mount(8) failed.
    """
    how = ["remount", "bind"] if bind else ["remount"]
    lifted = {option: restriction for restriction, option in RESTRICTIONS.items()}
    asked = {*options, *(lifted[option] for option in options if option in lifted)}
    kept = [flag for flag in mount.options if flag in FLAGS and flag not in asked]
    run(["mount", "-o", ",".join([*how, *options, *kept]), mount.mount_point])


def is_shared(mount: Mount, mounts: Sequence[Mount]) -> bool:
    """Whether the file system has other mount points (a bind mount, a btrfs subvolume)."""
    return any(other.device == mount.device and other.mount_point != mount.mount_point for other in mounts)
