# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Putting what runs at boot on the device: the code, its launchers, its units, and the links that enable them."""

from __future__ import annotations

import compileall
import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from . import _boot_window_program, _next_boot_check, _swap_boot, _unlock
from ._cli import run
from ._errors import EdgesecError
from ._runtime import DIRECTORY, HOOKS, LAUNCHERS, MODULES, PACKAGE, UNIT_TEXTS, UNITS, links_of
from ._whole_files import Change, missing_files, write

# They are imported here so that Ansible sends them, with all that they import, to the device.
_PROGRAMS = (_unlock, _swap_boot, _next_boot_check, _boot_window_program)


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


def install(root: str, changes: Sequence[Change]) -> None:
    """Write what differs."""
    write(changes)
    if changes:
        # The unit may not write there, and compiling is a good part of a small board's boot.
        compileall.compile_dir(os.path.join(root, PACKAGE), quiet=1)
    if changes and root == "/" and os.path.isdir("/run/systemd/system"):
        run(["systemctl", "daemon-reload"])
