# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe storage, including swap, temporary files, core dumps and the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._base.tree import json_clean
from .._storage.observe import collect as collect_storage
from .._storage.swap import declared_swap
from .._storage.volume import Volume
from .._storage.written_in_passing import collect as collect_in_passing
from .._unlock.swap_device import Swap


def collect(root: str, volumes: Sequence[Volume], swaps: Sequence[Swap]) -> dict[str, Any]:
    """Collect the whole fact C(edgesec_storage).

    :raises EdgesecError: the kernel's mount table cannot be read.
    """
    storage = collect_storage(root, volumes)
    passing = collect_in_passing(root, plain=bool(storage["plain_writable_mounts"]))
    return {**storage, "declared_swap": declared_swap(root, swaps), **json_clean(passing)}
