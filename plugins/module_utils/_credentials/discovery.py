# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find undeclared secrets: walk the device once, within limits, and follow no links.

Every directory and file is opened by name relative to its open parent directory, so replacing a path meanwhile
cannot redirect the walk. The secrets themselves are never returned, only their descriptions.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import translate
from operator import attrgetter
from typing import Any, NamedTuple, Optional
from urllib.parse import quote_from_bytes, unquote_to_bytes

from .._base.acl_and_flags import group_name, read_acl, readers, user_name
from .._base.errors import EdgesecError, Malformed
from .._base.tree import json_clean, read_text
from .._disk.mountinfo import parse_mountinfo
from .._storage.observe import place_of
from .packaged import digest_of, may_be_packaged, packages_of
from .passphrases import try_known_passphrases
from .pieces import pieces_of, read_up_to
from .private_keys import Secret
from .search import Search
from .secret_formats import Found, look_into, look_into_text, may_hold_secrets, text_reader
from .skipped import MEDIA, PSEUDO, SOURCES

# Most files are no larger.
_FIRST = 16 * 1024
_DEEPEST = 200
_MOST_NAMES = 20
_MOST_SECRETS = 10_000
_LOOKED_AT = ("directories", "files", "opened")
_NOT_LOOKED_AT = ("by_name", "excluded", "too_complex", "too_deep", "too_large", "unreadable")
# Any of these may hide a secret.
_INCOMPLETE = ("too_complex", "too_deep", "too_large", "unreadable")
# No binary key is larger, except a key store with thousands of entries.
_LARGEST_BINARY = 4 * 1024 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Do not update access times: that would wear flash. Only a file's owner and root may use this flag.
_QUIETLY = os.O_NOATIME if os.geteuid() == 0 else 0


class _Stop(Exception):
    """The budget is used up."""


class _Level(NamedTuple):
    """An open directory between the start of the walk and its current position."""

    descriptor: int
    path: str
    device: int
    entries: Iterator[os.DirEntry[str]]
    after: tuple[str, ...]


@dataclass
class _Walk:
    root: str
    search: Search
    deadline: float
    secrets: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*_LOOKED_AT, *_NOT_LOOKED_AT), 0))
    digests: dict[str, str] = field(default_factory=dict)
    named: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in _INCOMPLETE})
    unentered: list[dict[str, Any]] = field(default_factory=list)
    accesses: dict[tuple[int, int, int, Optional[bytes]], dict[str, Any]] = field(default_factory=dict)
    places: dict[int, Optional[bool]] = field(default_factory=dict)
    last: str = ""

    def __post_init__(self) -> None:
        text = read_text(self.root, "/proc/self/mountinfo")
        self.mounts = {mount.mount_point: mount.fstype for mount in parse_mountinfo(text or "")}
        patterns = [translate(pattern) for pattern in self.search.exclude]
        self.first = min(_FIRST, self.search.max_size + 1)
        self.unopened = MEDIA if self.search.thorough else MEDIA | SOURCES
        self.excluded = re.compile("|".join(patterns)).match if patterns else None

    def below(self, start: str, after: tuple[str, ...]) -> None:
        """Search everything below a directory that sorts after the given position."""
        stack: list[_Level] = []
        top = self._enter(None, start, after)
        stack.extend([top] if top else [])
        try:
            while stack:
                level = stack[-1]
                name = self._next_directory(level)
                if name is None:
                    os.close(stack.pop().descriptor)
                    continue
                below = level.after[1:] if level.after[:1] == (name,) else ()
                if len(stack) >= _DEEPEST:
                    self._leave_out("too_deep", f"{level.path.rstrip('/')}/{name}")
                    continue
                inner = self._enter(level, name, below)
                if inner is not None:
                    stack.append(inner)
        finally:
            for level in stack:
                os.close(level.descriptor)

    def _enter(self, outer: Optional[_Level], name: str, after: tuple[str, ...]) -> Optional[_Level]:
        path = name if outer is None else f"{outer.path.rstrip('/')}/{name}"
        try:
            if outer is None:
                descriptor = _open_start(self.root, name)
            else:
                descriptor = _open(name, _OPEN_DIRECTORY, outer.descriptor)
        except OSError as error:
            self._cannot_read(path, error)
            return None
        device = os.fstat(descriptor).st_dev
        if not self._is_to_be_entered(outer, path, device):
            os.close(descriptor)
            return None
        try:
            with os.scandir(descriptor) as entries:
                names = sorted(entries, key=attrgetter("name"))
        except OSError as error:
            os.close(descriptor)
            self._cannot_read(path, error)
            return None
        if after:
            names = [entry for entry in names if _is_behind(entry, after)]
        self.counts["directories"] += 1
        return _Level(descriptor, path, device, iter(names), after)

    def _is_to_be_entered(self, outer: Optional[_Level], path: str, device: int) -> bool:
        fstype = self.mounts.get(path)
        if fstype is None and (outer is None or outer.device == device):
            return True
        if fstype in PSEUDO:
            return False
        if fstype in self.search.exclude_file_systems or (outer is not None and not self.search.cross_file_systems):
            self.unentered.append({"path": path, "type": fstype})
            return False
        return True

    def _next_directory(self, level: _Level) -> Optional[str]:
        """Search files up to the next directory and return its name; None after the last entry."""
        counts, excluded, unopened = self.counts, self.excluded, self.unopened
        most, deadline, clock = self.search.max_files, self.deadline, time.monotonic
        prefix = level.path.rstrip("/") + "/"
        for entry in level.entries:
            is_file = entry.is_file(follow_symlinks=False)
            if not is_file and not entry.is_dir(follow_symlinks=False):
                continue
            name = entry.name
            if excluded is not None and excluded(prefix + name):
                counts["excluded"] += 1
                continue
            if not is_file:
                return name
            if counts["files"] >= most or clock() > deadline:
                raise _Stop
            counts["files"] += 1
            path = prefix + name
            _stem, dot, end = name.rpartition(".")
            if dot and end.lower() in unopened:
                counts["by_name"] += 1
            else:
                try:
                    self._look(level, name, path)
                except OSError as error:
                    self._cannot_read(path, error)
            self.last = path
        return None

    def _look(self, level: _Level, name: str, path: str) -> None:
        descriptor = _open(name, _OPEN, level.descriptor)
        try:
            self.counts["opened"] += 1
            # No fstat before the read: most files are small and end here.
            head = os.read(descriptor, self.first)
            if len(head) == self.first:
                self._look_at_large(level, descriptor, path, head)
            elif may_hold_secrets(path, head):
                self._found(level, descriptor, path, self._secrets(path, look_into(path, head)))
        finally:
            os.close(descriptor)

    def _look_at_large(self, level: _Level, descriptor: int, path: str, head: bytes) -> None:
        as_text = text_reader(head)
        if as_text is None and not may_hold_secrets(path, head):
            return
        size = os.fstat(descriptor).st_size
        if size > self.search.max_size or (as_text is None and size > _LARGEST_BINARY):
            self._leave_out("too_large", path)
            return
        if as_text is None:
            whole = head + read_up_to(descriptor, size)
            self._found(level, descriptor, path, self._secrets(path, look_into(path, whole)))
            return
        found: list[Secret] = []
        for piece in pieces_of(descriptor, head):
            if time.monotonic() > self.deadline:
                self._leave_out("too_complex", path)
                break
            text = as_text(piece)
            if may_hold_secrets(path, text):
                found += self._secrets(path, look_into_text(path, text))
        self._found(level, descriptor, path, found)

    def _secrets(self, path: str, found: Found) -> list[Secret]:
        if found.cut:
            self._leave_out("too_complex", path)
        return found.secrets

    def _found(self, level: _Level, descriptor: int, path: str, secrets: list[Secret]) -> None:
        info = os.fstat(descriptor)
        if not secrets or not stat.S_ISREG(info.st_mode):
            return
        if len(self.secrets) >= _MOST_SECRETS:
            raise _Stop
        access = self._access(descriptor, info)
        if may_be_packaged(path):
            self.digests[path] = digest_of(descriptor)
        for secret in dict.fromkeys(map(self._try_passphrases, secrets)):
            self.secrets.append(
                {
                    "path": path,
                    "kind": secret.kind,
                    **access,
                    "encrypted": secret.encrypted,
                    "protected": secret.protected,
                    "on_encrypted_storage": self._place(level),
                    "fingerprint": secret.fingerprint,
                }
            )

    def _access(self, descriptor: int, info: os.stat_result) -> dict[str, Any]:
        """Who owns a file and who can read it; cached for files with equal permissions."""
        acl: Optional[bytes]
        try:
            acl = read_acl(descriptor)
        except OSError:
            acl = None
        key = (info.st_mode, info.st_uid, info.st_gid, acl)
        if key not in self.accesses:
            self.accesses[key] = {
                "owner": user_name(info.st_uid),
                "group": group_name(info.st_gid),
                "mode": f"{stat.S_IMODE(info.st_mode):04o}",
                "readers": _readers(*key),
            }
        return self.accesses[key]

    def _place(self, level: _Level) -> Optional[bool]:
        if level.device not in self.places:
            try:
                place = place_of(self.root, level.path)
                self.places[level.device] = True if place["memory"] else place["encrypted"]
            except EdgesecError:
                self.places[level.device] = None
        return self.places[level.device]

    def _try_passphrases(self, secret: Secret) -> Secret:
        if time.monotonic() > self.deadline:
            return secret._replace(encrypted=None, locked=None) if secret.locked else secret
        return try_known_passphrases(secret)

    def _cannot_read(self, path: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self._leave_out("unreadable", path, f"{path}: {error.strerror}")

    def _leave_out(self, why: str, path: str, told: str = "") -> None:
        self.counts[why] += 1
        if len(self.named[why]) < _MOST_NAMES:
            self.named[why].append(told or path)


def discover(root: str, search: Search) -> dict[str, Any]:
    """Collect the part C(discovered) of the fact C(edgesec_credentials).

    :raises EdgesecError: a path is not plain and absolute, or the cursor is not valid.
    """
    for path in search.paths:
        if os.path.normpath(path) != path or not path.startswith("/"):
            raise EdgesecError(
                f"the path {path!r}", "is not a plain absolute path", "Start it with / and leave out . and .."
            )
    walk = _Walk(root, search, time.monotonic() + search.max_seconds)
    first, after = _place_of_cursor(search)
    cursor = None
    for number, start in enumerate(search.paths):
        if number < first:
            continue
        behind = after if number == first else ()
        walk.last = "/".join((start.rstrip("/"), *behind)) if behind else start
        try:
            walk.below(start, behind)
        except _Stop:
            cursor = f"{number}:{quote_from_bytes(os.fsencode(walk.last))}"
            break
    counts = walk.counts
    packages = packages_of(root, walk.digests)
    return dict(
        json_clean(
            {
                "secrets": [secret for secret in walk.secrets if secret["path"] not in packages],
                "packaged": [
                    {"path": secret["path"], "kind": secret["kind"], "package": packages[secret["path"]]}
                    for secret in walk.secrets
                    if secret["path"] in packages
                ],
                "complete": cursor is None and not any(counts[name] for name in _INCOMPLETE),
                "cursor": cursor,
                "looked_at": {name: counts[name] for name in _LOOKED_AT},
                "not_looked_at": {
                    **{name: counts[name] for name in _NOT_LOOKED_AT},
                    "file_systems": walk.unentered,
                    **{f"{name}_paths": walk.named[name] for name in _INCOMPLETE},
                },
                "source": list(search.paths),
            }
        )
    )


def _readers(mode: int, uid: int, gid: int, acl: Optional[bytes]) -> Optional[list[str]]:
    try:
        return None if acl is None else readers(mode, uid, gid, acl)
    except Malformed:
        return None


def _is_behind(entry: os.DirEntry[str], after: tuple[str, ...]) -> bool:
    """Whether an entry, or something below it, sorts after the given position."""
    if entry.name != after[0]:
        return entry.name > after[0]
    return len(after) > 1 or entry.is_dir(follow_symlinks=False)


def _place_of_cursor(search: Search) -> tuple[int, tuple[str, ...]]:
    if search.cursor is None:
        return 0, ()
    number, colon, quoted = search.cursor.partition(":")
    path = os.fsdecode(unquote_to_bytes(quoted))
    if not colon or not number.isdecimal() or int(number) >= len(search.paths):
        raise _wrong_cursor(search.cursor)
    start = search.paths[int(number)]
    if path == start:
        return int(number), ()
    if not path.startswith(start.rstrip("/") + "/"):
        raise _wrong_cursor(search.cursor)
    return int(number), tuple(os.path.relpath(path, start).split("/"))


def _wrong_cursor(cursor: str) -> EdgesecError:
    return EdgesecError(
        f"the cursor {cursor!r}", "does not belong to these paths", "Use the same paths, or start without a cursor"
    )


def _open_start(root: str, path: str) -> int:
    """Open the start directory without following any link below the root."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in path.split("/"):
        if name:
            outer = descriptor
            try:
                descriptor = _open(name, _OPEN_DIRECTORY, outer)
            finally:
                os.close(outer)
    return descriptor


def _open(name: str, flags: int, directory: int) -> int:
    try:
        return os.open(name, flags | _QUIETLY, dir_fd=directory)
    except PermissionError:
        return os.open(name, flags, dir_fd=directory)
