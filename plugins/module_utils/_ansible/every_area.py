# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe every area in one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from .._base.errors import EdgesecError
from .._facts.boot import collect as collect_boot
from .._facts.credentials import collect as collect_credentials
from .._facts.identity import collect as collect_identity
from .._facts.platform import collect as collect_platform
from .._facts.storage import collect as collect_storage
from .._facts.tpm import collect as collect_tpm
from .arguments import files_of, search_of, swaps_of, volumes_of, wanted_of

Parameters = Mapping[str, Any]

_AREAS: dict[str, Callable[[Parameters], dict[str, Any]]] = {
    "platform": lambda given: collect_platform(given["root"]),
    "boot": lambda given: collect_boot(given["root"], given["boot_paths"]),
    "credentials": lambda given: collect_credentials(
        given["root"],
        files_of(given["credential_files"]),
        search_of(given["discover"]),
        [wanted_of(each) for each in given["sealed"]],
    ),
    "identity": lambda given: collect_identity(given["root"], given["identity"]),
    "storage": lambda given: collect_storage(given["root"], volumes_of(given["volumes"]), swaps_of(given["swap"])),
    "tpm": lambda given: collect_tpm(given["root"], volumes_of(given["volumes"]), given["tcti"]),
}


def collect(given: Parameters) -> dict[str, Any]:
    """Collect the facts of the areas that C(compliance_facts) was asked for, by fact name.

    :raises EdgesecError: a parameter is wrong, or an area cannot be read at all.
    """
    return {f"edgesec_{area}": _AREAS[area](given) for area in subset(given["gather_subset"])}


def subset(names: Sequence[str]) -> list[str]:
    """Resolve gather_subset to areas. As in C(setup), exclusions alone mean all but these.

    :raises EdgesecError: an area is unknown.
    """
    wanted: set[str] = set()
    unwanted: set[str] = set()
    for name in names:
        area = name.lstrip("!")
        if area != "all" and area not in _AREAS:
            raise EdgesecError(f"the area {name!r}", "is not known", f"Choose from all, {', '.join(sorted(_AREAS))}")
        (unwanted if name.startswith("!") else wanted).update(_AREAS if area == "all" else (area,))
    return [area for area in _AREAS if area in (wanted or _AREAS) and area not in unwanted]
