# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe credential files: who owns them and who may read them. Contents of declared files are never read."""

from __future__ import annotations

import glob
import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, Optional

from .._base.acl_and_flags import flags_of, group_name, let_in, read_acl, user_name
from .._base.errors import Malformed
from .._base.tree import json_clean, under
from .._credentials.at_rest import Wanted, observe
from .._credentials.search import Search

MOST_FILES = 10_000
_TYPES = (
    (stat.S_ISREG, "regular"),
    (stat.S_ISLNK, "symlink"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISBLK, "block device"),
    (stat.S_ISCHR, "character device"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
)


class Declared(NamedTuple):
    """The wanted owner and group (names) and mode (four octal digits) of a file."""

    owner: str
    group: str
    mode: str
    required: bool


def collect(
    root: str, files: Sequence[tuple[str, Declared]], search: Optional[Search] = None, sealed: Sequence[Wanted] = ()
) -> dict[str, Any]:
    """Collect the fact C(edgesec_credentials).

    :param files: absolute paths or shell patterns, each with its declaration; the last one for a file wins.
    :param search: the search for undeclared secrets; None for no search.
    :param sealed: services' secrets to seal to the TPM.
    :raises EdgesecError: the search has an invalid path or cursor.
    """
    found: dict[str, dict[str, Any]] = {}
    for pattern, declared in files:
        found.update((observed["path"], observed) for observed in _matching(root, pattern, declared))
    return {
        "schema": 1,
        "files": [json_clean(found[path]) for path in sorted(found)],
        "sealed": [json_clean(observe(root, each)) for each in sealed],
        "discovered": None if search is None else _discovered(root, search),
        "source": "lstat",
    }


def _discovered(root: str, search: Search) -> dict[str, Any]:
    # A large part of the library: import it only for a search.
    from .._credentials.discovery import discover  # noqa: PLC0415  # pylint: disable=import-outside-toplevel

    return discover(root, search)


def _matching(root: str, pattern: str, declared: Declared) -> Iterator[dict[str, Any]]:
    found = list(islice(glob.iglob(under(glob.escape(root), pattern)), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        yield _unseen(pattern, declared, None, None, f"more than {MOST_FILES} files match")
        return
    paths = ["/" + os.path.relpath(path, root) for path in sorted(found)]
    # glob leaves out dangling links, but they are worth reporting.
    if not paths and os.path.lexists(under(root, pattern)):
        paths = [pattern]
    if not paths:
        reason = "the required file is missing" if declared.required else "the file does not exist"
        yield _unseen(pattern, declared, False, False if declared.required else None, reason)
    for path in paths:
        yield _file(root, path, declared)


def _unseen(
    path: str, declared: Declared, exists: Optional[bool], compliant: Optional[bool], reason: str
) -> dict[str, Any]:
    return {
        "path": path,
        "declared": declared._asdict(),
        "exists": exists,
        "type": None,
        "owner": None,
        "group": None,
        "uid": None,
        "gid": None,
        "mode": None,
        "acl": None,
        "flags": None,
        "nlink": None,
        "unsafe_directory": None,
        "compliant": compliant,
        "reason": reason,
    }


def _file(root: str, path: str, declared: Declared) -> dict[str, Any]:
    try:
        info = os.lstat(under(root, path))
    except FileNotFoundError:
        return _unseen(path, declared, False, None, "it vanished while being examined")
    except OSError as error:
        return _unseen(path, declared, None, None, f"it cannot be examined: {error.strerror}")
    facts = {
        "path": path,
        "declared": declared._asdict(),
        "exists": True,
        "type": next((name for is_type, name in _TYPES if is_type(info.st_mode)), "other"),
        "owner": user_name(info.st_uid),
        "group": group_name(info.st_gid),
        "uid": info.st_uid,
        "gid": info.st_gid,
        "mode": f"{stat.S_IMODE(info.st_mode):04o}",
        "acl": _acl(root, path),
        "flags": _flags(root, path, info),
        "nlink": info.st_nlink,
        "unsafe_directory": _unsafe_directory(root, path, declared),
    }
    problems = _problems(facts, declared)
    return {**facts, "compliant": not problems, "reason": "; ".join(problems) or None}


def _problems(facts: dict[str, Any], declared: Declared) -> list[str]:
    problems = []
    if facts["type"] != "regular":
        problems.append(f"it is a {facts['type']}, not a regular file")
    elif facts["nlink"] > 1:
        problems.append(f"it has {facts['nlink']} hard links")
    for what, number, wanted in (("owner", "uid", declared.owner), ("group", "gid", declared.group)):
        if wanted not in (facts[what], str(facts[number])):
            problems.append(f"{what} is {facts[what]}, not {wanted}")
    if facts["mode"] != declared.mode:
        problems.append(f"mode is {facts['mode']}, not {declared.mode}")
    if facts["acl"]:
        problems.append(f"an access control list lets in {', '.join(facts['acl'])}")
    if facts["unsafe_directory"] is not None:
        problems.append(f"others could replace it through {facts['unsafe_directory']}")
    return problems


def _unsafe_directory(root: str, path: str, declared: Declared) -> Optional[str]:
    """The nearest directory through which others could replace the file, or None.

    Such a directory is a symbolic link, belongs to someone other than root, this process or the wanted owner, or is
    writable by more than its owner.
    """
    trusted = {0, os.geteuid(), _uid(declared.owner)}
    directory = os.path.dirname(path)
    while directory != "/":
        try:
            info = os.lstat(under(root, directory))
        except OSError:
            return directory
        shared = info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not info.st_mode & stat.S_ISVTX
        if stat.S_ISLNK(info.st_mode) or info.st_uid not in trusted or shared:
            return directory
        directory = os.path.dirname(directory)
    return None


def _acl(root: str, path: str) -> Optional[list[str]]:
    try:
        return let_in(read_acl(under(root, path)))
    except (OSError, Malformed):
        return None


def _flags(root: str, path: str, seen: os.stat_result) -> Optional[list[str]]:
    if not stat.S_ISREG(seen.st_mode):
        return None
    try:
        descriptor = os.open(under(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return flags_of(descriptor)
    finally:
        os.close(descriptor)


def _uid(name: str) -> Optional[int]:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return int(name) if name.isdecimal() else None
