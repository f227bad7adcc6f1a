# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The files of the fleet store: written atomically, private, and on the disk before a call returns."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.files import sync_directory, write_atomic

_SAFE_NAME = re.compile(r"[A-Za-z0-9_.:@+~-]+")


class StoreFiles:
    """Files by name in one directory, which is created when the first file is written."""

    def __init__(self, path: str) -> None:
        self.path = Path(path).expanduser().absolute()

    def put(self, name: str, data: bytes) -> None:
        """Write a file; an existing one is replaced."""
        path = self.path / name
        self._make_directory(path.parent)
        write_atomic(str(path), data, 0o600, os.geteuid(), os.getegid())

    def find(self, name: str) -> bytes | None:
        """The content of a file, or None if it does not exist."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def get(self, name: str, problem: str, remedy: str) -> bytes:
        """The content of a file.

        :raises EdgesecError: it does not exist; C(problem) and C(remedy) say what that means.
        """
        data = self.find(name)
        if data is None:
            raise EdgesecError(f"the store {self.path}", problem, remedy)
        return data

    def modified(self, name: str) -> float:
        """When a file was last written (seconds since 1970)."""
        return (self.path / name).stat().st_mtime

    def names(self, pattern: str) -> list[str]:
        """The names of files that a shell pattern matches."""
        return sorted(str(path.relative_to(self.path)) for path in self.path.glob(pattern) if path.is_file())

    def move(self, name: str, to: str) -> None:
        """Rename a file; an existing one with the new name is replaced."""
        self._make_directory((self.path / to).parent)
        os.replace(self.path / name, self.path / to)
        for directory in {(self.path / each).parent for each in (name, to)}:
            sync_directory(str(directory))

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        path = self.path / name
        if path.exists():
            path.unlink()
            sync_directory(str(path.parent))

    def made_once(self, name: str, make: Callable[[], dict[str, bytes]]) -> bytes:
        """The content of a file; if it does not exist, C(make) creates it, possibly with others."""
        path = self.path / name
        if not path.exists():
            with self.lock():
                if not path.exists():
                    for each, content in make().items():
                        self.put(each, content)
        return path.read_bytes()

    def journal(self, event: str, host: str, subject: str) -> None:
        """Add a line to the journal."""
        entry = {"at": now(), "event": event, "host": host, "subject": subject}
        with self.lock(), open(self.path / "journal.jsonl", "a", encoding="utf-8", opener=_private) as journal:
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
            os.fsync(journal.fileno())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the store: each host is worked on in its own process, in parallel."""
        self._make_directory(self.path)
        with open(self.path / ".lock", "w", encoding="ascii", opener=_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make_directory(self, directory: Path) -> None:
        if directory.is_dir():
            return
        if directory != self.path:
            self._make_directory(directory.parent)
        try:
            directory.mkdir(mode=0o700, parents=directory == self.path, exist_ok=True)
            sync_directory(str(directory.parent))
        except OSError as error:
            raise EdgesecError(
                f"the store {self.path}", f"cannot be written: {error.strerror}", "Point edgesec_store elsewhere"
            ) from None


def now() -> str:
    """The present time, in the store's format (ISO 8601, UTC, seconds)."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def safe(name: str) -> str:
    """Return the name if it is safe as a file name.

    :raises EdgesecError: it is not a file name, or would lead elsewhere.
    """
    if not _SAFE_NAME.fullmatch(name) or name.startswith("."):
        raise EdgesecError(
            f"the name {name!r}", "cannot be the name of a file", "Use letters, digits and _ . : @ + ~ -"
        )
    return name


def host_directory(host: str) -> str:
    """The directory of a host, relative to the store.

    :raises EdgesecError: the host's name cannot be a directory name.
    """
    return f"hosts/{safe(host)}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
