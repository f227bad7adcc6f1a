# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running host tools: argv lists, C locale, and an error that quotes what the tool said."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import LabError

# Debian keeps mkfs and sfdisk where ordinary users do not search.
SEARCH_PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"


def environment() -> dict[str, str]:
    """The environment for every host tool."""
    return {**os.environ, "LC_ALL": "C", "PATH": SEARCH_PATH}


def run(argv: Sequence[str], *, stdin: str | None = None, cwd: Path | None = None, timeout: float = 900) -> str:
    """Run a tool and return its standard output.

    :raises LabError: it is not installed, it failed, or it did not end within `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv, input=stdin, cwd=cwd, timeout=timeout, env=environment(), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LabError(argv[0], "the program is not installed", "Run 'python3 -m tests.lab packages'") from None
    except subprocess.TimeoutExpired:
        raise LabError(argv[0], f"did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise LabError(
            argv[0], f"ended with {done.returncode}", log="\n".join((done.stderr or done.stdout).splitlines()[-15:])
        )
    return done.stdout
