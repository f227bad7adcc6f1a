# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Find the processes that prevent a read-only remount or an unmount, from the open files in /proc, see proc(5)."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from typing import NamedTuple

_FLAGS = re.compile(r"^flags:\s*0*([0-7]+)$", re.MULTILINE)
_DELETED = " (deleted)"


class User(NamedTuple):
    """A process that prevents an unmount."""

    pid: int
    command: str
    path: str

    def __str__(self) -> str:
        return f"{self.command} (pid {self.pid}) uses {self.path}"


class Writer(NamedTuple):
    """An open file that prevents a read-only remount, and its process.

    :ivar deleted: the file was deleted and takes up space until it is closed; otherwise it is open for writing.
    """

    pid: int
    command: str
    path: str
    deleted: bool

    def __str__(self) -> str:
        if self.deleted:
            return f"{self.command} (pid {self.pid}) keeps the deleted file {self.path} open"
        return f"{self.command} (pid {self.pid}) writes {self.path}"


def writers_on(mount_point: str) -> list[Writer]:
    """List the files that prevent a read-only remount of a file system, in all mount namespaces.

    These are files open for writing, and deleted files still in use: open in any mode, mapped into memory, or a
    working directory (Linux: sb_prepare_remount_readonly).

    :param mount_point: where this process sees the file system mounted.
    """
    device = os.stat(mount_point).st_dev
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [writer for pid in pids for writer in dict.fromkeys(_writers(pid, device))]


def writers_of(path: str) -> list[Writer]:
    """List the processes that have a block device (or a regular file) open for writing.

    :param path: with all links resolved.
    """
    pids = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
    return [writer for pid in pids for writer in dict.fromkeys(_writers_of(pid, path, _identity(os.stat(path))))]


def _writers_of(pid: int, path: str, wanted: tuple[int, ...]) -> Iterator[Writer]:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                link = f"/proc/{pid}/fd/{name}"
                seen = os.readlink(link)
                # Call stat on as few files as possible: a network file system may hang.
                may_be = seen.startswith("/dev/") or os.path.basename(seen) == os.path.basename(path)
                writes = may_be and _is_for_writing(_text(f"/proc/{pid}/fdinfo/{name}"))
                if writes and _identity(os.stat(link)) == wanted:
                    yield Writer(pid, _text(f"/proc/{pid}/comm").strip(), path, False)


def _identity(info: os.stat_result) -> tuple[int, ...]:
    """What stays the same when a block device, or another file, has a second name."""
    return (info.st_rdev,) if stat.S_ISBLK(info.st_mode) else (info.st_dev, info.st_ino)


def mounted_by(device: str) -> list[str]:
    """Describe the processes that see a block device mounted, in any mount namespace."""
    info = os.stat(device)
    number = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
    found = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):
            mounts = [line.split() for line in _text(f"/proc/{pid}/mountinfo").splitlines()]
            found += [
                f"{_text(f'/proc/{pid}/comm').strip()} (pid {pid})" for words in mounts if words[2:3] == [number]
            ][:1]
    return found


def users_of(mount_point: str) -> list[User]:
    """List the processes with an open file or working directory below a mount point, each with one path."""
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
    # The process may end at any moment.
    with contextlib.suppress(OSError):
        command = _text(f"/proc/{pid}/comm").strip()
        for link, for_writing in _used(pid, device):
            with contextlib.suppress(OSError):
                path = os.readlink(link)
                deleted = path.endswith(_DELETED)
                # Call stat on as few files as possible: a network file system may hang.
                found = os.stat(link) if for_writing or deleted else None
                if found is not None and found.st_dev == device:
                    # Other names of a file may remain when one is deleted.
                    gone = deleted and found.st_nlink == 0
                    if for_writing or gone:
                        yield Writer(pid, command, path[: -len(_DELETED)] if deleted else path, gone)


def _used(pid: int, device: int) -> Iterator[tuple[str, bool]]:
    """Yield the /proc links to the files that a process uses, and whether each is open for writing."""
    for name in ("cwd", "root"):
        yield f"/proc/{pid}/{name}", False
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            yield f"/proc/{pid}/fd/{name}", _is_for_writing(_text(f"/proc/{pid}/fdinfo/{name}"))
    # A mapping outlives the descriptor that created it.
    number = f"{os.major(device):02x}:{os.minor(device):02x}"
    for line in _text(f"/proc/{pid}/maps").splitlines():
        addresses, _flags, _offset, where, *_rest = line.split(None, 4)
        if where == number:
            link = f"/proc/{pid}/map_files/{_as_in_map_files(addresses)}"
            with contextlib.suppress(OSError):
                yield link, bool(os.lstat(link).st_mode & stat.S_IWUSR)


def _as_in_map_files(addresses: str) -> str:
    """The name of a mapping in map_files, without the leading zeros of maps, see proc_pid_map_files(5)."""
    return "-".join(f"{int(each, 16):x}" for each in addresses.split("-"))


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _is_for_writing(fdinfo: str) -> bool:
    flags = _FLAGS.search(fdinfo)
    return flags is not None and int(flags.group(1), 8) & os.O_ACCMODE != os.O_RDONLY
