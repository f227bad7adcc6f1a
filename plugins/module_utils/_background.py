# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Starting work that outlives the one who asked for it: an SSH session, or the unlocker at boot."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ._cli import SEARCH_PATH, run
from ._errors import EdgesecError, Refused

DIRECTORY = "/run/edgesec/work"

_START_SECONDS = 60.0


def start(name: str, argv: Sequence[str], secret: bytes) -> None:
    """Start a program as C(edgesec-NAME.service), or as a daemon where there is no systemd.

    :param argv: the program reads C(secret) on its standard input, which is a pipe: nothing is written to a disk.
    :raises EdgesecError: it did not start.
    """
    os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
    if not os.path.isdir("/run/systemd/system"):
        _daemon(argv, secret)
        return
    fifo = os.path.join(DIRECTORY, f"{name}.fifo")
    if os.path.lexists(fifo):
        os.unlink(fifo)
    os.mkfifo(fifo, 0o600)
    try:
        # Without the default dependencies, since a unit that is started at boot would wait for what waits for it.
        run(
            [
                *("systemd-run", "--quiet", "--collect", "--no-block", f"--unit=edgesec-{name}.service"),
                *("-p", "DefaultDependencies=no", "-p", "Conflicts=shutdown.target", "-p", "Before=shutdown.target"),
                *("-p", f"StandardInput=file:{fifo}", "-p", "UMask=0077", "-p", "TimeoutStopSec=30"),
                *("--", *argv),
            ]
        )
        _feed(name, fifo, secret)
    finally:
        os.unlink(fifo)


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Held by the work while it goes on.

    :raises Refused: it goes on already.
    """
    os.makedirs(DIRECTORY, mode=0o700, exist_ok=True)
    with open(_lock(name), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(name, "is being worked on already", "Wait until it is done") from None
        yield


def is_running(name: str) -> bool:
    """Whether the work goes on."""
    try:
        with open(_lock(name), encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _lock(name: str) -> str:
    return os.path.join(DIRECTORY, f"{name}.lock")


def _feed(name: str, fifo: str, secret: bytes) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            # Fails until the other end has been opened.
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise EdgesecError(
                    f"edgesec-{name}.service",
                    f"did not start within {_START_SECONDS:g} s",
                    f"See systemctl status edgesec-{name}.service",
                ) from None
            time.sleep(0.05)
    try:
        os.write(descriptor, secret)
    finally:
        os.close(descriptor)


def _daemon(argv: Sequence[str], secret: bytes) -> None:
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=nowhere,
            stderr=nowhere,
            start_new_session=True,
            cwd="/",
            env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        )
    if process.stdin is not None:
        process.stdin.write(secret)
        process.stdin.close()
