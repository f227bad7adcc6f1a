# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the search for secrets takes, compared with find, which looks at the same files without opening one.

    python -m tests.bench.discovery [DIRECTORY]

Without a directory, a tree of 50,000 files with 200 secrets and 200 look-alikes is made. Processor time is compared,
of the best of three runs each, so that what else the machine does counts less.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.setup.collection import place

sys.path.insert(0, str(place()))

FILES, SECRETS, LOOK_ALIKES = 50_000, 200, 200


def main() -> None:
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
        return
    from tests.forest import plant

    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        wanted = plant(root, FILES, SECRETS, LOOK_ALIKES)
        for thorough in measure(root):
            print("found", len(thorough & wanted), "of", len(wanted), "and", len(thorough - wanted), "others")


def measure(root: Path) -> list[set[tuple[str, str]]]:
    """Print the figures; return the paths and kinds of what the quick and the thorough search found."""
    from ansible_collections.edgesec.hardening.plugins.module_utils._discovery import Search, discover

    plain = best(
        lambda: subprocess.run(["find", root, "-xdev", "-printf", "%s %m\\n"], stdout=subprocess.DEVNULL, check=True)
    )
    print(f"find: {plain:.2f} s")
    results = []
    for thorough in (False, True):
        found = discover(str(root), Search(("/",), thorough=thorough, max_seconds=600))
        taken = best(functools.partial(discover, str(root), Search(("/",), thorough=thorough, max_seconds=600)))
        name = "thorough" if thorough else "quick"
        print(f"{name}: {taken:.2f} s, {taken / plain:.1f} x find, {found['looked_at']}")
        results.append({(secret["path"], secret["kind"]) for secret in found["secrets"]})
    return results


def best(work: Callable[[], object]) -> float:
    """Processor time of the best of three runs, in seconds."""
    times = []
    for _run in range(3):
        before = _used()
        work()
        times.append(_used() - before)
    return min(times)


def _used() -> float:
    return sum(each.ru_utime + each.ru_stime for each in (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN)))


if __name__ == "__main__":
    main()
