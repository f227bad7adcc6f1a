# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading the PCRs as the kernel shows them, which takes no tool and no privilege.

Linux 5.12 and newer, Documentation/ABI/stable/sysfs-class-tpm.
"""

from __future__ import annotations

from collections.abc import Iterable

from ._observe import names_in, read_line

PCRS = range(24)
_BANK = "pcr-"
_HEX = frozenset("0123456789abcdef")
# Hexadecimal digits of a digest in each kind of bank.
_DIGITS = (40, 64, 96, 128)


def shown_pcrs(root: str, pcrs: Iterable[int] = PCRS, *, number: int = 0, bank: str = "sha256") -> dict[int, bytes]:
    """The values of some PCRs, by their number; without those that the kernel does not show.

    The kernel asks the TPM for each of them.

    :param number: of the TPM.
    """
    values = {}
    for pcr in pcrs:
        line = (read_line(root, f"{_directory(number)}/{_BANK}{bank}/{pcr}") or "").lower()
        if len(line) in _DIGITS and set(line) <= _HEX:
            values[pcr] = bytes.fromhex(line)
    return values


def shown_banks(root: str, number: int = 0) -> list[str]:
    """The banks of PCRs, by name; empty where the kernel shows none."""
    return [name[len(_BANK) :] for name in names_in(root, _directory(number)) if name.startswith(_BANK)]


def _directory(number: int) -> str:
    return f"/sys/class/tpm/tpm{number}"
