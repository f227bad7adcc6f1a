# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Record the verdict on the next boot in /run, for facts and for the message of the day."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import Any, NamedTuple, Optional

from .._base.files import write_atomic

APPROVED, UNAPPROVED, UNKNOWN = "approved", "unapproved", "unknown"
RECORD = "run/edgesec/next-boot.json"
MOTD = "run/motd.d/edgesec"


class Verdict(NamedTuple):
    """The verdict on the next boot; C(at) in seconds since the epoch, C(message) for people."""

    state: str
    message: str
    at: int


def record(verdict: Verdict, root: str) -> None:
    """Write the verdict for facts and the message of the day; both last until the next boot."""
    path, motd = os.path.join(root, RECORD), os.path.join(root, MOTD)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    write_atomic(path, json.dumps(verdict._asdict()).encode(), 0o600)
    if verdict.message:
        os.makedirs(os.path.dirname(motd), mode=0o755, exist_ok=True)
        write_atomic(motd, f"edgesec: {verdict.message}\n".encode(), 0o644)
    else:
        with suppress(FileNotFoundError):
            os.unlink(motd)


def recorded(root: str) -> Optional[dict[str, Any]]:
    """The last verdict recorded in this boot, or None."""
    try:
        with open(os.path.join(root, RECORD), encoding="utf-8") as file:
            return Verdict(**json.load(file))._asdict()
    except (OSError, ValueError, TypeError):
        return None
