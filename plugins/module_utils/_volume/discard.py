# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Discard a device's data (blkdiscard(8)), and report what only a person can erase."""

from __future__ import annotations

import os
import re
import stat

from .._base.errors import EdgesecError, ToolFailed
from .._base.tools import run
from .._base.tree import read_line

_HOUR = 3600.0


def discard(device: str, begin: int) -> str:
    """Discard a device from a byte to its end, securely if possible; return in words what was done, or why not."""
    if not stat.S_ISBLK(os.stat(device).st_mode):
        return "left as ciphertext: it is not a block device"
    if _discard_limit(device) == "0":
        return "left as ciphertext: the device cannot discard"
    try:
        run(["blkdiscard", "--secure", "--offset", str(begin), device], timeout=_HOUR)
        return "discarded securely"
    except ToolFailed:
        pass
    try:
        run(["blkdiscard", "--offset", str(begin), device], timeout=_HOUR)
        return "discarded"
    except EdgesecError as error:
        return f"left as ciphertext: {error}"


def left_to_a_person(device: str) -> list[str]:
    """What the medium may still hold in blocks that no file or block command reaches."""
    name = os.path.basename(os.path.realpath(device))
    card = re.match(r"mmcblk\d+", name)
    if card:
        return [f"an eMMC keeps old blocks until it is sanitized: mmc sanitize /dev/{card.group()} (mmc-utils)"]
    drive = re.match(r"nvme\d+", name)
    if drive:
        return [
            "an NVMe drive keeps old blocks until it is sanitized, which erases all of it, the system included: "
            f"nvme sanitize /dev/{drive.group()} --sanact=2 (nvme-cli)"
        ]
    return []


def _discard_limit(device: str) -> str | None:
    name = os.path.basename(os.path.realpath(device))
    # A partition has no queue; its disk does.
    for queue in (f"/sys/class/block/{name}/queue", f"/sys/class/block/{name}/../queue"):
        limit = read_line("/", f"{queue}/discard_max_bytes")
        if limit is not None:
            return limit
    return None
