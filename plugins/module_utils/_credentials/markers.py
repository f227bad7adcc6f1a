# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether any of many markers is in a text, with few passes over the text.

A search for one byte is the fastest there is, and a regular expression that begins with one byte comes next. So the
markers are told apart by the byte of theirs that is rarest in texts, and looked at only where it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Callable

# From the rarest in configuration and documents to the most frequent.
_RARE = b"K{[P_-"

# A byte, as the number that Python looks for without an exception on the way, and the search for the markers around it.
Searches = tuple[tuple[int, Callable[[bytes], object]], ...]


def searches_for(markers: Iterable[bytes]) -> Searches:
    """What :func:`holds_any` needs, to be made once."""
    around: dict[int, list[bytes]] = {}
    for marker in dict.fromkeys(markers):
        byte = next((rare for rare in _RARE if rare in marker), marker[0])
        around.setdefault(byte, []).append(marker)
    return tuple((byte, _search(byte, each)) for byte, each in around.items())


def holds_any(searches: Searches, data: bytes) -> bool:
    """Whether one of the markers is in the data."""
    for byte, search in searches:  # noqa: SIM110  (a generator takes twice the time, in every text)
        if byte in data and search(data) is not None:
            return True
    return False


def _search(byte: int, markers: list[bytes]) -> Callable[[bytes], object]:
    first = bytes((byte,))
    ways = (re.escape(marker.partition(first)[2]) + b"(?<=" + re.escape(marker) + b")" for marker in markers)
    return re.compile(re.escape(first) + b"(?:" + b"|".join(ways) + b")").search
