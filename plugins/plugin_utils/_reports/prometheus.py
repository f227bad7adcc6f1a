# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as metrics in Prometheus's text format, for the textfile collector of the node exporter."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import JUDGED, Report

_LEVELS = {"L0": 0, "L1": 1, "L2": 2, "L3": 3}
Sample = tuple[dict[str, str], float]


def write(report: Report) -> str:
    """The report as metrics, all of them gauges."""
    priorities = {control.id: control.priority for control in report.controls}
    made = datetime.fromisoformat(report.made_at).timestamp()
    families: dict[str, tuple[str, list[Sample]]] = {
        "edgesec_compliance_report_timestamp_seconds": ("When the report was made.", [({}, made)]),
        "edgesec_compliance_host_judged": (
            "Whether the host could be reached and judged.",
            [({"host": host.name}, float(host.status == JUDGED)) for host in report.hosts],
        ),
        "edgesec_compliance_level": (
            "The protection level of the host, 0 to 3.",
            [({"host": host.name}, _LEVELS[host.level]) for host in report.hosts if host.level in _LEVELS],
        ),
        "edgesec_compliance_verdict": (
            "The verdict of a control on the host; always 1, the verdict is a label.",
            [
                (
                    {
                        "host": host.name,
                        "control": identifier,
                        "priority": priorities[identifier],
                        "verdict": found.verdict,
                    },
                    1,
                )
                for host in report.hosts
                for identifier, found in host.verdicts.items()
            ],
        ),
    }
    return "".join(_family(name, about, samples) for name, (about, samples) in families.items() if samples)


def _family(name: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{written}}} {value:.17g}" if written else f"{name} {value:.17g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
