# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The watcher of a boot window: it sleeps until a holder has ended, its time is up, or somebody wakes it.

Opening a window starts it; it ends with the window. If a file system cannot be made read-only, it tries again at ever
longer intervals. See pidfd_open(2).
"""

from __future__ import annotations

import os
import select
import syslog
import time
from contextlib import ExitStack, suppress
from typing import Optional

from .._base.errors import EdgesecError
from .._base.processes import Process, myself
from .journal import State
from .window import WAKE, now, watched

_LONGEST = 60.0
# Seconds between polls if the kernel cannot report the end of a process (before 5.3).
_LOOKING = 5.0


def watch() -> None:
    """Watch until the window is closed."""
    wakes = _open_wakes()
    me = myself()
    while True:
        try:
            state = watched(me)
        except (EdgesecError, OSError) as error:
            # Carry on after any error: the window is still open.
            syslog.syslog(syslog.LOG_ERR, str(error))
            time.sleep(_LOOKING)
            continue
        if state is None:
            return
        _sleep(state, wakes)


def pause(state: State, at: float) -> float:
    """How many seconds the watcher may sleep if nothing wakes it.

    :param at: the current time.
    """
    pauses = [_LONGEST, *(max(0.0, holder.until - at) for holder in state.holders if holder.until is not None)]
    if state.refusal is not None:
        pauses.append(0.25 * 2 ** min(state.refusal.attempts, 10))
    return min(pauses)


def _sleep(state: State, wakes: int) -> None:
    with ExitStack() as stack:
        poll = select.poll()
        poll.register(wakes, select.POLLIN)
        longest = pause(state, now())
        for holder in state.holders:
            if holder.process is not None:
                descriptor = _end_of(holder.process)
                if descriptor is None:
                    longest = min(longest, _LOOKING)
                else:
                    stack.callback(os.close, descriptor)
                    poll.register(descriptor, select.POLLIN)
        if all(holder.process is None or holder.process.is_alive() for holder in state.holders):
            # One more millisecond, since rounding down could wake it too early.
            poll.poll(int(longest * 1000) + 1)
    with suppress(BlockingIOError):
        os.read(wakes, 4096)


def _end_of(process: Process) -> Optional[int]:
    """Open a descriptor that becomes readable when a process ends; None if that is not possible."""
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return None


def _open_wakes() -> int:
    with suppress(FileExistsError):
        os.mkfifo(WAKE, 0o600)
    # Open for writing too; otherwise the FIFO is at end of file whenever a writer closes it.
    return os.open(WAKE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
