# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The progress of an in-place encryption, and its next step."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional

from .._base.background import is_running
from .._base.errors import Refused
from .._luks.header import Header
from .._luks.on_device import header_of
from .._luks.reencryption import Progress, is_under_way, progress_of
from .._unlock.resume import FAILED, Report, last_report, work_of
from . import encrypt_in_place
from .encrypt_in_place import Job, clear_up, require_convertible
from .launch import install_library, wait_until_begun
from .make import observe
from .plan import ENCRYPT_IN_PLACE, plan

PREPARE, START, RUNNING, NONE = "prepare", "start", "running", "none"


class State(NamedTuple):
    """The state of a volume, and the stage that follows from it.

    :ivar device: the examined device, with all links resolved.
    """

    job: Job
    device: str
    stage: str
    header: Optional[Header]
    report: Report
    progress: Optional[Progress]

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        volume = self.job.volume
        device = volume.device
        before = {PREPARE: "file system in clear", START: "begun", RUNNING: "being encrypted", NONE: "encrypted"}
        return {
            "stage": self.stage,
            **self.report.with_progress(self.progress),
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
        """Make the header; return its backup.

        :raises Refused: the file system cannot be encrypted in place, or is not the one consented to.
        """
        clear_up(self.job.volume)
        if look(self.job).stage != PREPARE:
            raise Refused(self.job.volume.device, "it has changed since it was examined", "Run again")
        return encrypt_in_place.prepare(self.job, uuid=uuid, key=key)

    def start(self, key: bytes) -> None:
        """Begin or resume in the background."""
        if self.stage == PREPARE:
            raise Refused(self.job.volume.device, "its header is not prepared", "Run luks_encrypt with state: prepared")
        # A link may change, now or when the file system disappears under the encryption.
        job = self.job._replace(volume=self.job.volume._replace(device=self.device))
        encrypt_in_place.start(job, install_library(), key)
        wait_until_begun(self.job.volume.name)


def look(job: Job) -> State:
    """Examine the progress.

    :raises Refused: the device holds neither this volume nor what the operator consented to.
    """
    volume = job.volume
    device = os.path.realpath(volume.device)
    report = last_report(volume.name) or Report("")
    if is_running(work_of(volume.name)):
        header = header_of(device) or header_of(job.header)
        return State(
            job, device, RUNNING, header, Report(report.phase), progress_of(header, device) if header else None
        )
    error = report if report.phase == FAILED else Report("")
    facts = {**observe(volume._replace(device=device)), "device": volume.device}
    intent = plan(facts, volume).intent
    header = header_of(device)
    if intent == ENCRYPT_IN_PLACE:
        prepared = header_of(job.header) if os.path.exists(job.header) else None
        if not facts["interrupted"]:
            require_convertible(job)
        return State(job, device, START if prepared and not facts["interrupted"] else PREPARE, prepared, error, None)
    if header is not None and is_under_way(header):
        return State(job, device, START, header, error, progress_of(header, device))
    return State(job, device, NONE, header, report if report.phase != FAILED else Report(""), None)
