# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The watcher of a boot window: it sleeps until a holder has ended, its time is up, or it is woken.

Started by the one who opens a window, and gone with the window. A file system that cannot be made read-only is tried
again, at ever longer intervals. See pidfd_open(2).
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
# Where the kernel cannot tell that a process has ended (before 5.3).
_LOOKING = 5.0


def watch() -> None:
    """Watch until there is no window any more."""
    wakes = _open_wakes()
    me = myself()
    while True:
        try:
            state = watched(me)
        except (EdgesecError, OSError) as error:
            # Whatever it was, the window is still there.
            syslog.syslog(syslog.LOG_ERR, str(error))
            time.sleep(_LOOKING)
            continue
        if state is None:
            return
        _sleep(state, wakes)


def pause(state: State, at: float) -> float:
    """How many seconds may go by before the watcher looks again, if nothing wakes it.

    :param at: the time now.
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
            # A thousandth more, so that what is waited for has surely come.
            poll.poll(int(longest * 1000) + 1)
    with suppress(BlockingIOError):
        os.read(wakes, 4096)


def _end_of(process: Process) -> Optional[int]:
    """A descriptor that can be read as soon as a process has ended."""
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return None


def _open_wakes() -> int:
    with suppress(FileExistsError):
        os.mkfifo(WAKE, 0o600)
    # For writing too, or it would be at its end as soon as whoever wrote has gone.
    return os.open(WAKE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
