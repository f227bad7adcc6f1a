# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe how the device boots: boot mounts, firmware, Secure Boot, measurements, and the root file system."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Optional

from .._base.tree import is_directory, json_clean, read_line, read_text, resolve, under
from .._boot.efi_variables import GLOBAL, LOADER, flag, path_of, string
from .._boot.kernel_command_line import without_secrets
from .._boot.window_hooks import window_facts
from .._disk.block_devices import Blocks
from .._disk.mountinfo import BOOT_PATHS, MOUNTINFO, Mount, mounted_at, read_mounts
from .._measured_boot.event_log import PATH as EVENT_LOG
from .._mount_tables.fstab import FSTAB
from .._mount_tables.fstab import parse as parse_fstab
from .._storage.observe import fstab_facts
from .boot_chain import collect as collect_chain
from .boot_places import boot_places
from .boot_trust import variable

LOCKDOWN = "/sys/kernel/security/lockdown"
CMDLINE = "/proc/cmdline"


def collect(root: str, more_paths: Sequence[str] = ()) -> dict[str, Any]:
    """Collect the fact C(edgesec_boot).

    :param more_paths: further places where boot file systems may be mounted, besides the usual ones and those
        recognised by contents. Places neither mounted nor in fstab are left out.
    :raises EdgesecError: the kernel's mount table cannot be read.
    """
    mounted = read_mounts(root)
    fstab = parse_fstab(read_text(root, FSTAB) or "")
    mounts = []
    real = partial(resolve, root)
    known = list(dict.fromkeys((*BOOT_PATHS, *more_paths)))
    places = boot_places(root, mounted, fstab, known)
    paths = [*known, *places]
    for path in sorted(paths):
        mount = {"path": path, "runtime": _runtime(mounted, path), "fstab": fstab_facts(fstab, path, real)}
        if mount["runtime"] is not None or mount["fstab"] is not None:
            mounts.append(mount)
    firmware = _firmware(root)
    cmdline = read_line(root, CMDLINE)
    blocks = Blocks(root)
    stub = variable(root, "StubInfo", LOADER, string)
    facts = {
        "schema": 1,
        "mounts": mounts,
        "windows": window_facts(root),
        "separate": any(mount["runtime"] is not None for mount in mounts),
        "firmware": firmware,
        "secure_boot": variable(root, "SecureBoot", GLOBAL, flag),
        "setup_mode": variable(root, "SetupMode", GLOBAL, flag),
        "uki": _unified(root, firmware, stub),
        "stub": stub,
        "cmdline": None if cmdline is None else without_secrets(cmdline),
        "event_log": os.path.exists(under(root, EVENT_LOG)),
        "root": _root(blocks, mounted),
        "lockdown": _chosen(read_line(root, LOCKDOWN)),
        **collect_chain(root, blocks, mounted, fstab, known, places, stub, cmdline),
        "source": [MOUNTINFO, FSTAB, "/sys/firmware", CMDLINE, EVENT_LOG, LOCKDOWN],
    }
    return dict(json_clean(facts))


def _runtime(mounted: Sequence[Mount], path: str) -> Optional[dict[str, Any]]:
    mount = mounted_at(mounted, path)
    if mount is None:
        return None
    return {"source": mount.source, "fstype": mount.fstype, "options": list(mount.effective_options)}


def _firmware(root: str) -> str:
    if is_directory(root, "/sys/firmware/efi"):
        return "uefi"
    return "devicetree" if is_directory(root, "/sys/firmware/devicetree/base") else "bios"


def _unified(root: str, firmware: str, stub: Optional[str]) -> Optional[bool]:
    """Whether the running kernel came from a unified kernel image: systemd-stub records that in a variable."""
    if stub is not None:
        return True
    if firmware == "uefi" and not is_directory(root, os.path.dirname(path_of("", ""))):
        return None
    return False


def _root(blocks: Blocks, mounted: Sequence[Mount]) -> dict[str, Any]:
    mount = mounted_at(mounted, "/")
    if mount is None:
        return {"source": None, "fstype": None, "options": [], "verified": None}
    block = blocks.numbered(mount.device) or (blocks.at(mount.source) if mount.source.startswith("/dev/") else None)
    verified = None
    if block is not None:
        verified = "dm-verity" if blocks.lies_on(block, ("CRYPT-VERITY-",)) else "none"
    return {
        "source": mount.source,
        "fstype": mount.fstype,
        "options": list(mount.effective_options),
        "verified": verified,
    }


def _chosen(line: Optional[str]) -> Optional[str]:
    """The word in brackets, as in C(none [integrity] confidentiality)."""
    if line is None or "[" not in line:
        return None
    return line.split("[", 1)[1].split("]", 1)[0]
