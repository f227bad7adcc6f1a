# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""A declared volume, and the label of a volume that this collection made."""

from __future__ import annotations

from typing import NamedTuple, Optional


class Volume(NamedTuple):
    """A volume as the operator declared it.

    :ivar mount: the mount point; without one, the volume is opened but not mounted.
    :ivar on_existing_data: what to do with existing data: C(refuse), C(encrypt_in_place) or C(erase).
    :ivar consent: UUID or label of the existing contents, with which the operator confirms that they are meant.
    :ivar services: systemd units that may be stopped for the seconds in which the volume is not mounted.
    """

    name: str
    device: str
    mount: Optional[str] = None
    on_existing_data: str = "refuse"
    consent: str = ""
    services: tuple[str, ...] = ()


def label_of(name: str) -> str:
    """The LUKS2 label of a volume that this collection made."""
    return f"edgesec-{name}"
