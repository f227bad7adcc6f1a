# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The marker at the start of a device while a LUKS2 header is being written there."""

from __future__ import annotations

RELOCATION_MAGIC = b"EDGESEC: the start of this device was moved, see edgesec.hardening\n"


def is_interrupted(device: str) -> bool:
    """Whether the device starts with the marker of an interrupted header relocation.

    :raises OSError: the device cannot be read.
    """
    with open(device, "rb") as file:
        return file.read(len(RELOCATION_MAGIC)) == RELOCATION_MAGIC
