# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""What a search for secrets that nobody declared is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional


class Search(NamedTuple):
    """Where to look, and when to stop.

    :ivar paths: directories to begin with, absolute.
    :ivar exclude: shell patterns of absolute paths; what is below such a directory is left out, too.
    :ivar exclude_file_systems: types of file systems that are not entered.
    :ivar cross_file_systems: whether file systems that are mounted below C(paths) are entered.
    :ivar max_seconds: after so many seconds the walk stops.
    :ivar max_files: after so many files the walk stops.
    :ivar max_size: larger files are not searched, and the search is not complete.
    :ivar thorough: sources of programs and documents are opened, too.
    :ivar cursor: where a walk that stopped is to go on, as its result had it.
    """

    paths: Sequence[str]
    exclude: Sequence[str] = ()
    exclude_file_systems: Sequence[str] = ()
    cross_file_systems: bool = False
    max_seconds: float = 60.0
    max_files: int = 1_000_000
    max_size: int = 256 * 1024 * 1024
    thorough: bool = False
    cursor: Optional[str] = None
