# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""How far the encryption in place of a volume is, and its next step."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Optional

from . import _background, _in_place
from ._background import is_running
from ._errors import EdgesecError, Refused
from ._files import write_atomic
from ._in_place import PREPARING, Job, clear_up, require_convertible
from ._luks2 import Header
from ._luks_header import header_of
from ._plan import ENCRYPT_IN_PLACE, plan
from ._reencryption import Progress, is_under_way, progress
from ._resume import FAILED, Report, last_report, work_of
from ._volume import observe

PREPARE, START, RUNNING, NONE = "prepare", "start", "running", "none"

_BEGIN_SECONDS = 120.0
_LIBRARY = os.path.join(_background.DIRECTORY, "lib")


@dataclass(frozen=True)
class State:
    """What was found of a volume, and the stage that follows from it."""

    job: Job
    stage: str
    header: Optional[Header]
    report: Report
    progress: Optional[Progress]

    def as_result(self) -> dict[str, Any]:
        """As the module returns it."""
        volume = self.job.volume
        device = volume.device
        before = {PREPARE: "file system in clear", START: "begun", RUNNING: "being encrypted", NONE: "encrypted"}
        return {
            "stage": self.stage,
            "phase": self.report.phase,
            "error": self.report.error,
            "done_bytes": self.progress.done if self.progress else 0,
            "total_bytes": self.progress.total if self.progress else 0,
            "to_be_sealed": [self._to_be_sealed()] if self.stage in (PREPARE, START) and not self.progress else [],
            "uuid": self.header.uuid if self.header else "",
            "diff": {
                "before": f"{device}: {before[self.stage]}\n",
                "after": f"{device}: encrypted\n",
            },
        }

    def _to_be_sealed(self) -> dict[str, Any]:
        volume = self.job.volume
        return {"name": volume.name, "device": volume.device, "prepared_header": self.job.header}

    def prepare(self, uuid: str, key: bytes) -> bytes:
        """Make the header; returns its backup.

        :raises Refused: the file system cannot be encrypted in place, or is not the one that was consented to.
        """
        clear_up(self.job.volume)
        if look(self.job).stage != PREPARE:
            raise Refused(self.job.volume.device, "it has changed since it was looked at", "Run again")
        return _in_place.prepare(self.job, uuid=uuid, key=key)

    def start(self, key: bytes) -> None:
        """Begin, or go on, in the background."""
        if self.stage == PREPARE:
            raise Refused(self.job.volume.device, "its header is not prepared", "Call luks_encrypt with state prepared")
        _in_place.start(self.job, _install_library(), key)
        _wait_until_begun(self.job.volume.name)


def look(job: Job) -> State:
    """Find out how far it is.

    :raises Refused: the device is neither this volume nor what the operator has consented to.
    """
    volume = job.volume
    device = volume.device
    report = last_report(volume.name) or Report("")
    if is_running(work_of(volume.name)):
        header = header_of(device) or header_of(job.header)
        return State(job, RUNNING, header, Report(report.phase), _progress(header, device))
    error = report if report.phase == FAILED else Report("")
    facts = observe(volume)
    intent = plan(facts, volume).intent
    header = header_of(device)
    if intent == ENCRYPT_IN_PLACE:
        prepared = header_of(job.header) if os.path.exists(job.header) else None
        if not facts["interrupted"]:
            require_convertible(job)
        return State(job, START if prepared and not facts["interrupted"] else PREPARE, prepared, error, None)
    if header is not None and is_under_way(header):
        return State(job, START, header, error, _progress(header, device))
    return State(job, NONE, header, report if report.phase != FAILED else Report(""), None)


def _wait_until_begun(name: str) -> None:
    """Else whoever looks next would see neither work nor its end."""
    deadline = time.monotonic() + _BEGIN_SECONDS
    while not is_running(work_of(name)) and last_report(name) == Report(PREPARING):
        if time.monotonic() > deadline:
            raise EdgesecError(
                f"edgesec-{work_of(name)}.service",
                f"did not begin within {_BEGIN_SECONDS:g} s",
                f"See systemctl status edgesec-{work_of(name)}.service",
            )
        time.sleep(0.1)


def _progress(header: Optional[Header], device: str) -> Optional[Progress]:
    if header is None:
        return None
    with open(device, "rb") as file:
        return progress(header, file.seek(0, os.SEEK_END))


def _install_library() -> str:
    """Put the modules of this library that are loaded now below the directory that is returned, on tmpfs."""
    package = str(__package__)
    directory = os.path.join(_LIBRARY, "edgesec")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    sources = {"__init__": ""}
    for name in [name for name in sys.modules if name.startswith(package + ".")]:
        loader: Any = import_module(name).__loader__
        sources[name.rpartition(".")[2]] = loader.get_source(name) or ""
    for name, source in sources.items():
        write_atomic(os.path.join(directory, f"{name}.py"), source.encode(), 0o600, os.geteuid(), os.getegid())
    return _LIBRARY
