# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reload systemd after unit files change. If one run cannot, the next one does.

A mark in /run says that a reload is due; a reboot clears it, and systemd then reads everything anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .places import RELOAD_OWED
from .tools import run

_RUNNING = "/run/systemd/system"
_MARK = f"/{RELOAD_OWED}"


@contextmanager
def reloaded_after() -> Iterator[None]:
    """Reload systemd, if it runs, after the block has written its files.

    :raises EdgesecError: systemd did not reload. The reload stays due then, and also when the run is killed.
    """
    if not os.path.isdir(_RUNNING):
        yield
        return
    os.makedirs(os.path.dirname(_MARK), mode=0o700, exist_ok=True)
    with open(_MARK, "wb"):
        pass
    yield
    run(["systemctl", "daemon-reload"])
    with suppress(OSError):
        os.unlink(_MARK)
        # A removal of the collection must leave nothing behind.
        os.rmdir(os.path.dirname(_MARK))


def reload_systemd() -> None:
    """Reload systemd, if it runs.

    :raises EdgesecError: systemd did not reload; the next run tries again.
    """
    with reloaded_after():
        pass
