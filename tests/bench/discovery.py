# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long the search for secrets takes, compared with find, which looks at the same files without opening one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.discovery import discover
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.search import Search
from tests.bench.figures import Figure, Goal, Work, in_turn, ratio
from tests.support.forest import plant

FILES, SECRETS, LOOK_ALIKES = 50_000, 200, 200


def undeclared(directory: Path, rounds: int) -> Iterator[Figure]:
    """A tree with secrets and what looks like some, searched as by default and thoroughly.

    Processor time is compared, so that what else the machine does counts less. The search is one process.
    """
    root = directory / "forest"
    planted = plant(root, FILES, SECRETS, LOOK_ALIKES)
    quick, thorough = (Search(("/",), thorough=each, max_seconds=600) for each in (False, True))
    for search in (quick, thorough):
        found = {(secret["path"], secret["kind"]) for secret in discover(str(root), search)["secrets"]}
        assert found == planted, f"of {len(planted)} secrets {len(found & planted)}, and {len(found - planted)} others"
    command = ["find", str(root), "-xdev", "-printf", "%s %m\\n"]
    finding, searching, thoroughly = in_turn(
        rounds,
        lambda: _processor_seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)),
        lambda: _processor_seconds(lambda: discover(str(root), quick)),
        lambda: _processor_seconds(lambda: discover(str(root), thorough)),
    )
    what = f"processor time of the search of {FILES} files for {SECRETS} secrets"
    find = ("find", finding)
    yield ratio("discovery_vs_find", f"{what} / find that prints sizes", ("search", searching), find, Goal(3.0))
    yield ratio("discovery_thorough_vs_find", f"{what}, sources and documents as well", ("search", thoroughly), find)


def _processor_seconds(work: Work) -> float:
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    return sum(each.ru_utime + each.ru_stime for each in (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)))
