# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Replace plain swap, or none, by swap encrypted with a random key at each boot."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from .._base.errors import Refused, ToolFailed
from .._base.files import write_atomic
from .._base.managed_files import Change
from .._base.tools import run
from .._base.tree import read_text, resolve
from .._mount_tables.fstab import parse as parse_fstab
from .._mount_tables.write import FSTAB, put_in_place, read_fstab
from .._on_device.install import install, missing
from .._storage.swap import declared_swap
from .._unlock.swap_device import SWAPS, Swap, path_of
from .._unlock.swap_main import swap_on, wipe
from .plan import contents as in_words

OFF, FSTAB_OUT, WIPE, INSTALL, START = (
    "turn the plain swap off",
    "remove it from fstab",
    "overwrite the swapped-out data",
    "install the swap unit for boot",
    "start swap with a random key",
)
_STABLE = re.compile(r"/dev/disk/by-(id|partlabel|partuuid|path)/[^/]+")
# swapoff takes long with much data to read back; if memory runs out, it fails or is killed.
_SWAPOFF_SECONDS = 3600.0


class State(NamedTuple):
    """The current state, and the steps to encrypted swap."""

    swap: Swap
    steps: list[str]
    size: int
    fstab_before: str
    fstab_after: str
    programs: list[Change]

    @property
    def diff(self) -> list[dict[str, str]]:
        """The changes for Ansible's diff."""
        device = self.swap.device
        steps = {"before_header": device, "after_header": device, "before": "", "after": ""}
        steps["after"] = "".join(f"{step}\n" for step in self.steps)
        fstab = {"before_header": FSTAB, "after_header": FSTAB, "before": self.fstab_before, "after": self.fstab_after}
        return [steps, fstab, *(change.diff for change in self.programs)] if self.steps else []

    def apply(self) -> None:
        """Take the steps; after each the device boots, and the next run can continue."""
        swap = self.swap
        if OFF in self.steps:
            _switch_off(swap.device)
        if FSTAB_OUT in self.steps:
            put_in_place(self.fstab_before, self.fstab_after)
        if WIPE in self.steps:
            wipe(os.path.realpath(swap.device), self.size)
        if INSTALL in self.steps:
            path = path_of(swap.name)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            write_atomic(path, swap.to_bytes(), 0o644)
            install("/", self.programs)
        if START in self.steps:
            swap_on(swap)


def look(swap: Swap) -> State:
    """Plan the steps.

    :raises Refused: the device cannot become encrypted swap, or is needed as it is.
    """
    facts = declared_swap("/", [swap])[0]
    steps = plan(facts)
    fstab = read_fstab()
    programs = missing("/", [f"edgesec-swap@{swap.name}.service"])
    if programs and INSTALL not in steps:
        steps.append(INSTALL)
    if OFF in steps:
        require_room(resolve("/", swap.device), read_text("/", SWAPS) or "", read_text("/", "/proc/meminfo") or "")
    return State(
        swap=swap,
        steps=steps,
        size=facts["contents"]["size_bytes"] if facts["contents"] is not None else 0,
        fstab_before=fstab,
        fstab_after="".join(line.raw for line in parse_fstab(fstab) if line.number not in facts["fstab"]),
        programs=programs,
    )


def plan(facts: dict[str, Any]) -> list[str]:
    """Plan the steps for a swap device, from its facts.

    :raises Refused: the device is missing, has no stable name, is needed for hibernation, or holds anything but swap.
    """
    device, contents = facts["device"], facts["contents"]
    steps = []
    if contents is not None:
        _require_swap(facts, contents)
        if contents["in_use_as"]:
            steps.append(OFF)
        if facts["fstab"]:
            steps.append(FSTAB_OUT)
        if contents["signatures"] or facts.get("wiping"):
            steps.append(WIPE)
    if not _STABLE.fullmatch(device):
        raise Refused(
            device,
            "this name does not stay with the device when its contents change",
            "Name it below /dev/disk/by-partlabel, by-partuuid, by-id or by-path",
        )
    if not facts["at_boot"]:
        steps.append(INSTALL)
    if not facts["active"]:
        steps.append(START)
    return steps


def _require_swap(facts: dict[str, Any], contents: dict[str, Any]) -> None:
    device, nothing = facts["device"], "Nothing was changed"
    if not contents["exists"]:
        raise Refused(
            device, "there is no such device", f"Correct the device of the swap {facts['name']}; lsblk lists devices"
        )
    if facts["resume"] is not None:
        raise Refused(
            device,
            f"the system resumes from it after hibernation (resume={facts['resume']}), impossible with a random key",
            f"{nothing}. Remove it from the kernel command line and /etc/initramfs-tools/conf.d/resume first",
        )
    seen = in_words(contents)
    if contents["mounted_at"] or contents["holders"] or set(contents["in_use_as"]) - {"swap"}:
        raise Refused(device, f"it is in use: {seen}", f"{nothing}. Take it out of use first")
    own = {f"line {number} of {FSTAB}" for number in facts["fstab"]} | {f"line 1 of {path_of(facts['name'])}"}
    others = [place for place in contents["named_by"] if place not in own]
    if others:
        raise Refused(
            device,
            f"it is named by {', '.join(others)}",
            f"{nothing}. Remove it there first: otherwise two would use it at boot",
        )
    types = {signature["type"] for signature in contents["signatures"] or [] if signature["live"] is not False}
    if contents["partition_table"] or not (types == {"swap"} or (not types and _is_erased(facts, contents))):
        raise Refused(
            device,
            f"it holds something other than swap: {seen}",
            f"{nothing}. Wipe it if you can lose that (wipefs --all; blkdiscard --zeroout for unrecognised data)",
        )


def _is_erased(facts: dict[str, Any], contents: dict[str, Any]) -> bool:
    """Whether a device holds nothing useful.

    It may hold half-overwritten plain swap, or data swapped out in an earlier boot under a key that is gone.
    """
    if contents["signatures"] or contents["sample"] is None:
        return False
    if facts.get("wiping"):
        return True
    return bool(contents["sample"]["start_erased" if facts["at_boot"] else "erased"])


def require_room(real: str, swaps: str, meminfo: str) -> None:
    """Require that the swapped-out data fits into memory.

    :param real: the device, as /proc/swaps names it.
    :raises Refused: it does not fit; nothing was changed.
    """
    words = next((line.split() for line in swaps.splitlines() if line.split()[:1] == [real]), [])
    used = int(words[3]) if len(words) > 3 and words[3].isdecimal() else 0
    found = re.search(r"^MemAvailable:\s+([0-9]+) kB$", meminfo, re.MULTILINE)
    if found is None or used > int(found.group(1)):
        raise _no_room(
            real, f"{used} KiB are swapped out, and {found.group(1) if found else 'no'} KiB of memory are free"
        )


def _switch_off(device: str) -> None:
    try:
        run(["swapoff", device], timeout=_SWAPOFF_SECONDS)
    except ToolFailed as error:
        raise _no_room(device, error.stderr or f"swapoff ended with {error.rc}") from None


def _no_room(device: str, seen: str) -> Refused:
    return Refused(
        device, f"the swapped-out data cannot be read back ({seen})", "Swap stays on. Stop something to free memory"
    )
