# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""A swap device with a random key: its configuration on the device, and whether it is in use."""

from __future__ import annotations

import json
import os
from typing import NamedTuple, Optional

from .._base.places import SWAP_DIRECTORY, mapper_of
from .._base.tree import read_text, resolve
from .._disk.block_devices import Block, Blocks

SWAPS = "/proc/swaps"
# Marks the first sector (which swap leaves to boot loaders) while plain swap is overwritten. A disk writes a sector as
# a whole or not at all.
WIPING = b"EDGESEC: this swap is being overwritten, see edgesec.hardening\n".ljust(512, b"\0")
# cryptsetup's UUID prefix for a mapping without a header.
_PLAIN = "CRYPT-PLAIN-"


class Swap(NamedTuple):
    """A swap device as the operator declared it; C(name) is the name of its mapping."""

    name: str
    device: str

    @property
    def mapper(self) -> str:
        """The mapping that the system swaps to."""
        return mapper_of(self.name)

    def to_bytes(self) -> bytes:
        """The content of the file that is read at boot."""
        return json.dumps({"v": 1, "name": self.name, "device": self.device}, sort_keys=True).encode() + b"\n"


def path_of(name: str, root: str = "/") -> str:
    """The path of the file that describes a swap device to the boot."""
    return os.path.join(root, SWAP_DIRECTORY, f"{name}.json")


def mapping_of(swap: Swap, root: str = "/") -> Optional[str]:
    """The kernel's name of the mapping that the boot made: without a header, and only on this device."""
    blocks = Blocks(root)
    device = blocks.at(swap.device)
    return next((block.name for block in blocks if device is not None and _is_on(block, swap, device)), None)


def is_active(swap: Swap, root: str = "/") -> bool:
    """Whether the system swaps to that mapping."""
    name = mapping_of(swap, root)
    used = [line.split()[0] for line in (read_text(root, SWAPS) or "").splitlines()[1:] if line.split()]
    return any(name is not None and resolve(root, path) in (f"/dev/{name}", swap.mapper) for path in used)


def is_being_wiped(path: str) -> bool:
    """Whether a device is plain swap whose overwriting was interrupted.

    :raises OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return file.read(len(WIPING)) == WIPING


def _is_on(block: Block, swap: Swap, device: Block) -> bool:
    ours = block.dm_name == swap.name and (block.dm_uuid or "").startswith(_PLAIN)
    return ours and block.slaves == (device.name,)
