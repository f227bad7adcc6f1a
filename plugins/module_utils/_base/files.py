# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Write files atomically, and change permissions by descriptor, never by path."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from .acl_and_flags import ACL, APPEND_ONLY, IMMUTABLE, flags_of, read_acl
from .errors import EdgesecError, Refused

_SHARED_WRITE = stat.S_IWGRP | stat.S_IWOTH
_CHUNK = 4 * 1024 * 1024


class Permissions(NamedTuple):
    """Owner, group and permission bits (with setuid, setgid and sticky) of a file.

    :ivar acl: the access control list in the kernel's binary form; empty if there is none.
    """

    uid: int
    gid: int
    mode: int
    acl: bytes = b""


class Change(NamedTuple):
    """Permissions of a file before and after; equal if there is nothing to do."""

    path: str
    before: Permissions
    after: Permissions

    @property
    def changed(self) -> bool:
        return self.before != self.after


def memory_directory() -> tempfile.TemporaryDirectory[str]:
    """A temporary directory, removed on exit; in memory if /run can be written."""
    return tempfile.TemporaryDirectory(prefix="edgesec-", dir="/run" if os.access("/run", os.W_OK) else None)


def write_atomic(path: str, data: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
    """Replace a file atomically: a power cut at any moment leaves either the old file or the new one.

    :param path: a symbolic link here is replaced, not followed.
    :raises OSError: the directory cannot be written; the old file is unchanged.
    """
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            # chown first: it clears setuid and setgid.
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(directory)


def overwrite(path: str, begin: int, end: int) -> None:
    """Write zeros and verify them. The first bytes go last, since the next run recognises the data by them.

    :raises EdgesecError: the device does not store the zeros.
    """
    zeros = bytes(_CHUNK)
    with open(path, "r+b", buffering=0) as file:
        for at in reversed(range(begin, end, _CHUNK)):
            os.pwrite(file.fileno(), zeros[: min(_CHUNK, end - at)], at)
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), begin, end - begin, os.POSIX_FADV_DONTNEED)
        for at in range(begin, end, _CHUNK):
            if any(os.pread(file.fileno(), min(_CHUNK, end - at), at)):
                raise EdgesecError(
                    path, f"does not store the zeros written from byte {at} on", "Do not trust the device"
                )


@contextmanager
def opened_exclusively(device: str) -> Iterator[None]:
    """Hold a device open exclusively (O_EXCL): nobody can mount, map or swap to it meanwhile. Files always succeed.

    :raises Refused: the device is in use.
    """
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(device, f"it cannot be opened exclusively ({error.strerror})", "Nothing was changed") from None
    try:
        yield
    finally:
        os.close(descriptor)


def sync_directory(path: str) -> None:
    """Flush the entries of a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def apply_permissions(path: str, uid: int, gid: int, mode: int, *, check: bool, acl: bytes = b"") -> Change:
    """Set owner, group and mode of a regular file, through a descriptor that no rename can redirect.

    An access control list is removed, because it gives access to others.

    Permissions are tightened first: nobody can read the file in between who could not read it before or after.

    :param path: absolute and plain, without ``..``.
    :param check: only report the change.
    :param acl: the list to restore, when a change is undone.
    :raises Refused: the file is a link, has further names or is not regular; or someone other than root, this process
        and the wanted owner could put another file in its place.
    :raises OSError: the system did not allow it.
    """
    descriptor = _open_regular(path, uid)
    try:
        seen = os.fstat(descriptor)
        before = Permissions(seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode), read_acl(descriptor))
        change = Change(path, before, Permissions(uid, gid, mode, acl))
        if change.changed:
            _require_changeable(path, descriptor)
        if change.changed and not check:
            _change(descriptor, change)
        return change
    finally:
        os.close(descriptor)


def _change(descriptor: int, change: Change) -> None:
    before, after = change.before, change.after
    # With an ACL, the group bits are its mask. Clear them until the ACL is removed and the new group is set.
    closed = before.mode & after.mode & ~(stat.S_IRWXG if before.acl else 0)
    try:
        if before.acl or (before.uid, before.gid) != (after.uid, after.gid):
            os.fchmod(descriptor, closed)
        if before.acl:
            os.removexattr(descriptor, ACL)
        if (before.uid, before.gid) != (after.uid, after.gid):
            os.fchown(descriptor, after.uid, after.gid)
    except OSError:
        # Restore the ACL first, since it changes the mode bits. A failure here must not hide the original one.
        with suppress(OSError):
            if before.acl:
                os.setxattr(descriptor, ACL, before.acl)
        with suppress(OSError):
            os.fchmod(descriptor, before.mode)
        raise
    if after.acl:
        os.setxattr(descriptor, ACL, after.acl)
    # After chown, which clears setuid and setgid.
    os.fchmod(descriptor, after.mode)


def _require_changeable(path: str, descriptor: int) -> None:
    for flag, letter in ((IMMUTABLE, "i"), (APPEND_ONLY, "a")):
        if flag in (flags_of(descriptor) or ()):
            raise Refused(
                path,
                f"has the flag {flag}, so nobody can change it",
                f"Find out who set it, then clear it (chattr -{letter} {path})",
            )


def _open_regular(path: str, uid: int) -> int:
    if not path.startswith("/") or path.startswith("//") or path == "/" or os.path.normpath(path) != path:
        raise Refused(
            path, "is not the plain absolute path of a file", "Write it without '.', '..' and doubled slashes"
        )
    *parents, name = path.split("/")[1:]
    trusted = {0, os.geteuid(), uid}
    directory = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _check_directory("/", directory, trusted)
        walked = ""
        for parent in parents:
            walked += "/" + parent
            inner = _open_directory(walked, parent, directory)
            os.close(directory)
            directory = inner
            _check_directory(walked, directory, trusted)
        # Check before opening: merely opening a device node can have an effect.
        _check_file(path, os.stat(name, dir_fd=directory, follow_symlinks=False), directory, trusted)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=directory)
        try:
            _check_file(path, os.fstat(descriptor), directory, trusted)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor
    finally:
        os.close(directory)


def _open_directory(path: str, name: str, directory: int) -> int:
    if stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        raise Refused(
            path, "is a symbolic link on the way to the file", f"Name the file below {os.path.realpath(path)}"
        )
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)


def _check_directory(path: str, directory: int, trusted: set[int]) -> None:
    seen = os.fstat(directory)
    if seen.st_uid not in trusted:
        raise Refused(
            path,
            f"the directory belongs to user id {seen.st_uid}, who could put another file in place",
            f"Give it to root or to the declared owner of the file (chown root {path})",
        )
    if seen.st_mode & _SHARED_WRITE and not seen.st_mode & stat.S_ISVTX:
        raise Refused(
            path,
            f"the directory has mode {stat.S_IMODE(seen.st_mode):04o}: others could put another file in place",
            f"Remove the write permission (chmod go-w {path})",
        )


def _check_file(path: str, seen: os.stat_result, directory: int, trusted: set[int]) -> None:
    if stat.S_ISLNK(seen.st_mode):
        raise Refused(path, "is a symbolic link", f"Name the file that it leads to ({os.path.realpath(path)})")
    if not stat.S_ISREG(seen.st_mode):
        raise Refused(path, f"is a {file_type(seen.st_mode)}, not a regular file", "Name a regular file")
    if seen.st_nlink > 1:
        raise Refused(
            path,
            f"has {seen.st_nlink} names (hard links): changing it changes a file elsewhere",
            f"List the names (find / -xdev -samefile {path}); remove the others, or replace the file with a copy",
        )
    if os.fstat(directory).st_mode & _SHARED_WRITE and seen.st_uid not in trusted:
        raise Refused(
            path,
            f"belongs to user id {seen.st_uid} and is in a directory where everybody can create files",
            "Find out where it comes from, and move it to a directory that only its owner can write",
        )


def file_type(mode: int) -> str:
    """Name the kind of a file from its st_mode: regular, symlink, directory, socket, pipe or device."""
    kinds = {
        stat.S_IFREG: "regular",
        stat.S_IFLNK: "symlink",
        stat.S_IFDIR: "directory",
        stat.S_IFSOCK: "socket",
        stat.S_IFIFO: "pipe",
    }
    return kinds.get(stat.S_IFMT(mode), "device")


def read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Read up to C(size) bytes at an offset of a device or file; fewer only at its end.

    :raises OSError: it cannot be read.
    """
    data = b""
    while len(data) < size:
        more = os.pread(descriptor, size - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data
