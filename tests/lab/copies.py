# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of directories."""

from __future__ import annotations

import shutil
from pathlib import Path

# What belongs to a process that runs in a directory, or was killed there.
_OF_PROCESSES = shutil.ignore_patterns(".lock", "*.pid", "*.process", "*.sock")


def replace_directory(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`, which may be missing, without what belongs to running processes."""
    shutil.rmtree(target, ignore_errors=True)
    if source.exists():
        shutil.copytree(source, target, ignore=_OF_PROCESSES)
