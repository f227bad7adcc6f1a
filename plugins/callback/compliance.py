# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: compliance
type: aggregate
short_description: Show the compliance of the fleet at the end of a run
version_added: 1.0.0
author:
  - The edgesec.hardening contributors (@edgesec)
description:
  - Shows the fleet table of M(edgesec.hardening.compliance_report) again, below all other output, in colour and as
    wide as the terminal. It also does so in check mode.
  - Without it, the playbook C(edgesec.hardening.audit) shows the table in plain text of 100 columns.
requirements:
  - Enable it in C(callbacks_enabled) of ansible.cfg, or in the environment variable C(ANSIBLE_CALLBACKS_ENABLED).
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# callbacks_enabled = edgesec.hardening.compliance
"""

from typing import Any

from ansible import constants as C  # noqa: N812
from ansible.plugins.callback import CallbackBase

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet_table import (
    BAD,
    DOUBTFUL,
    GOOD,
    fleet_table,
)

REPORT = "edgesec.hardening.compliance_report"


class CallbackModule(CallbackBase):
    """Show the fleet table at the end of the run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "edgesec.hardening.compliance"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seen: dict[str, Any] | None = None

    def v2_runner_on_ok(self, result: Any) -> None:
        """Keep the fleet summary; only results of the report task count, because a device may return anything."""
        task = result._task
        if REPORT in (task.action, getattr(task, "resolved_action", None)):
            self._seen = result._result.get("fleet_summary", self._seen)

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        """Show the table."""
        if self._seen is None:
            return
        colours = {GOOD: C.COLOR_OK, DOUBTFUL: C.COLOR_WARN, BAD: C.COLOR_ERROR}
        self._display.banner("COMPLIANCE")
        for text, tone in fleet_table(self._seen, self._display.columns):
            self._display.display(text, color=colours.get(tone))
