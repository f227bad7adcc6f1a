# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Write the files of a report: private, and atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.files import write_atomic


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files by name with mode 0600; the directory is created with mode 0700 if it is missing.

    :raises EdgesecError: a file cannot be written.
    """
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        for name, data in files.items():
            write_atomic(str(directory / name), data, 0o600, os.geteuid(), os.getegid())
    except OSError as error:
        raise EdgesecError(
            f"the report in {directory}", f"cannot be written: {error.strerror}", "Name another directory"
        ) from error
