# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Putting what runs at boot on the device: the code, its launchers, its units, and the links that enable them."""

from __future__ import annotations

import compileall
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Optional

from . import _boot_window_program, _next_boot_check, _swap_boot, _unlock
from ._cli import run
from ._errors import EdgesecError
from ._files import write_atomic
from ._runtime import DIRECTORY, HOOKS, LAUNCHERS, MODULES, PACKAGE, UNIT_TEXTS, UNITS, links_of

# They are imported here so that Ansible sends them, with all that they import, to the device.
_PROGRAMS = (_unlock, _swap_boot, _next_boot_check, _boot_window_program)


@dataclass(frozen=True)
class Change:
    """A file to be written, or a link to be made (C(mode) is None then, and C(after) its target)."""

    path: str
    before: str
    after: str
    mode: Optional[int]

    @property
    def diff(self) -> dict[str, str]:
        """As Ansible shows differences; of code no more than its digest."""
        before, after = (_digest(text) if self.path.endswith(".py") else text for text in (self.before, self.after))
        return {"before_header": self.path, "after_header": self.path, "before": before, "after": after}


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


def missing(root: str, units: Sequence[str]) -> list[Change]:
    """What differs on the device from what is to be there.

    :param units: to be started at boot, as C(edgesec-unlock@data.service).
    """
    wanted = [(os.path.join(UNITS, name), text, 0o644) for name, text in UNIT_TEXTS.items()]
    wanted += [(path, text, mode) for path, (text, mode) in HOOKS.items()]
    changes = [*missing_library(root), *missing_files(root, wanted)]
    links = {
        os.path.join(root, name): f"/{UNITS}/{unit.partition('@')[0]}@.service"
        for unit in units
        for name in links_of(unit)
    }
    return [*changes, *(Change(link, "", to, None) for link, to in links.items() if not os.path.islink(link))]


def missing_library(root: str) -> list[Change]:
    """What differs of the code and its launchers from what is to be there."""
    wanted = [(os.path.join(PACKAGE, name), text, 0o644) for name, text in sources().items()]
    return missing_files(
        root, [*wanted, *((os.path.join(DIRECTORY, name), text, 0o755) for name, text in LAUNCHERS.items())]
    )


def missing_files(root: str, wanted: Sequence[tuple[str, str, int]]) -> list[Change]:
    """What differs from files that are to be there, each with its path below the root, text and mode."""
    changes = []
    for name, text, mode in wanted:
        path = os.path.join(root, name)
        before = _content(path)
        if before != text or os.stat(path).st_mode & 0o7777 != mode:
            changes.append(Change(path, before or "", text, mode))
    return changes


def install(root: str, changes: Sequence[Change]) -> None:
    """Write what differs."""
    for change in changes:
        os.makedirs(os.path.dirname(change.path), mode=0o755, exist_ok=True)
        if change.mode is None:
            os.symlink(change.after, change.path)
        else:
            write_atomic(change.path, change.after.encode(), change.mode, os.geteuid(), os.getegid())
    if changes:
        # The unit may not write there, and compiling is a good part of a small board's boot.
        compileall.compile_dir(os.path.join(root, PACKAGE), quiet=1)
    if changes and root == "/" and os.path.isdir("/run/systemd/system"):
        run(["systemctl", "daemon-reload"])


def _digest(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()}\n"


def _content(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None
