# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the boot chain: layout, keys, images, measurements, write protection, command line and console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .._base.tree import read_line, read_text
from .._boot import console
from .._boot import kernel_command_line as command_line
from .._disk.block_devices import Block, Blocks
from .._disk.mountinfo import Mount, mounted_at
from .._mount_tables.fstab import Line
from . import boot_layout as laid_out
from . import boot_measured as measured
from . import boot_trust as secure_boot
from . import boot_write_protection as hardware
from .boot_entry import booted, images

_IMA_POLICY = "/sys/kernel/security/ima/policy"


def collect(
    root: str,
    blocks: Blocks,
    mounts: Sequence[Mount],
    fstab: Sequence[Line],
    known: Sequence[str],
    found: Mapping[str, Sequence[str]],
    stub: Optional[str],
    cmdline: Optional[str],
) -> dict[str, Any]:
    """Collect the chain's part of the fact C(edgesec_boot).

    :param known: where boot file systems may be mounted.
    :param found: where others were found, each with the signs that identify it.
    """
    boot = booted(root)
    paths = [*known, *found]
    systems = laid_out.file_systems(root, blocks, mounts, fstab, known, found, boot)
    # Boot files without a file system of their own are also in these places.
    places = list(dict.fromkeys([*(each["path"] for each in systems), *sorted(paths)]))
    layout = laid_out.layout(root, mounts, places, stub)
    return {
        "layout": layout,
        "file_systems": systems,
        "on_root": _on_root([each["on_root"] for each in layout]),
        **secure_boot.collect(root),
        "images": images(root, blocks, mounts, boot),
        "measured": measured.collect(root),
        "dangers": None if cmdline is None else command_line.dangers(cmdline),
        "ima_appraises": _appraises(root, cmdline),
        "emmc": hardware.emmc_boot_partitions(root),
        "flash": hardware.flash(root),
        "partition_bits": hardware.partition_bits(root, blocks, _parts(blocks, mounts, systems)),
        "uboot_environment": laid_out.environment(root),
        "console": console.collect(root, layout),
    }


def _on_root(answers: Sequence[Optional[bool]]) -> Optional[bool]:
    """Whether any boot files share a file system with the applications; None if that is unknown of some."""
    if any(answers):
        return True
    return False if answers and None not in answers else None


def _parts(blocks: Blocks, mounts: Sequence[Mount], systems: Sequence[dict[str, Any]]) -> list[Block]:
    found = [mounted_at(mounts, each["path"]) for each in systems]
    devices = [blocks.numbered(mount.device) for mount in found if mount is not None and mount.fstype != "autofs"]
    return [block for block in devices if block is not None]


def _appraises(root: str, cmdline: Optional[str]) -> Optional[bool]:
    """Whether IMA refuses files with a wrong signature or digest, according to its policy or the command line.

    None if there is a policy that cannot be read.
    """
    if command_line.value(cmdline or "", "ima_appraise") in ("off", "log", "fix"):
        return False
    policy = read_text(root, _IMA_POLICY)
    if policy is not None:
        return any(line.split()[:1] == ["appraise"] for line in policy.splitlines())
    if read_line(root, "/sys/kernel/security/ima/runtime_measurements_count") is None:
        return False
    named = command_line.value(cmdline or "", "ima_policy") or ""
    return True if {"appraise_tcb", "secure_boot"} & set(named.split("|")) else None
