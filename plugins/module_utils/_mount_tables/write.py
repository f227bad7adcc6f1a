# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Write an edited fstab or crypttab: check it first, replace it atomically, and reload systemd."""

from __future__ import annotations

import os
import tempfile

from .._base.errors import Refused
from .._base.files import write_atomic
from .._base.systemd_reload import reloaded_after
from .._base.tools import run

FSTAB = "/etc/fstab"


def read_fstab() -> str:
    """The text of fstab, see :func:`read_table`."""
    return read_table(FSTAB)


def read_table(path: str) -> str:
    """The text of a file, every byte kept (surrogateescape); empty if it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def put_in_place(before: str, after: str, path: str = FSTAB) -> None:
    """Write fstab if findmnt finds no new errors in it.

    :raises Refused: it has new errors, or the file has changed since it was read; nothing is written.
    """
    known = _errors(before)
    new = [error for error in _errors(after) if error not in known]
    if new:
        raise Refused(path, f"the edited file would have errors ({'; '.join(new)})", "Nothing was written")
    replace_table(before, after, path)


def replace_table(before: str, after: str, path: str) -> None:
    """Write a file that systemd generates units from, keeping its owner and mode.

    :raises Refused: the file has changed since it was read; nothing is written.
    """
    if read_table(path) != before:
        raise Refused(path, "something else changed it during this run", "Run again")
    seen = os.stat(path) if os.path.exists(path) else None
    mode, uid, gid = (seen.st_mode & 0o7777, seen.st_uid, seen.st_gid) if seen else (0o644, 0, 0)
    with reloaded_after():
        write_atomic(path, _encode(after), mode, uid, gid)


def _errors(text: str) -> list[str]:
    """The errors that findmnt finds in an fstab, without the mount points they belong to (findmnt(8), --verify)."""
    with tempfile.NamedTemporaryFile(prefix="edgesec-fstab-") as candidate:
        candidate.write(_encode(text))
        candidate.flush()
        done = run(["findmnt", "--verify", "--tab-file", candidate.name], ok=(0, 1))
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("[E]")]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
