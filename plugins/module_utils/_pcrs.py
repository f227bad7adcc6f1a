# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading the PCRs as the kernel shows them, which takes no tool and no privilege."""

from __future__ import annotations

from ._observe import read_line

_BANK = "/sys/class/tpm/tpm0/pcr-sha256"
_PCRS = range(24)
_DIGEST_BYTES = 32


def shown_pcrs(root: str) -> dict[int, bytes]:
    """The values of the SHA-256 bank by PCR number; without those that the kernel does not show."""
    values = {}
    for number in _PCRS:
        line = read_line(root, f"{_BANK}/{number}") or ""
        if len(line) == 2 * _DIGEST_BYTES and set(line.lower()) <= set("0123456789abcdef"):
            values[number] = bytes.fromhex(line)
    return values
