# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Search a text for any of many markers in few passes.

Searching for one byte is fastest, and a regular expression that begins with one byte comes next. So the markers are
grouped by their rarest byte, and compared only where that byte occurs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Callable

# From rarest to most frequent in configuration files and documents.
_RARE = b"K{[P_-"

# A byte (as an int, the fastest form for `in`), and the search for the markers around it.
Searches = tuple[tuple[int, Callable[[bytes], object]], ...]


def searches_for(markers: Iterable[bytes]) -> Searches:
    """Prepare the searches for :func:`holds_any`; call once per set of markers."""
    around: dict[int, list[bytes]] = {}
    for marker in dict.fromkeys(markers):
        byte = next((rare for rare in _RARE if rare in marker), marker[0])
        around.setdefault(byte, []).append(marker)
    return tuple((byte, _search(byte, each)) for byte, each in around.items())


def holds_any(searches: Searches, data: bytes) -> bool:
    """Whether the data contains one of the markers."""
    for byte, search in searches:  # noqa: SIM110  (a generator takes twice the time, in every text)
        if byte in data and search(data) is not None:
            return True
    return False


def _search(byte: int, markers: list[bytes]) -> Callable[[bytes], object]:
    first = bytes((byte,))
    ways = (re.escape(marker.partition(first)[2]) + b"(?<=" + re.escape(marker) + b")" for marker in markers)
    return re.compile(re.escape(first) + b"(?:" + b"|".join(ways) + b")").search
