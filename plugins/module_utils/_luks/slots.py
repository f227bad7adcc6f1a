# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The purpose of each keyslot of a volume. The unlocker refuses a header with others."""

from __future__ import annotations

RECOVERY_SLOT = "0"
# For the key that opens the volume at boot: while one slot is replaced, the other is in use.
BOOT_SLOTS = ("1", "2")
# During a rotation of the volume key: the recovery key's slot for the present volume key, and the progress.
ROTATION_SLOTS = ("3", "4")
