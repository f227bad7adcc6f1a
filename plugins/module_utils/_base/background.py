# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Start work that outlives its caller (an SSH session, or the unlocker at boot)."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from .errors import EdgesecError, Refused
from .places import WORK_DIRECTORY
from .tools import SEARCH_PATH, WAIT_SECONDS, run

_START_SECONDS = WAIT_SECONDS
_LAUNCH = "import sys; sys.path.insert(0, sys.argv[1]); from edgesec.{} import main; sys.exit(main(sys.argv[2:]))"
# No default dependencies: with them, a unit started at boot would deadlock with the units that wait for it.
_UNTIL_SHUTDOWN = ("DefaultDependencies=no", "Conflicts=shutdown.target", "Before=shutdown.target")


def start(name: str, argv: Sequence[str], secret: bytes) -> None:
    """Start a program as C(edgesec-NAME.service), or as a daemon if systemd does not run.

    :param secret: reaches the program on its standard input, through a pipe; it is never written to a disk.
    :raises EdgesecError: it did not start.
    """
    os.makedirs(WORK_DIRECTORY, mode=0o700, exist_ok=True)
    if not os.path.isdir("/run/systemd/system"):
        _daemon(argv, secret)
        return
    fifo = os.path.join(WORK_DIRECTORY, f"{name}.fifo")
    if os.path.lexists(fifo):
        os.unlink(fifo)
    os.mkfifo(fifo, 0o600)
    try:
        properties = (f"StandardInput=file:{fifo}", "UMask=0077", "TimeoutStopSec=30")
        run(["systemd-run", "--no-block", *_unit(name, properties), "--", *argv])
        _feed(name, fifo, secret)
    finally:
        os.unlink(fifo)


def start_restarting(name: str, argv: Sequence[str]) -> None:
    """Start a program as C(edgesec-NAME.service); systemd restarts it after a failure or a kill.

    If systemd is absent or refuses (during a shutdown, for example), start a daemon that nobody restarts.

    :raises EdgesecError: it did not start.
    """
    if os.path.isdir("/run/systemd/system"):
        properties = ("Type=exec", "Restart=on-failure", "RestartSec=1", "UMask=0077")
        with suppress(EdgesecError):
            run(["systemd-run", *_unit(name, properties), "--", *argv], timeout=_START_SECONDS)
            return
    # Detached through a shell: this process may exec another program, which would not expect a child.
    script = '"$@" </dev/null >/dev/null 2>&1 &'
    try:
        subprocess.run(
            ["/bin/sh", "-c", script, "sh", *argv],
            check=True,
            start_new_session=True,
            cwd="/",
            env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise EdgesecError(f"edgesec-{name}", f"did not start: {error}") from None


def launch(module: str, library: str, *arguments: str) -> list[str]:
    """Build the argv that runs C(main) of a library module.

    :param library: the directory that holds the package C(edgesec).
    """
    return [sys.executable or "/usr/bin/python3", "-IS", "-c", _LAUNCH.format(module), library, *arguments]


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock of a piece of work while it runs.

    :raises Refused: the work is already running.
    """
    os.makedirs(WORK_DIRECTORY, mode=0o700, exist_ok=True)
    with open(_lock(name), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(name, "the work is already running", "Wait until it is done") from None
        yield


def is_running(name: str) -> bool:
    """Whether the work is running."""
    try:
        with open(_lock(name), encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _unit(name: str, properties: Sequence[str]) -> list[str]:
    options = [option for each in (*_UNTIL_SHUTDOWN, *properties) for option in ("-p", each)]
    return ["--quiet", "--collect", f"--unit=edgesec-{name}.service", *options]


def _lock(name: str) -> str:
    return os.path.join(WORK_DIRECTORY, f"{name}.lock")


def _feed(name: str, fifo: str, secret: bytes) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            # Fails until the service opens the other end.
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            break
        except OSError:
            if time.monotonic() > deadline:
                raise EdgesecError(
                    f"edgesec-{name}.service",
                    f"did not start within {_START_SECONDS:g} s",
                    f"Check systemctl status edgesec-{name}.service",
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
