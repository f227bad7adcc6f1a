# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Managed files: find which differ from the wanted text and mode, show the differences, and write or remove them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Optional

from .errors import EdgesecError
from .files import write_atomic

# Path, text and mode.
File = tuple[str, str, int]

_REMEDY = "Check the path, then run this again"
_REMEDIES = {
    errno.ENOSPC: "Free space on its file system, then run this again",
    errno.EDQUOT: "Free space on its file system, then run this again",
    errno.EROFS: "Mount its file system writable (mount -o remount,rw), then run this again",
    errno.EISDIR: "Move the directory away, then run this again",
    errno.ENOTDIR: "Move away the file that is in the place of a directory, then run this again",
}


class Change(NamedTuple):
    """A file to write, or a link to create (then C(mode) is None and C(after) is its target).

    :ivar gone: whether to remove it instead.
    """

    path: str
    before: str
    after: str
    mode: Optional[int]
    gone: bool = False

    @property
    def diff(self) -> dict[str, str]:
        """For Ansible's diff; code is shown by digest only."""
        before, after = (_digest(text) if self.path.endswith(".py") else text for text in (self.before, self.after))
        if self.gone:
            after = ""
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}


def missing_files(root: str, wanted: Sequence[File]) -> list[Change]:
    """List the changes that bring files to their wanted text and mode; each path is relative to the root.

    A file with another owner differs, and so does a link in its place.
    """
    changes = []
    for name, text, mode in wanted:
        path = os.path.join(root, name)
        before = _content(path)
        if before != text or not _is_ours(path, mode):
            changes.append(Change(path, before or "", text, mode))
    return changes


def removals(root: str, names: Sequence[str]) -> list[Change]:
    """List the removals of files or directories; each path is relative to the root."""
    return [Change(path, _content(path) or "", "", None, gone=True) for path in (os.path.join(root, n) for n in names)]


def write(changes: Sequence[Change]) -> None:
    """Write files and links.

    :raises EdgesecError: one of them cannot be written.
    """
    for change in changes:
        with writing(change.path):
            os.makedirs(os.path.dirname(change.path), mode=0o755, exist_ok=True)
            if change.mode is None:
                if os.path.lexists(change.path):
                    os.unlink(change.path)
                os.symlink(change.after, change.path)
            else:
                write_atomic(change.path, change.after.encode(), change.mode, os.geteuid(), os.getegid())


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn an OSError of the block into an error with the path, the reason and a remedy.

    :raises EdgesecError: the block raised OSError.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise EdgesecError(path, f"cannot be written ({why})", _REMEDIES.get(error.errno or 0, _REMEDY)) from None


def _is_ours(path: str, mode: int) -> bool:
    seen = os.lstat(path)
    access = (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode))
    return stat.S_ISREG(seen.st_mode) and access == (os.geteuid(), os.getegid(), mode)


def _digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def _content(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None
