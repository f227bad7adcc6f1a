# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Mount the removable token with key files, only while a key file is read or made."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Optional

from .._base.files import sync_directory, write_atomic
from .._base.places import RUN_DIRECTORY
from .._base.tools import LOOK_SECONDS, run

KEY_BYTES = 32
# Anyone can insert a token and make the kernel parse its file system, so only these types are mounted.
FILE_SYSTEMS = ("vfat", "ext4")


@contextmanager
def mounted(device: str, *, options: str = "ro") -> Iterator[str]:
    """Mount a token where only root can reach it, with C(options) in addition to nodev, nosuid and noexec."""
    os.makedirs(RUN_DIRECTORY, mode=0o700, exist_ok=True)
    path = tempfile.mkdtemp(prefix="token-", dir=RUN_DIRECTORY)
    try:
        run(
            ["mount", "-t", ",".join(FILE_SYSTEMS), "-o", f"{options},nodev,nosuid,noexec", device, path],
            timeout=LOOK_SECONDS,
        )
        try:
            yield path
        finally:
            run(["umount", path], timeout=LOOK_SECONDS)
    finally:
        os.rmdir(path)


def read_key(directory: str, path: str) -> Optional[bytes]:
    """Read the key in a file of a token; None if there is no such regular file.

    Reads at most one byte more than a key has, so that a hostile file costs neither memory nor time.
    """
    whole = os.path.join(os.path.realpath(directory), path)
    if os.path.realpath(whole) != whole:
        return None
    try:
        # Non-blocking, since it could be a pipe.
        descriptor = os.open(whole, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)


def make_key(directory: str, path: str) -> bytes:
    """Write a new key to a file of a token, replacing the old content; return the key once it is on the disk."""
    key = os.urandom(KEY_BYTES)
    walked = directory
    for name in path.split("/")[:-1]:
        above, walked = walked, os.path.join(walked, name)
        if not os.path.isdir(walked):
            os.mkdir(walked, 0o700)
            sync_directory(above)
    write_atomic(os.path.join(directory, path), key, 0o400, os.geteuid(), os.getegid())
    return key
