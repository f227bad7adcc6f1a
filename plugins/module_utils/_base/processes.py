# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Identify processes even when a PID is reused, see proc_pid_stat(5)."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

_START = 19
_ENDED = (b"Z", b"X")


class Process(NamedTuple):
    """A process by PID and start time (clock ticks since the boot). PIDs are reused; the pair is unique."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return identify(self.pid) == self


def identify(pid: int) -> Optional[Process]:
    """The process that has a PID now, or None."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The command name before these fields may contain blanks and parentheses.
    state, *fields = text.rpartition(b")")[2].split()
    return None if state in _ENDED else Process(pid, int(fields[_START - 1]))


def myself() -> Process:
    """This process."""
    found = identify(os.getpid())
    if found is None:
        raise RuntimeError("/proc does not show this process")
    return found
