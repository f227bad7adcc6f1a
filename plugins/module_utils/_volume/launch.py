# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Start background work from a module, whose own files disappear when it returns."""

from __future__ import annotations

import os
import sys
import time
from importlib import import_module
from typing import Any

from .._base.background import is_running
from .._base.errors import EdgesecError
from .._base.files import write_atomic
from .._base.places import WORK_DIRECTORY
from .._unlock.resume import PREPARING, Report, last_report, work_of

_BEGIN_SECONDS = 120.0
_LIBRARY = os.path.join(WORK_DIRECTORY, "lib")


def install_library() -> str:
    """Copy the currently loaded modules of this library to tmpfs, and return the directory."""
    package = str(__package__).rpartition(".")[0]
    directory = os.path.join(_LIBRARY, "edgesec")
    sources = {"__init__.py": ""}
    for name, module in [(name, module) for name, module in sys.modules.items() if name.startswith(package + ".")]:
        loader: Any = import_module(name).__loader__
        path = name[len(package) + 1 :].replace(".", "/")
        sources[f"{path}/__init__.py" if hasattr(module, "__path__") else f"{path}.py"] = loader.get_source(name) or ""
    for path, source in sources.items():
        full = os.path.join(directory, path)
        os.makedirs(os.path.dirname(full), mode=0o700, exist_ok=True)
        write_atomic(full, source.encode(), 0o600, os.geteuid(), os.getegid())
    return _LIBRARY


def wait_until_begun(name: str) -> None:
    """Wait until the work on a volume begins: a caller that looks too early would see neither the work nor its result.

    :raises EdgesecError: it does not begin in time.
    """
    deadline = time.monotonic() + _BEGIN_SECONDS
    while not is_running(work_of(name)) and last_report(name) == Report(PREPARING):
        if time.monotonic() > deadline:
            raise EdgesecError(
                f"edgesec-{work_of(name)}.service",
                f"did not begin within {_BEGIN_SECONDS:g} s",
                f"Check systemctl status edgesec-{work_of(name)}.service",
            )
        time.sleep(0.1)
