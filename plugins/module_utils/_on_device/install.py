# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Install what runs at boot: the library, its launchers, its units, and the links that enable them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext

from .._base.managed_files import Change, missing_files, write
from .._base.places import LIBRARY, UNITS, links_of
from .._base.systemd_reload import reloaded_after
from .library import install_library, missing_library, sources
from .manifest import HOOKS, UNIT_TEXTS

__all__ = ("install", "missing", "missing_library", "sources")


def missing(root: str, units: Sequence[str]) -> list[Change]:
    """List the changes that install everything that runs at boot.

    :param units: the units to start at boot, such as C(edgesec-unlock@data.service).
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


def install(root: str, changes: Sequence[Change]) -> None:
    """Write the changes, the library before its callers, and reload systemd."""
    if not changes:
        return
    with reloaded_after() if root == "/" else nullcontext():
        library = os.path.join(root, LIBRARY, "")
        if any(change.path.startswith(library) for change in changes):
            install_library(root)
        write([change for change in changes if not change.gone and not change.path.startswith(library)])
