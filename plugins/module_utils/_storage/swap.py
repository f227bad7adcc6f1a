# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the declared swap devices: what they hold, and what else uses them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from .._base.places import WANTS
from .._base.tree import json_clean, read_bytes, read_text, resolve, under
from .._mount_tables.fstab import FSTAB
from .._mount_tables.fstab import parse as parse_fstab
from .._unlock.swap_device import Swap, is_active, is_being_wiped, mapping_of, path_of
from .observe import collect as collect_storage
from .volume import Volume

_COMMAND_LINE = "/proc/cmdline"
_INITRAMFS_RESUME = "/etc/initramfs-tools/conf.d/resume"
_LINKS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel"}


def declared_swap(root: str, swaps: Sequence[Swap]) -> list[dict[str, Any]]:
    """The facts of declared swap devices."""
    return list(json_clean([_declared(root, swap) for swap in swaps]))


def leads_to(root: str, source: str, contents: dict[str, Any]) -> bool:
    """Whether a source from fstab or the kernel's command line is the device that these facts describe."""
    tag, separator, value = source.partition("=")
    value = value.strip('"')
    if not separator or tag not in _LINKS:
        return source.startswith("/") and resolve(root, source) == contents["realpath"]
    # blkid's result is current at once; udev's links follow a moment later.
    written = [signature.get(tag.lower()) for signature in contents["signatures"] or []]
    return value in written or resolve(root, f"/dev/disk/{_LINKS[tag]}/{value}") == contents["realpath"]


def _declared(root: str, swap: Swap) -> dict[str, Any]:
    mapped = mapping_of(swap, root) is not None
    facts: dict[str, Any] = {
        "name": swap.name,
        "device": swap.device,
        "mapped": mapped,
        "active": mapped and is_active(swap, root),
        "at_boot": _is_at_boot(root, swap),
        "contents": None,
        "wiping": False,
        "fstab": [],
        "resume": None,
        "source": ["/proc/swaps", path_of(swap.name), FSTAB, _COMMAND_LINE, _INITRAMFS_RESUME],
    }
    # The mapping holds only our own swap, and looking into it would cost two programs in every audit.
    if not mapped:
        contents = collect_storage(root, [Volume(swap.name, swap.device)])["volumes"][0]
        facts["contents"] = contents
        facts["wiping"] = contents["sample"] is not None and is_being_wiped(under(root, swap.device))
        facts["fstab"] = [
            line.number
            for line in parse_fstab(read_text(root, FSTAB) or "")
            if line.entry and line.entry.fstype == "swap" and leads_to(root, line.entry.source, contents)
        ]
        facts["resume"] = next((each for each in _resumes(root) if leads_to(root, each, contents)), None)
    return facts


def _is_at_boot(root: str, swap: Swap) -> bool:
    link = f"{WANTS}/edgesec-swap@{swap.name}.service"
    return read_bytes(root, path_of(swap.name)) == swap.to_bytes() and os.path.islink(under(root, link))


def _resumes(root: str) -> Iterable[str]:
    """The devices that the system is configured to resume from after hibernation."""
    for word in (read_text(root, _COMMAND_LINE) or "").split():
        if word.startswith("resume="):
            yield word[len("resume=") :]
    for line in (read_text(root, _INITRAMFS_RESUME) or "").splitlines():
        found: Optional[re.Match[str]] = re.fullmatch(r"\s*RESUME=[\"']?([^\"']*)[\"']?\s*", line)
        if found:
            yield found.group(1)
