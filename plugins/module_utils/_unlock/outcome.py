# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Record the outcome of the last attempt to open a volume at boot, in /run, for facts."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, Optional

from .._base.files import write_atomic
from .._base.places import OUTCOME_DIRECTORY


class Outcome(NamedTuple):
    """The outcome of an attempt to open a volume; C(at) in seconds since the epoch."""

    name: str
    reason: str
    at: int
    approval: Optional[str] = None
    message: str = ""
    latched: bool = False

    @property
    def opened(self) -> bool:
        """Whether the volume is open now."""
        return self.reason in ("ok", "already_open")


def record(outcome: Outcome) -> None:
    """Write the outcome for facts; it lasts until the next boot."""
    write_atomic(f"{OUTCOME_DIRECTORY}/{outcome.name}.json", json.dumps(outcome._asdict()).encode(), 0o600)


def read_outcome(name: str, root: str = "/") -> Optional[Outcome]:
    """The outcome of the last attempt in this boot to open a volume, or None."""
    try:
        with open(os.path.join(root, OUTCOME_DIRECTORY.lstrip("/"), f"{name}.json"), encoding="utf-8") as file:
            document: Any = json.load(file)
        return Outcome(**document)
    except (OSError, ValueError, TypeError):
        return None
