# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background processes of a device, known by process id and start time, so that a reused id is never signalled."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path


def start_time(pid: int) -> str | None:
    """The start time of a living process (field 22 of /proc/PID/stat, clock ticks), None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # While threads of it are left (field 20), files are still locked.
    if fields[0] == "Z" and fields[17] in ("0", "1"):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        return None
    return fields[19]


class Process:
    """One background process, remembered in a file."""

    def __init__(self, record: Path) -> None:
        self._record = record

    def remember(self, pid: int) -> None:
        """Note a process that has just been started."""
        self._record.write_text(f"{pid} {start_time(pid)}\n")

    @property
    def pid(self) -> int | None:
        """The process id while the process lives."""
        try:
            pid, began = self._record.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == began else None

    def wait(self, seconds: float) -> bool:
        """Wait for the end of the process; False when it still lives after `seconds`."""
        deadline = time.monotonic() + seconds
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def kill(self) -> None:
        """End the process at once, and wait until it is gone."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(10)
        self._record.unlink(missing_ok=True)
