# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Who keeps a file system from becoming read-only: open files as /proc lists them, see proc(5)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_FLAGS = re.compile(r"^flags:\s*0*([0-7]+)$", re.MULTILINE)


class User(NamedTuple):
    """A process that keeps a file system from being unmounted."""

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}) uses {self.path}"


class Writer(NamedTuple):
    """A file that a process has open for writing."""

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}) writes {self.path}"


def writers_on(mount_point: str) -> list[Writer]:
    """The files on the file system mounted there that are open for writing, in whatever mount namespace.

    :param mount_point: where it is mounted in this one.
    """
    device = os.stat(mount_point).st_dev
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [writer for pid in pids for writer in _writers(pid, device)]


def users_of(mount_point: str) -> list[User]:
    """The processes with a file open, or their working directory, below a mount point: one path of each."""
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [user for pid in pids for user in _users(pid, mount_point.rstrip("/"))]


def _users(pid: int, mount_point: str) -> Iterator[User]:
    with contextlib.suppress(OSError):
        for link in (f"/proc/{pid}/cwd", *(f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd"))):
            with contextlib.suppress(OSError):
                path = os.readlink(link)
                if path == mount_point or path.startswith(mount_point + "/"):
                    yield User(pid, _text(f"/proc/{pid}/comm").strip(), path)
                    return


def _writers(pid: int, device: int) -> Iterator[Writer]:
    # A process may end at any moment while it is looked at.
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            link = f"/proc/{pid}/fd/{name}"
            with contextlib.suppress(OSError):
                # The flags first: only few files are open for writing, and asking a network file system can hang.
                if _is_for_writing(_text(f"/proc/{pid}/fdinfo/{name}")) and os.stat(link).st_dev == device:
                    yield Writer(pid, _text(f"/proc/{pid}/comm").strip(), os.readlink(link))


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _is_for_writing(fdinfo: str) -> bool:
    flags = _FLAGS.search(fdinfo)
    return flags is not None and int(flags.group(1), 8) & os.O_ACCMODE != os.O_RDONLY
