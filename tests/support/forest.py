# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of many files like those of a device, with secrets and look-alikes among them."""

from __future__ import annotations

import random
from itertools import cycle, islice
from pathlib import Path

from tests.support import planted, planted_programs

_WORDS = b"the of port listen = true # comment value 8080 service [unit] exec start log level info path etc".split()
# What a root file system of Debian holds: much that is not read for its name, text, programs with no end to their name.
_ENDS = (
    "",
    ".conf",
    ".py",
    ".h",
    ".so",
    ".html",
    ".list",
    ".md5sums",
    ".png",
    ".gz",
    ".service",
    ".pyc",
    ".txt",
    ".mo",
)
_PER_DIRECTORY = 25


def plant(root: Path, files: int, secrets: int, look_alikes: int) -> set[tuple[str, str]]:
    """Make a tree; return the paths below the root and the kinds of the secrets in it."""
    draw = random.Random(0)
    directories = []
    for number in range(files // _PER_DIRECTORY):
        directory = root / f"d{number % 20}" / f"e{number // 20}"
        directory.mkdir(parents=True)
        directories.append(directory)
        for file in range(_PER_DIRECTORY):
            end = _ENDS[(number + file) % len(_ENDS)]
            (directory / f"f{file}{end}").write_bytes(_filling(draw, end))
    wanted = [
        each
        for seed in range(1 + secrets // 60)
        for each in (*planted.secrets(seed), *planted_programs.keys(random.Random(seed)))
    ]
    chosen = set()
    for number, each in enumerate(islice(cycle(wanted), secrets)):
        path = directories[number * 7 % len(directories)] / str(number) / each.name
        path.parent.mkdir(parents=True)
        path.write_bytes(each.data)
        chosen.add((f"/{path.relative_to(root)}", str(each.kind)))
        path.chmod(0o600)
        path.parent.chmod(0o700)
    misleading = [*planted.look_alikes(), *planted_programs.near_misses(random.Random(0))]
    for number, each in enumerate(islice(cycle(misleading), look_alikes)):
        path = directories[number * 11 % len(directories)] / f"l{number}" / each.name
        path.parent.mkdir(parents=True)
        path.write_bytes(each.data)
    return chosen


def _filling(draw: random.Random, end: str) -> bytes:
    size = int(draw.paretovariate(0.9) * 300)
    if end in (".so", ".png", ".gz", ".pyc", ".mo") or (not end and draw.random() < 0.5):
        return b"\x7fELF" + draw.randbytes(min(size, 8000))
    return b" ".join(draw.choices(_WORDS, k=min(size, 40_000) // 6 + 1)) + b"\n"
