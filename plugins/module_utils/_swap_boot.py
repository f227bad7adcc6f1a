# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Encrypting swap at boot with a key that nobody keeps.

Runs on the device as C(/usr/lib/edgesec/swap NAME), from a systemd unit or any init script. A device that holds
anything but swap is left as it is, and the boot goes on without that swap.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Optional

from . import _cryptsetup
from ._blocks import Block, Blocks
from ._cipher import cipher_for_this_processor
from ._cli import run
from ._errors import EdgesecError, Malformed, Refused
from ._files import overwrite
from ._observe import read_text, resolve
from ._signatures import probe

DIRECTORY = "etc/edgesec/swap"
SWAPS = "/proc/swaps"
# As cryptsetup names a mapping without a header.
_PLAIN = "CRYPT-PLAIN-"
# The start of the device stays zero: random bytes there would sooner or later look like a short signature.
OFFSET = 1 << 20
_SECTOR = 4096
_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class Swap:
    """A swap device as the operator declared it; C(name) is that of its mapping."""

    name: str
    device: str

    @property
    def mapper(self) -> str:
        """The device that is swapped to."""
        return f"/dev/mapper/{self.name}"

    def to_bytes(self) -> bytes:
        """The content of the file that the boot reads."""
        return json.dumps({"v": 1, "name": self.name, "device": self.device}, sort_keys=True).encode() + b"\n"


def main(arguments: list[str]) -> int:
    """Swap to one device; 0 when it is swapped to, 1 when it is not, 2 for a wrong call."""
    if len(arguments) != 1 or not re.fullmatch(r"[A-Za-z0-9_.-]+", arguments[0]):
        sys.stderr.write("usage: swap NAME\n")
        return 2
    try:
        swap_on(read_swap(arguments[0]))
    except (EdgesecError, OSError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1
    return 0


def path_of(name: str, root: str = "/") -> str:
    """Where it is kept what the boot is to swap to."""
    return os.path.join(root, DIRECTORY, f"{name}.json")


def read_swap(name: str) -> Swap:
    """What the boot is to swap to.

    :raises Malformed: there is nothing that can be read.
    """
    path = path_of(name)
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
        return Swap(str(document["name"]), str(document["device"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Malformed(path, f"cannot be read ({error})", "Run harden again to write it") from None


def mapping_of(swap: Swap, root: str = "/") -> Optional[str]:
    """The kernel's name of the mapping that the boot has made: without a header, and on this device alone."""
    blocks = Blocks(root)
    device = blocks.at(swap.device)
    return next((block.name for block in blocks if device is not None and _is_on(block, swap, device)), None)


def is_active(swap: Swap, root: str = "/") -> bool:
    """Whether the system swaps to that mapping."""
    name = mapping_of(swap, root)
    used = [line.split()[0] for line in (read_text(root, SWAPS) or "").splitlines()[1:] if line.split()]
    return any(name is not None and resolve(root, path) in (f"/dev/{name}", swap.mapper) for path in used)


def swap_on(swap: Swap) -> None:
    """Encrypt a device with a new random key, and swap to it. Nothing is done where that is so already.

    :raises Refused: the device holds something that is no swap, or is in use; it stays as it is.
    :raises EdgesecError: a tool failed.
    """
    if is_active(swap):
        return
    size = _wait_for(swap)
    if mapping_of(swap) is not None:
        _cryptsetup.close_volume(swap.name)
    if os.path.lexists(swap.mapper):
        raise Refused(swap.mapper, f"is not the mapping of {swap.device}", "Close it, or give the swap another name")
    if require_swap_or_blank(swap.device):
        with alone(swap.device):
            overwrite(swap.device, 0, OFFSET)
    cipher, key_bits = cipher_for_this_processor()
    _cryptsetup.open_plain(
        swap.device,
        swap.name,
        os.urandom(key_bits // 8),
        cipher=cipher,
        sector_size=_SECTOR if size % _SECTOR == 0 else 512,
        offset=OFFSET,
    )
    try:
        run(["mkswap", swap.mapper])
        run(["swapon", swap.mapper])
    except EdgesecError:
        _cryptsetup.close_volume(swap.name)
        raise


def require_swap_or_blank(device: str) -> bool:
    """Whether a device holds plain swap (true) or nothing (false).

    :raises Refused: it holds anything else, or what it holds is not certain.
    """
    contents = probe(device)
    types = sorted({signature.type for signature in contents.signatures})
    if types in ([], ["swap"]) and not contents.partition_table and contents.something == bool(types):
        return bool(types)
    seen = ", ".join(types) or "something that was not recognised"
    raise Refused(device, f"it holds {seen}, not swap", "It was left as it is. Wipe it (wipefs --all) if it may go")


@contextmanager
def alone(device: str) -> Iterator[None]:
    """Have the kernel say that nobody has the device in use, and keep it so meanwhile.

    :raises Refused: it is in use.
    """
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(device, f"it cannot be had alone ({error.strerror})", "Nothing was changed") from None
    try:
        yield
    finally:
        os.close(descriptor)


def _is_on(block: Block, swap: Swap, device: Block) -> bool:
    ours = block.dm_name == swap.name and (block.dm_uuid or "").startswith(_PLAIN)
    return ours and block.slaves == (device.name,)


def _wait_for(swap: Swap) -> int:
    """The size of the device, once it is there."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        block = Blocks("/").at(swap.device)
        if block is not None and block.size_bytes:
            return block.size_bytes
        if time.monotonic() > until:
            raise Refused(swap.device, f"there is no such block device after {_WAIT_SECONDS:.0f} s", "See lsblk")
        time.sleep(0.2)
