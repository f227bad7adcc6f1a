# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Processes that are told apart from later ones with the same id, see proc_pid_stat(5)."""

from __future__ import annotations

import os
from typing import NamedTuple, Optional

_START = 19
_ENDED = (b"Z", b"X")


class Process(NamedTuple):
    """A process, by its id and when it began (in clock ticks since the boot): ids are used again, the two are not."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it still runs; one that has ended and waits for its parent does not."""
        return identify(self.pid) == self


def identify(pid: int) -> Optional[Process]:
    """The process that has an id now, or None where none runs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    # The name before it may hold blanks and parentheses.
    state, *fields = text.rpartition(b")")[2].split()
    return None if state in _ENDED else Process(pid, int(fields[_START - 1]))


def myself() -> Process:
    """This process."""
    found = identify(os.getpid())
    if found is None:
        raise RuntimeError("/proc does not show this process")
    return found
