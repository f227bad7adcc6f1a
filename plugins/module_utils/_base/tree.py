# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read a device's files below a root directory, which may be a captured tree instead of the running device."""

from __future__ import annotations

import os
import stat
from typing import Any, Optional

from .errors import EdgesecError

_MOST_BYTES = 256 << 20


def under(root: str, path: str) -> str:
    """Join an absolute path of the device to the root."""
    return os.path.join(root, path.lstrip("/"))


def resolve(root: str, path: str) -> str:
    """The path as the device sees it, with every symbolic link followed (assuming that links stay below root)."""
    top = os.path.realpath(root)
    real = os.path.realpath(under(top, path))
    return real if top == "/" else "/" + os.path.relpath(real, top)


def read_bytes(root: str, path: str, limit: int = 1 << 20) -> Optional[bytes]:
    """The first C(limit) bytes of a file, or None if it cannot be read."""
    try:
        with open(under(root, path), "rb") as stream:
            # Python allocates as much as is asked for, so ask for the size; files in /proc and /sys report none.
            size = os.fstat(stream.fileno()).st_size
            return stream.read(min(limit, size or limit))
    except OSError:
        return None


def read_text(root: str, path: str) -> Optional[str]:
    """The text of a file, or None if it cannot be read."""
    data = read_bytes(root, path)
    return None if data is None else data.decode("utf-8", "replace")


def read_line(root: str, path: str) -> Optional[str]:
    """The first line of a file without surrounding white space and NUL bytes, or None if it cannot be read."""
    text = read_text(root, path)
    if text is None:
        return None
    return text.split("\n", 1)[0].strip("\0 \t\r")


def names_in(root: str, path: str) -> list[str]:
    """The sorted names in a directory; empty if it cannot be read."""
    wanted = under(root, path)
    # An observation writes nothing, not even the access time. Only the owner and root may use O_NOATIME (open(2)).
    for flags in (os.O_RDONLY | os.O_DIRECTORY | os.O_NOATIME, os.O_RDONLY | os.O_DIRECTORY):
        try:
            descriptor = os.open(wanted, flags | os.O_CLOEXEC)
        except PermissionError:
            continue
        except OSError:
            break
        try:
            return sorted(os.listdir(descriptor))
        except OSError:
            break
        finally:
            os.close(descriptor)
    return []


def is_directory(root: str, path: str) -> bool:
    """Whether the path leads to a directory."""
    return os.path.isdir(under(root, path))


def is_executable(root: str, path: str) -> bool:
    """Whether the path leads to a regular file that somebody may execute."""
    try:
        mode = os.stat(under(root, path)).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def json_clean(value: Any) -> Any:
    """Replace every surrogate in facts (a byte of a file name that is not UTF-8) with a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {json_clean(key): json_clean(each) for key, each in value.items()}
    if isinstance(value, list):
        return [json_clean(each) for each in value]
    return value


def read_whole(root: str, path: str) -> str:
    """The whole text of a file, every byte kept (surrogateescape); empty if it cannot be read.

    :raises EdgesecError: it is implausibly large.
    """
    data = read_bytes(root, path, _MOST_BYTES + 1) or b""
    if len(data) > _MOST_BYTES:
        raise EdgesecError(path, f"has more than {_MOST_BYTES} bytes", "Find out what fills it")
    return data.decode("utf-8", "surrogateescape")
