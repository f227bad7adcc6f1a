# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""The parameters of a search for undeclared secrets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional


class Search(NamedTuple):
    """Where to look, and when to stop.

    :ivar paths: absolute paths of the directories to start from.
    :ivar exclude: shell patterns of absolute paths to skip, with everything below them.
    :ivar exclude_file_systems: types of file systems to skip.
    :ivar cross_file_systems: whether to enter file systems that are mounted below C(paths).
    :ivar max_seconds: stop the walk after this many seconds.
    :ivar max_files: stop the walk after this many files.
    :ivar max_size: in bytes; larger files are not searched, and the search counts as incomplete.
    :ivar thorough: whether to open program sources and documents too.
    :ivar cursor: where to resume a stopped walk, taken from its result.
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
