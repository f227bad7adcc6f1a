# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Encrypt swap at boot with a random key that is not kept.

Runs on the device as C(/usr/lib/edgesec/swap NAME), from a systemd unit or any init script. A device that holds
anything but swap is left unchanged, and the boot continues without that swap.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time

from .._base.errors import EdgesecError, Malformed, Refused
from .._base.files import opened_exclusively, overwrite
from .._base.roll_back import Step, cause, go_back
from .._base.tools import run
from .._disk.blank import sample
from .._disk.block_devices import Blocks
from .._disk.signatures import probe
from .._luks import cryptsetup
from .._luks.cipher import cipher_for_this_processor
from .swap_device import WIPING, Swap, is_active, is_being_wiped, mapping_of, path_of

# The start of the device stays zero: random bytes there could look like a short signature.
OFFSET = 1 << 20
_SECTOR = 4096
_WAIT_SECONDS = 30.0


def main(arguments: list[str]) -> int:
    """Activate one swap device; return 0 if it is active, 1 if not, 2 for wrong usage."""
    if len(arguments) != 1 or not re.fullmatch(r"[A-Za-z0-9_.-]+", arguments[0]):
        sys.stderr.write("usage: swap NAME\n")
        return 2
    try:
        swap_on(read_swap(arguments[0]))
    except (EdgesecError, OSError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1
    return 0


def read_swap(name: str) -> Swap:
    """Read the description of a swap device.

    :raises Malformed: it is missing or cannot be read.
    """
    path = path_of(name)
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
        return Swap(str(document["name"]), str(document["device"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Malformed(path, f"cannot be read ({error})", "Run harden again to write it") from None


def swap_on(swap: Swap) -> None:
    """Encrypt a device with a new random key and swap to it, unless that is already so.

    :raises Refused: the device holds something other than swap, or is in use; it is left unchanged.
    :raises EdgesecError: a tool failed.
    """
    if is_active(swap):
        return
    size = _wait_for(swap)
    if mapping_of(swap) is not None:
        cryptsetup.close_volume(swap.name)
    if os.path.lexists(swap.mapper):
        raise Refused(swap.mapper, f"is not the mapping of {swap.device}", "Close it, or give the swap another name")
    # Resolve links only once, so that the device that is checked is the one that is written.
    device = os.path.realpath(swap.device)
    if require_swap_or_blank(device):
        wipe(device, OFFSET)
    cipher, key_bits = cipher_for_this_processor()
    cryptsetup.open_plain(
        device,
        swap.name,
        os.urandom(key_bits // 8),
        cipher=cipher,
        sector_size=_SECTOR if size % _SECTOR == 0 else 512,
        offset=OFFSET,
    )
    try:
        run(["mkswap", swap.mapper])
        run(["swapon", swap.mapper])
    except EdgesecError as error:
        close = Step(swap.mapper, lambda: cryptsetup.close_volume(swap.name))
        raise cause(error, go_back([close])) from None


def wipe(device: str, end: int) -> None:
    """Overwrite plain swap with zeros up to a byte; after a power cut, the next run starts again.

    :raises Refused: the device holds anything else, or is in use.
    :raises EdgesecError: the device does not store the zeros.
    """
    with opened_exclusively(device):
        require_swap_or_blank(device)
        with open(device, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), WIPING, 0)
            os.fsync(file.fileno())
        overwrite(device, len(WIPING), end)
        overwrite(device, 0, len(WIPING))


def require_swap_or_blank(device: str) -> bool:
    """Whether a device holds plain swap, perhaps half overwritten (true), or nothing (false).

    The encrypted swap of the last boot also counts as nothing: it has a start of zeros, and its key is gone.

    :raises Refused: it holds anything else, or its contents are uncertain.
    """
    contents = probe(device)
    types = sorted({signature.type for signature in contents.signatures})
    wiping = is_being_wiped(device)
    if not contents.something and not wiping and not sample(device).start_erased:
        raise Refused(
            device,
            "it holds data that no tool recognises, not swap",
            "Nothing was changed. If the data may be destroyed, overwrite it with zeros (blkdiscard --zeroout)",
        )
    if types in ([], ["swap"]) and not contents.partition_table and contents.something == bool(types):
        return bool(types) or wiping
    seen = ", ".join(types) or "something that was not recognised"
    raise Refused(
        device,
        f"it holds {seen}, not swap",
        "Nothing was changed. If the data may be destroyed, wipe it (wipefs --all)",
    )


def _wait_for(swap: Swap) -> int:
    """Wait for the device; return its size in bytes."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        block = Blocks("/").at(swap.device)
        if block is not None and block.size_bytes:
            return block.size_bytes
        if time.monotonic() > until:
            raise Refused(swap.device, f"did not appear as a block device within {_WAIT_SECONDS:.0f} s", "Check lsblk")
        time.sleep(0.2)
