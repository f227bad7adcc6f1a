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

# The start of the device stays zero: random bytes there would sooner or later look like a short signature.
OFFSET = 1 << 20
_SECTOR = 4096
_WAIT_SECONDS = 30.0


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


def swap_on(swap: Swap) -> None:
    """Encrypt a device with a new random key, and swap to it. Nothing is done where that is so already.

    :raises Refused: the device holds something that is no swap, or is in use; it stays as it is.
    :raises EdgesecError: a tool failed.
    """
    if is_active(swap):
        return
    size = _wait_for(swap)
    if mapping_of(swap) is not None:
        cryptsetup.close_volume(swap.name)
    if os.path.lexists(swap.mapper):
        raise Refused(swap.mapper, f"is not the mapping of {swap.device}", "Close it, or give the swap another name")
    # Links are followed once, so that what is looked at is what is written to.
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
    """Overwrite plain swap with zeros up to a byte; after a power cut in between, the next run goes on with it.

    :raises Refused: the device holds anything else, or is in use.
    :raises EdgesecError: the device does not keep the zeros.
    """
    with opened_exclusively(device):
        require_swap_or_blank(device)
        with open(device, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), WIPING, 0)
            os.fsync(file.fileno())
        overwrite(device, len(WIPING), end)
        overwrite(device, 0, len(WIPING))


def require_swap_or_blank(device: str) -> bool:
    """Whether a device holds plain swap, maybe half overwritten, (true) or nothing (false).

    Nothing is also what the last boot left behind a start of zeros, with a key that is gone.

    :raises Refused: it holds anything else, or what it holds is not certain.
    """
    contents = probe(device)
    types = sorted({signature.type for signature in contents.signatures})
    wiping = is_being_wiped(device)
    if not contents.something and not wiping and not sample(device).start_erased:
        raise Refused(
            device,
            "it holds data that no tool recognises, not swap",
            "It was left as it is. Overwrite it with zeros (blkdiscard --zeroout) if it may go",
        )
    if types in ([], ["swap"]) and not contents.partition_table and contents.something == bool(types):
        return bool(types) or wiping
    seen = ", ".join(types) or "something that was not recognised"
    raise Refused(device, f"it holds {seen}, not swap", "It was left as it is. Wipe it (wipefs --all) if it may go")


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
