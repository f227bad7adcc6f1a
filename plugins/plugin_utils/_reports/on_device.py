# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The parts of a judgement that are left on the device: a local fact, and metrics for node_exporter.

Both omit timestamps, so they change only with the judgement. Both contain only verdicts and levels, because everybody
on the device can read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

_LEVELS = {"L0": 0, "L1": 1, "L2": 2, "L3": 3}


def local_facts(judgement: Mapping[str, Any]) -> str:
    """The text of C(/etc/ansible/facts.d/edgesec.fact), which C(setup) returns as C(ansible_local.edgesec)."""
    facts = {
        "schema": 1,
        "level": judgement["host_level"]["level"],
        "not_covered": judgement["host_level"]["not_covered"],
        "volumes": {volume["name"]: volume["level"] for volume in judgement["volumes"]},
        "controls": {control["id"]: control["verdict"] for control in judgement["controls"]},
    }
    return json.dumps(facts, indent=1, sort_keys=True) + "\n"


def metrics(judgement: Mapping[str, Any]) -> str:
    """The metrics for node_exporter's textfile collector, in the text format of Prometheus."""
    families: dict[str, tuple[str, list[tuple[dict[str, str], int]]]] = {
        "edgesec_compliance_level": (
            "The protection level of the device, 0 to 3.",
            [({}, _LEVELS[judgement["host_level"]["level"]])],
        ),
        "edgesec_compliance_volume_level": (
            "The protection level of a volume, 0 to 3.",
            [({"volume": volume["name"]}, _LEVELS[volume["level"]]) for volume in judgement["volumes"]],
        ),
        "edgesec_compliance_verdict": (
            "The verdict of a control; always 1, the verdict is a label.",
            [
                (
                    {
                        "control": control["id"],
                        "priority": control["priority"],
                        "severity": control["severity"],
                        "verdict": control["verdict"],
                    },
                    1,
                )
                for control in judgement["controls"]
            ],
        ),
    }
    return "".join(_family(name, about, samples) for name, (about, samples) in families.items() if samples)


def _family(name: str, about: str, samples: Iterable[tuple[dict[str, str], int]]) -> str:
    lines = [f"# HELP {name} {about}", f"# TYPE {name} gauge"]
    for labels, value in samples:
        written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        lines.append(f"{name}{{{written}}} {value}" if written else f"{name} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
