# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Check the header before opening a volume for the operator, who has its recovery key but no pins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from .._base.errors import Refused
from .._base.files import memory_directory
from .._luks.allow_list import check
from .._luks.copies import write_copies
from .._luks.reencryption import is_under_way
from .._luks.slots import RECOVERY_SLOT


@contextmanager
def checked_copy(device: str) -> Iterator[Optional[str]]:
    """Yield a file with the checked header of a volume, to use instead of the one on the device.

    Yield None during a re-encryption: cryptsetup must then read and write the header on the device.

    :raises Refused: libcryptsetup may read the header differently, or it breaks a rule that needs no pins:
        a null cipher in a keyslot, for example.
    """
    copies, broken = check(device)
    # require_recovery() reports a rotation interrupted before it began, before it uses the key.
    passing = bool(copies) and (is_under_way(copies[0]) or RECOVERY_SLOT in copies[0].unbound_keyslots)
    if broken and not passing:
        raise Refused(
            device,
            f"its header is not one that cryptsetup writes for our volumes ({'; '.join(broken[:5])})",
            "The recovery key was not used. Find out who changed the header, and restore the escrowed header backup "
            "(docs/recovery.md)",
        )
    if passing:
        yield None
        return
    with memory_directory() as directory:
        copy = os.path.join(directory, "header")
        write_copies(copy, copies[0], device, copies[0].data_offset or 0)
        yield copy
