# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Root file systems of Debian as tar archives: for the device's image and for the test containers."""

from __future__ import annotations

import fnmatch
import os
import shlex
import tarfile
from collections.abc import Sequence
from pathlib import Path

from . import cache, host
from .errors import LabError
from .progress import step
from .run import run

SUITES = ("trixie", "bookworm")

# Neither a device nor a container under test needs documentation or translations.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/info/*",
)


def build(suite: str, packages: Sequence[str], *, setup: str = "", customize: str = "") -> Path:
    """Return a tar archive of a Debian root file system, from the cache where it was built before.

    :param suite: one of SUITES.
    :param packages: package names on top of the required ones.
    :param setup: shell text run on the host with the root directory as $1 before any package is unpacked.
    :param customize: shell text run inside the root file system, as its root, when all packages are installed.
    :raises LabError: unknown suite, missing host package, no space, or mmdebstrap failed.
    """
    if suite not in SUITES:
        raise LabError(f"suite {suite}", "not supported", f"Choose one of: {', '.join(SUITES)}")
    wanted = sorted(packages)
    name = f"{suite}-{cache.key(suite, wanted, setup, customize, cache.sources('rootfs.py'))}"

    def make(directory: Path) -> None:
        host.require_packages()
        host.require_space(directory, 3000)
        with step(f"root file system of {suite}, {len(wanted)} packages and what they need"):
            run(argv(suite, wanted, setup, customize, directory / "rootfs.tar", host.mirror()), timeout=1800)
            # In user namespaces mmdebstrap's archive may come out unreadable to others; it holds no secret.
            os.chmod(directory / "rootfs.tar", 0o644)

    return cache.build_once("rootfs", name, make) / "rootfs.tar"


def argv(suite: str, packages: Sequence[str], setup: str, customize: str, target: Path, mirror: str) -> list[str]:
    """The mmdebstrap command line."""
    words = ["mmdebstrap", "--quiet", "--variant=minbase", "--architectures=amd64", "--mode=auto"]
    words += [f"--include={','.join(packages)}"]
    words += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
    if setup:
        words += [f"--setup-hook={setup}"]
    if customize:
        words += [f'--customize-hook=chroot "$1" /bin/sh -eu -c {shlex.quote(customize)}']
    return [*words, suite, str(target), mirror]


def contents(tar: Path, *patterns: str) -> dict[str, tuple[str, bytes]]:
    """Name and content of the files in a root file system that patterns are for; the last of several of one pattern.

    :raises LabError: there is none for one of them.
    """
    found = {}
    with tarfile.open(tar) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            for pattern in patterns:
                if member.isreg() and fnmatch.fnmatchcase(name, pattern):
                    handle = archive.extractfile(member)
                    found[pattern] = (name, handle.read() if handle else b"")
    missing = set(patterns) - set(found)
    if missing:
        raise LabError(str(tar), f"has no {min(missing)}")
    return found
