# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the write protection of boot storage in hardware and partition tables, and set it for eMMC.

Sources: Linux Documentation/driver-api/mmc/mmc-dev-parts.rst and Documentation/ABI/testing/sysfs-block-device (eMMC),
Documentation/ABI/testing/sysfs-class-mtd and include/uapi/mtd/mtd-abi.h (flags).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Optional

from .._base.errors import EdgesecError, Malformed
from .._base.tree import names_in, read_line, under
from .._boot.gpt import READ_ONLY, attributes, header
from .._disk.block_devices import CLASS, Block, Blocks

MTD = "/sys/class/mtd"
_MTD_WRITEABLE = 0x400
_EMMC_BOOT = re.compile(r"mmcblk\d+boot\d+")
_MTD_NAME = re.compile(r"mtd\d+")


def emmc_boot_partitions(root: str) -> list[dict[str, Any]]:
    """List the boot partitions of eMMC chips."""
    return [
        {
            "name": name,
            "read_only": _flag(root, f"{CLASS}/{name}/ro"),
            "force_ro": _flag(root, f"{CLASS}/{name}/force_ro"),
            "locked_until_power_on": _flag(root, f"{CLASS}/{name}/ro_lock_until_next_power_on"),
        }
        for name in names_in(root, CLASS)
        if _EMMC_BOOT.fullmatch(name)
    ]


def writable_emmc(root: str) -> list[str]:
    """List the writable eMMC boot partitions: something has lifted the protection that the kernel sets at boot."""
    return [each["name"] for each in emmc_boot_partitions(root) if each["force_ro"] is False and not each["read_only"]]


def make_emmc_read_only(name: str, root: str = "/") -> None:
    """Make the kernel refuse writes to a boot partition; root can lift that again.

    :raises EdgesecError: the kernel refused the setting.
    """
    path = f"{CLASS}/{name}/force_ro"
    try:
        with open(under(root, path), "w", encoding="ascii") as stream:
            stream.write("1")
    except OSError as error:
        raise EdgesecError(path, f"cannot be set to 1: {error.strerror}", "Set boot_mounts_emmc: false") from None


def flash(root: str) -> list[dict[str, Any]]:
    """List the memory technology devices (raw flash), and whether the kernel allows writing to them."""
    found = []
    for device in names_in(root, MTD):
        if not _MTD_NAME.fullmatch(device):
            continue
        flags = read_line(root, f"{MTD}/{device}/flags")
        try:
            writable: Optional[bool] = bool(int(flags or "", 0) & _MTD_WRITEABLE)
        except ValueError:
            writable = None
        found.append({"device": device, "name": read_line(root, f"{MTD}/{device}/name"), "writable": writable})
    return found


def partition_bits(root: str, blocks: Blocks, parts: Iterable[Block]) -> list[dict[str, Any]]:
    """Whether the partition table marks partitions as read-only; None without a GUID partition table."""
    return [
        {"partition": part.name, "read_only": _read_only_bit(root, blocks, part)}
        for part in {each.name: each for each in parts}.values()
    ]


def _read_only_bit(root: str, blocks: Blocks, part: Block) -> Optional[bool]:
    number = read_line(root, f"{CLASS}/{part.name}/partition") or ""
    disk = next((each.name for each in blocks if part.name in each.partitions), None)
    if disk is None or not number.isdecimal():
        return None
    size = read_line(root, f"{CLASS}/{disk}/queue/logical_block_size") or "512"
    try:
        block = int(size)
        with open(under(root, f"/dev/{disk}"), "rb", buffering=0) as stream:
            stream.seek(block)
            found = header(stream.read(block), block)
            stream.seek(found.at)
            bits = attributes(stream.read(found.length), found.size).get(int(number))
    except (Malformed, OSError, ValueError, OverflowError):
        return None
    return None if bits is None else bool(bits & READ_ONLY)


def _flag(root: str, path: str) -> Optional[bool]:
    return {"0": False, "1": True, "2": True}.get(read_line(root, path) or "")
