# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Look whether the unit that opens a volume is enabled or masked."""

from __future__ import annotations

import os

from .._base.places import UNITS, WANTS, unlock_unit_of
from .._base.tree import under


def unit_enabled(root: str, name: str) -> bool:
    """Whether the unit that opens a volume is enabled at boot."""
    return os.path.lexists(under(root, f"/{WANTS}/{unlock_unit_of(name)}"))


def unit_masked(root: str, name: str) -> bool:
    """Whether somebody has masked the unit (systemctl mask)."""
    return os.path.realpath(under(root, f"/{UNITS}/{unlock_unit_of(name)}")) == os.devnull
