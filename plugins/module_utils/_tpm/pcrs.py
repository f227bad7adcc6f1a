# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the PCRs from sysfs, without a tool and without privileges.

Linux 5.12 and newer, Documentation/ABI/stable/sysfs-class-tpm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Optional

from .._base.tree import names_in, read_line

PCRS = range(24)
_BANK = "pcr-"
_HEX = frozenset("0123456789abcdef")
# Hexadecimal digits of a digest in each kind of bank.
_DIGITS = (40, 64, 96, 128)
_SEALED_TO = "sha256"
# Firmware ends its measurements into a PCR with a separator, even without any: zeros or ones, or 1 after an error
# (TCG PC Client Platform Firmware Profile 1.06, EV_SEPARATOR). Some firmware extends several separators.
_SEPARATORS = (bytes(4), b"\xff" * 4, (1).to_bytes(4, "little"))
_MOST_SEPARATORS = 3


def shown_pcrs(root: str, pcrs: Iterable[int] = PCRS, *, number: int = 0, bank: str = "sha256") -> dict[int, bytes]:
    """The values of PCRs, by number; PCRs that the kernel does not show are left out.

    Each value costs a request to the TPM.

    :param number: the number of the TPM.
    """
    values = {}
    for pcr in pcrs:
        line = (read_line(root, f"{_directory(number)}/{_BANK}{bank}/{pcr}") or "").lower()
        if len(line) in _DIGITS and set(line) <= _HEX:
            values[pcr] = bytes.fromhex(line)
    return values


def shown_banks(root: str, number: int = 0) -> list[str]:
    """The names of the PCR banks; empty if the kernel shows none."""
    return [name[len(_BANK) :] for name in names_in(root, _directory(number)) if name.startswith(_BANK)]


def is_measured(value: Optional[bytes]) -> bool:
    """Whether a value of the SHA-256 bank says anything about the boot.

    It does not if it is missing, all zeros or all ones, or results from separators alone.
    """
    return value is not None and value not in _EMPTY


def why_missing(banks: Sequence[str], pcrs: Sequence[int]) -> tuple[str, str]:
    """Explain why a TPM that answers lacks values in the SHA-256 bank: the observation, and the remedy.

    :param banks: the active banks.
    :param pcrs: the PCRs without a value.
    """
    if not banks:
        seen = "no bank of its PCRs is active"
    elif _SEALED_TO not in banks:
        seen = f"the SHA-256 bank of its PCRs is off (active: {', '.join(banks)})"
    else:
        seen = f"its SHA-256 bank has no PCR {', '.join(map(str, pcrs))} (active banks: {', '.join(banks)})"
    return seen, (
        "Enable the SHA-256 bank of the TPM in the firmware setup, or run tpm2_pcrallocate sha256:all if the firmware"
        " allows it; then reboot"
    )


def _of_separators_alone() -> Iterable[bytes]:
    for count in range(_MOST_SEPARATORS + 1):
        for separators in product(_SEPARATORS, repeat=count):
            value = bytes(32)
            for each in separators:
                value = hashlib.sha256(value + hashlib.sha256(each).digest()).digest()
            yield value


_EMPTY = frozenset((b"\xff" * 32, *_of_separators_alone()))


def _directory(number: int) -> str:
    return f"/sys/class/tpm/tpm{number}"
