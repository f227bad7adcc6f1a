# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Complete the encryption or re-encryption of an open volume."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NamedTuple, Optional

from .._base import background
from .._base.background import launch, only_one
from .._base.errors import EdgesecError
from .._base.places import WORK_DIRECTORY
from .._luks import cryptsetup
from .._luks.on_device import header_of
from .._luks.reencryption import Progress, is_under_way
from .volume_key import record_final_key

# Phases. Between the first two come the phases that prepare an encryption (_volume.encrypt_in_place).
PREPARING, ENCRYPTING, DONE, FAILED = "preparing", "encrypting", "done", "failed"


class Report(NamedTuple):
    """The progress of the work on a volume; C(error) is set if it failed."""

    phase: str
    error: str = ""

    def with_progress(self, progress: Optional[Progress]) -> dict[str, Any]:
        """The form in which modules return it."""
        return {
            "phase": self.phase,
            "error": self.error,
            "done_bytes": progress.done if progress else 0,
            "total_bytes": progress.total if progress else 0,
        }


def main(arguments: list[str]) -> int:
    """Encrypt the rest of the volume NAME on DEVICE, with the key on standard input."""
    name, device = arguments
    key = sys.stdin.buffer.read()
    try:
        with only_one(work_of(name)):
            finish(name, device, key)
    except EdgesecError as error:
        report(name, Report(FAILED, str(error)))
        return 1
    return 0


def finish(name: str, device: str, key: bytes) -> None:
    """Encrypt the rest of an open volume; a finished one is left unchanged.

    :raises ToolFailed: the encryption stopped; it can be resumed later.
    """
    header = header_of(device)
    if header is not None and is_under_way(header):
        report(name, Report(ENCRYPTING))
        cryptsetup.resume_reencryption(device, name, key)
    record_final_key(name, device)
    report(name, Report(DONE))


def start_at_boot(name: str, device: str, key: bytes) -> None:
    """Resume in the background, with the library that the unlocker itself runs from."""
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    background.start(work_of(name), launch("_unlock.resume", library, name, device), key)


def work_of(name: str) -> str:
    """The name of a volume's encryption as background work."""
    return f"encrypt-{name}"


def report(name: str, now: Report) -> None:
    """Publish the progress of the work."""
    os.makedirs(WORK_DIRECTORY, mode=0o700, exist_ok=True)
    path = _path(name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(now._asdict(), file)
    os.replace(path + ".new", path)


def last_report(name: str) -> Optional[Report]:
    """The last report since the device booted, or None."""
    try:
        with open(_path(name), encoding="utf-8") as file:
            document: Any = json.load(file)
        return Report(**document)
    except (OSError, ValueError, TypeError):
        return None


def _path(name: str) -> str:
    return os.path.join(WORK_DIRECTORY, f"{work_of(name)}.json")
