# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cache: things built once, named by a hash of what they are made of, and never seen half-built."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from .progress import say

LAB = Path(__file__).resolve().parent
REPOSITORY = LAB.parent.parent


def root() -> Path:
    """The cache directory: $EDGESEC_LAB_CACHE where set, else .lab in the repository."""
    named = os.environ.get("EDGESEC_LAB_CACHE")
    path = Path(named).expanduser().resolve() if named else REPOSITORY / ".lab"
    path.mkdir(parents=True, exist_ok=True)
    return path


def key(*parts: object) -> str:
    """A short name for what `parts` (JSON values) say; equal parts give equal names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def sources(*names: str) -> list[str]:
    """Digests of the lab's own files, as parts of a key: a changed builder makes a new image."""
    return [hashlib.sha256((LAB / name).read_bytes()).hexdigest() for name in names]


@contextlib.contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold a lock shared by all processes that use this cache."""
    path = root() / "locks" / f"{name}.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: waiting for another process that works on it ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_once(kind: str, name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory `kind`/`name`, filled by `make(directory)` when it is not there yet.

    `make` works in a directory that gets its final name only after it has returned.
    """
    target = root() / kind / name
    if target.exists():
        return target
    with lock(f"{kind}-{name}"):
        if target.exists():
            return target
        unfinished = target.with_name(f".{name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            make(unfinished)
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return target
