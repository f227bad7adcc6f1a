# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The removable token that key files lie on: mounted for as long as one is read or made, and no longer."""

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
# Whoever can insert a token has the kernel read its file system, so only these are.
FILE_SYSTEMS = ("vfat", "ext4")


@contextmanager
def mounted(device: str, *, options: str = "ro") -> Iterator[str]:
    """Mount a token where only root can reach it; C(options) beside those that keep its files from doing anything."""
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
    """The key in a file of a token, or None where there is no such file.

    At most one byte more than a key has is read: whatever is there, it takes no memory and does not last.
    """
    whole = os.path.join(os.path.realpath(directory), path)
    if os.path.realpath(whole) != whole:
        return None
    try:
        # Without waiting, since it could be a pipe.
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
    """Put a new key on a token, in place of what the file held, and return it once it is safely there."""
    key = os.urandom(KEY_BYTES)
    walked = directory
    for name in path.split("/")[:-1]:
        above, walked = walked, os.path.join(walked, name)
        if not os.path.isdir(walked):
            os.mkdir(walked, 0o700)
            sync_directory(above)
    write_atomic(os.path.join(directory, path), key, 0o400, os.geteuid(), os.getegid())
    return key
