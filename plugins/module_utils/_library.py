# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The library that runs at boot, replaced whole: at every instant each launcher runs from a complete library.

The new library is written and synced in a directory of its own, the launchers are pointed at it, the one in the usual
place is brought up to date, and the launchers are pointed back. Only plain files are renamed, so this works on every
file system. What a power cut leaves behind is unexpected there, and the next run removes it.
"""

from __future__ import annotations

import compileall
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from . import _boot_window_program, _next_boot_check, _swap_boot, _unlock
from ._errors import EdgesecError
from ._files import sync_directory
from ._runtime import CACHE, DIRECTORY, LAUNCHERS, MODULES, PACKAGE, RELOAD_OWED, digest_of, launchers, unexpected
from ._whole_files import Change, File, missing_files, removals, write

# They are imported here so that Ansible sends them, with all that they import, to the device.
_PROGRAMS = (_unlock, _swap_boot, _next_boot_check, _boot_window_program)
_UNFINISHED = ".unfinished"


def sources() -> dict[str, str]:
    """The sources that run here and now, by file name: from files, or from the archive that Ansible sent.

    :raises EdgesecError: one of them cannot be found.
    """
    package = str(_PROGRAMS[0].__package__)
    found = {"__init__.py": ""}
    for name in MODULES:
        loader: Any = import_module(f"{package}.{name}").__loader__
        source = loader.get_source(f"{package}.{name}")
        if source is None:
            raise EdgesecError(f"the module {name}", "has no source to install")
        found[f"{name}.py"] = source
    return found


def missing_library(root: str) -> list[Change]:
    """What differs of the code and its launchers from what must be there, and what must not be there."""
    return [
        *missing_files(root, [*_files(PACKAGE, sources()), *_launchers(DIRECTORY)]),
        *removals(root, unexpected(root)),
    ]


def install_library(root: str) -> None:
    """Bring library and launchers to this release; a power cut at any point leaves launchers that work."""
    wanted = sources()
    if missing_files(root, _files(PACKAGE, wanted)) or _extra(root, PACKAGE, wanted):
        if any(os.path.lexists(os.path.join(root, DIRECTORY, name)) for name in LAUNCHERS):
            stage = _stage(root, wanted)
            _put(root, _launchers(stage))
        _make_whole(root, PACKAGE, wanted)
    _put(root, _launchers(DIRECTORY))
    for name in unexpected(root):
        if name != RELOAD_OWED:
            _remove(os.path.join(root, name))
    sync_directory(os.path.join(root, DIRECTORY))


def _stage(root: str, wanted: Mapping[str, str]) -> str:
    """Have the new library complete and synced beside the old one; returns its directory, below the root."""
    digest = digest_of({name: text.encode() for name, text in wanted.items()})
    stage = f"{DIRECTORY}/{digest[:16]}"
    package = f"{stage}/{os.path.basename(PACKAGE)}"
    if not os.path.isdir(os.path.join(root, stage)):
        unfinished = os.path.join(root, DIRECTORY, _UNFINISHED)
        _remove(unfinished)
        _make_whole(root, f"{DIRECTORY}/{_UNFINISHED}/{os.path.basename(PACKAGE)}", wanted)
        sync_directory(unfinished)
        os.rename(unfinished, os.path.join(root, stage))
        sync_directory(os.path.join(root, DIRECTORY))
    elif missing_files(root, _files(package, wanted)) or _extra(root, package, wanted):
        _make_whole(root, package, wanted)
    return stage


def _make_whole(root: str, package: str, wanted: Mapping[str, str]) -> None:
    """Have a package hold just these sources, compiled and synced."""
    path = os.path.join(root, package)
    if os.path.islink(path) or not os.path.isdir(path):
        _remove(path)
        os.makedirs(path, mode=0o755)
    for name in (*_extra(root, package, wanted), CACHE):
        _remove(os.path.join(path, name))
    _put(root, _files(package, wanted))
    # The unit may not write there, and compiling is a good part of a small board's boot.
    compileall.compile_dir(path, quiet=1)
    cache = os.path.join(path, CACHE)
    for name in os.listdir(cache) if os.path.isdir(cache) else ():
        _sync_file(os.path.join(cache, name))
    for directory in (cache, path, os.path.dirname(path)):
        if os.path.isdir(directory):
            sync_directory(directory)


def _put(root: str, files: Sequence[File]) -> None:
    changes = missing_files(root, files)
    for change in changes:
        if os.path.isdir(change.path):
            _remove(change.path)
    write(changes)


def _extra(root: str, package: str, wanted: Mapping[str, str]) -> list[str]:
    path = os.path.join(root, package)
    return sorted(set(os.listdir(path)) - {*wanted, CACHE}) if os.path.isdir(path) else []


def _files(package: str, wanted: Mapping[str, str]) -> list[File]:
    return [(f"{package}/{name}", text, 0o644) for name, text in wanted.items()]


def _launchers(directory: str) -> list[File]:
    return [(f"{DIRECTORY}/{name}", text, 0o755) for name, text in launchers(directory).items()]


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
