# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Having systemd read its units again; what one run could not do is owed, and the next run does it.

A mark in memory says that it is owed: after a reboot systemd has read everything.
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
    """Have systemd, where it runs, read its units again after the block that writes files for it.

    :raises EdgesecError: it did not. That, and a run that is killed in between, leaves it owed.
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
        # Nothing may be left behind where everything else was removed.
        os.rmdir(os.path.dirname(_MARK))


def reload_systemd() -> None:
    """Have systemd, where it runs, read its units again.

    :raises EdgesecError: it did not, and the next run will have it do so.
    """
    with reloaded_after():
        pass
