# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.device_action import DeviceAction
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet import fleet_report, saved_report
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet_table import fleet_table, summary
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.formats import AWS, FORMATS, written
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import WIDTH
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.write import write_files
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.files import now


class ActionModule(DeviceAction):
    """Report on the fleet; runs only on the controller."""

    _requires_connection = False

    def act(self) -> dict[str, Any]:
        """Called by the gate."""
        _validation, arguments = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "hosts": {"type": "list", "elements": "str"},
                "saved": {"type": "path"},
                "formats": {"type": "list", "elements": "str", "choices": list(FORMATS), "default": ["json", "html"]},
                "baseline": {"type": "path"},
                "aws_account": {"type": "str", "default": ""},
                "aws_region": {"type": "str", "default": ""},
            },
            mutually_exclusive=[("hosts", "saved")],
            required_one_of=[("hosts", "saved")],
        )
        return self._report(arguments, self._variables.get("hostvars", {}))

    def _report(self, arguments: dict[str, Any], hostvars: Any) -> dict[str, Any]:
        if AWS in arguments["formats"] and not (arguments["aws_account"] and arguments["aws_region"]):
            raise EdgesecError(
                "the format asff", "needs an AWS account and its region", "Set aws_account and aws_region"
            )
        directory = Path(arguments["directory"])
        before = arguments["baseline"] or directory / FORMATS["json"].file
        # A named baseline must exist; the last report need not.
        baseline = saved_report(Path(before)) if arguments["baseline"] or Path(before).is_file() else None
        if arguments["saved"]:
            report = saved_report(Path(arguments["saved"]), baseline if arguments["baseline"] else None)
        else:
            report = fleet_report({name: hostvars[name] for name in arguments["hosts"]}, now(), baseline)
        files: dict[str, bytes] = {}
        if not self._task.check_mode:
            files = {
                FORMATS[name].file: written(report, name, arguments["aws_account"], arguments["aws_region"])
                for name in arguments["formats"]
            }
            write_files(directory, files)
        seen = summary(report)
        return {
            # No device changes, and a report is new each time.
            "changed": False,
            "files": [str(directory / name) for name in files],
            "fleet_summary": seen,
            "table": [text for text, _tone in fleet_table(seen, WIDTH)],
        }
