# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Install the library that runs at boot: each release has its own directory, named by the digest of its sources.

A release is written, compiled and synced before the launchers, small files replaced by rename, point to it. So at
every instant each launcher runs from a complete library, on every file system. A launcher that started earlier still
imports from the former library; that one stays until a later run removes it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import marshal
import os
import py_compile
import shutil
import struct
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pkgutil import iter_modules
from types import CodeType
from typing import Any

from .._base.errors import EdgesecError
from .._base.files import sync_directory
from .._base.managed_files import Change, File, missing_files, removals, write, writing
from .._base.places import LIBRARY, PACKAGE, RELOAD_OWED
from .._boot_window import main as boot_window_main
from .._luks import libcryptsetup
from .._measured_boot import measured_parts
from .._tpm import counter, public_area, storage_root_key
from .._unlock import main as unlock_main
from .._unlock import next_boot_main, swap_main
from .manifest import BOOT_PACKAGES, CACHE, digest_of, launchers, library_of, strays, superseded

# Ansible sends to the device what is imported here, and what that imports: together, every file of the packages.
_SENT = (
    *(boot_window_main, unlock_main, next_boot_main, swap_main),
    *(libcryptsetup, measured_parts, counter, public_area, storage_root_key),
)
_UNFINISHED = ".unfinished"


def sources() -> dict[str, str]:
    """The sources of the running code, by path in the library: from files, or from the archive that Ansible sent.

    :raises EdgesecError: one of them cannot be found.
    """
    library = str(__package__).rpartition(".")[0]
    found = {"__init__.py": ""}
    for package in BOOT_PACKAGES:
        found[f"{package}/__init__.py"] = ""
        for module in iter_modules(import_module(f"{library}.{package}").__path__):
            name = f"{library}.{package}.{module.name}"
            loader: Any = import_module(name).__loader__
            source = loader.get_source(name)
            if source is None:
                raise EdgesecError(f"the module {name}", "has no source to install")
            found[f"{package}/{module.name}.py"] = source
    return found


def missing_library(root: str) -> list[Change]:
    """List the changes to the library and its launchers, including removals."""
    wanted = sources()
    library = _library_of(wanted)
    changes = missing_files(root, _files(f"{library}/{PACKAGE}", wanted))
    if not changes and not _is_compiled(root, library, wanted):
        changes.append(Change(os.path.join(root, library, PACKAGE, CACHE), "", "", 0o755))
    return [*changes, *missing_files(root, _launchers(library)), *removals(root, _unwanted(root, library, wanted))]


def install_library(root: str) -> None:
    """Update library and launchers to this release; a power cut at any point leaves working launchers.

    :raises EdgesecError: a file cannot be written. The launchers still work.
    """
    wanted = sources()
    library = _library_of(wanted)
    directory = os.path.join(root, LIBRARY)
    with writing(directory):
        os.makedirs(directory, mode=0o755, exist_ok=True)
        # Determine this before waiting for another run: a library superseded meanwhile may still be in use.
        unwanted = _unwanted(root, library, wanted)
        with _locked(directory):
            if missing_files(root, _files(f"{library}/{PACKAGE}", wanted)) or not _is_compiled(root, library, wanted):
                _build(root, library, wanted)
            _put(root, _launchers(library))
            for name in sorted({*unwanted} & {*_unwanted(root, library, wanted)} - {RELOAD_OWED}):
                _remove(os.path.join(root, name))
            sync_directory(directory)


def _library_of(wanted: Mapping[str, str]) -> str:
    return library_of(digest_of({name: text.encode() for name, text in wanted.items()}))


def _unwanted(root: str, library: str, wanted: Collection[str]) -> list[str]:
    return [*strays(root, library, wanted), *(each for each in superseded(root) if each != library)]


@contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Lock the directory against other runs; wait for the lock."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(root: str, library: str, wanted: Mapping[str, str]) -> None:
    """Complete, compile and sync a library; damaged files of one in use are replaced one by one."""
    unfinished = os.path.join(root, LIBRARY, _UNFINISHED)
    _remove(unfinished)
    try:
        write(missing_files(root, _files(f"{LIBRARY}/{_UNFINISHED}/{PACKAGE}", wanted)))
        package = os.path.join(unfinished, PACKAGE)
        # Compile here: the unit may not write there, and compiling takes much of a small board's boot time.
        for name in wanted:
            path = _compiled(package, name)
            py_compile.compile(
                os.path.join(package, name),
                path,
                f"/{library}/{PACKAGE}/{name}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP,
            )
            _sync_file(path)
        _move(unfinished, os.path.join(root, library))
    finally:
        with suppress(OSError):
            _remove(unfinished)


def _move(source: str, target: str) -> None:
    """Move each file, already synced, to the same place below the target, and sync the directories."""
    for here, _directories, names in os.walk(source):
        there = os.path.normpath(os.path.join(target, os.path.relpath(here, source)))
        if os.path.islink(there) or not os.path.isdir(there):
            _remove(there)
            os.mkdir(there, 0o755)
            sync_directory(os.path.dirname(there))
        for name in names:
            path = os.path.join(there, name)
            if os.path.isdir(path):
                _remove(path)
            os.replace(os.path.join(here, name), path)
        sync_directory(there)


def _is_compiled(root: str, library: str, wanted: Mapping[str, str]) -> bool:
    """Whether every source has an intact compiled file; an import of a damaged one would fail."""
    package = os.path.join(root, library, PACKAGE)
    return all(_is_whole(os.path.join(package, name), _compiled(package, name)) for name in wanted)


def _is_whole(source: str, compiled: str) -> bool:
    """Whether a compiled file is intact and made from this source (PEP 552 defines the first sixteen bytes)."""
    try:
        seen = os.stat(source)
        with open(compiled, "rb") as file:
            head, code = file.read(16), file.read()
        made_of = struct.pack("<III", 0, int(seen.st_mtime) & 0xFFFFFFFF, seen.st_size & 0xFFFFFFFF)
        return head == importlib.util.MAGIC_NUMBER + made_of and isinstance(marshal.loads(code), CodeType)  # noqa: S302
    except (OSError, EOFError, ValueError, TypeError, MemoryError, SystemError):
        return False


def _compiled(package: str, name: str) -> str:
    directory, last = os.path.split(os.path.join(package, name))
    return os.path.join(directory, CACHE, f"{last.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc")


def _put(root: str, files: Sequence[File]) -> None:
    changes = missing_files(root, files)
    for change in changes:
        if os.path.isdir(change.path):
            _remove(change.path)
    write(changes)


def _files(package: str, wanted: Mapping[str, str]) -> list[File]:
    return [(f"{package}/{name}", text, 0o644) for name, text in wanted.items()]


def _launchers(directory: str) -> list[File]:
    return [(f"{LIBRARY}/{name}", text, 0o755) for name, text in launchers(directory).items()]


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _sync_file(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
