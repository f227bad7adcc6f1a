# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How the last attempt to open a volume at boot ended, as it is left in memory for facts."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, Optional

from .._base.files import write_atomic
from .._base.places import OUTCOME_DIRECTORY


class Outcome(NamedTuple):
    """How an attempt to open a volume ended; C(at) in seconds since the epoch."""

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
    """Leave it where facts find it, until the next boot."""
    write_atomic(f"{OUTCOME_DIRECTORY}/{outcome.name}.json", json.dumps(outcome._asdict()).encode(), 0o600)


def read_outcome(name: str, root: str = "/") -> Optional[Outcome]:
    """How the last attempt of this boot to open a volume ended, or None where there was none."""
    try:
        with open(os.path.join(root, OUTCOME_DIRECTORY.lstrip("/"), f"{name}.json"), encoding="utf-8") as file:
            document: Any = json.load(file)
        return Outcome(**document)
    except (OSError, ValueError, TypeError):
        return None
