# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Compare two reports on a fleet, host by host and control by control."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import (
    JUDGED,
    Change,
    Changes,
    Host,
    Report,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import paired


def changes(before: Report, after: Report) -> Changes:
    """The differences of the later report."""
    hosts = paired({host.name: host for host in before.hosts}, {host.name: host for host in after.hosts})
    both = [(old, new) for _name, old, new in hosts if old and new]
    return Changes(
        since=before.made_at,
        verdicts=tuple(change for old, new in both for change in _verdicts(old, new)),
        new=tuple(name for name, old, _new in hosts if old is None),
        gone=tuple(name for name, _old, new in hosts if new is None),
        lost=tuple(new.name for old, new in both if old.status == JUDGED != new.status),
        back=tuple(new.name for old, new in both if new.status == JUDGED != old.status),
    )


def _verdicts(before: Host, after: Host) -> Iterator[Change]:
    if not before.status == after.status == JUDGED:
        return
    for control, old, new in paired(before.verdicts, after.verdicts):
        if new is not None and (old is None or old.verdict != new.verdict):
            yield Change(after.name, control, old.verdict if old else "", new.verdict)
