# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Which keyslots of a volume are whose. The unlocker takes a header with these, and no other."""

from __future__ import annotations

RECOVERY_SLOT = "0"
# Of the key that opens the volume at boot: while one is replaced, the other is in use.
BOOT_SLOTS = ("1", "2")
# While the volume key is rotated: the recovery key's with the present one, and what describes how far it is.
ROTATION_SLOTS = ("3", "4")
