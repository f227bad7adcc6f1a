# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet for reports: every verdict, hosts that could not be judged, and texts that mean harm."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.catalogue import CONTROLS, mapping_of
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet import fleet_report
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Report

YESTERDAY = "2026-11-24T06:00:00+00:00"
TODAY = "2026-11-25T06:00:00+00:00"

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>",
    '=HYPERLINK("http://192.0.2.1/","x")',
    "\x1b[2J\x00\x07\r\n\u202e\u2028\ud800 ]]> --> &amp; \"'",
    "\\\n{{ 7 * 7 }}{% raw %}",
    "x" * 5000,
)
# A verdict that the catalogue does not give (yet) must not break a report.
VERDICTS = ("pass", "fail", "unknown", "not_applicable", "waived")


def judgement(verdicts: tuple[str, ...], actual: str = "as seen", level: str = "L1") -> dict[str, Any]:
    """A judgement whose controls have the verdicts in turn."""
    return {
        "schema": 1,
        "host_level": {"level": level, "why": "because", "not_covered": ["a running device", actual]},
        "controls": [
            {
                "id": control.id,
                "title": control.title,
                "best_practice": control.best_practice,
                "recommendation": control.recommendation,
                "priority": control.priority,
                "verdict": (verdict := verdicts[number % len(verdicts)]),
                "expected": control.expected,
                "actual": actual,
                "reason": "nobody could look" if verdict == "unknown" else "",
                "remedy": control.remedy,
                "role": control.role,
                "source": control.source,
                "mapping": mapping_of(control),
                **({"waiver": {"reason": "a lab board", "expires": "2027-01-01"}} if verdict == "waived" else {}),
            }
            for number, control in enumerate(CONTROLS)
        ],
    }


def judged(judgement: Any) -> dict[str, Any]:
    """The variables of a host that was judged so."""
    return {"compliance_result": {"judgement": json.dumps(judgement)}}


def variables() -> dict[str, dict[str, Any]]:
    """The variables of the hosts of the fleet."""
    hosts: dict[str, dict[str, Any]] = {
        "gw-001": judged(judgement(("pass",), level="L2")),
        "gw-002": judged(judgement(VERDICTS)),
        "gw-003": {"compliance_result": {"unreachable": True, "msg": "Connection refused"}},
        "gw-004": {"compliance_result": {"failed": True, "msg": HOSTILE[0]}},
        "gw-005": {},
    }
    for text in HOSTILE:
        hosts[text] = judged(judgement(VERDICTS, text))
    return hosts


def fleet() -> Report:
    """The fleet today, compared with yesterday, when all of gw-001 failed and all of gw-002 passed."""
    before = {
        "gw-001": judged(judgement(("fail",))),
        "gw-002": judged(judgement(("pass",))),
        "gw-003": judged(judgement(("pass",))),
        "gw-000": judged(judgement(("pass",))),
    }
    return fleet_report(variables(), TODAY, fleet_report(before, YESTERDAY))


def large_fleet(hosts: int) -> Report:
    """Many hosts, each with texts of its own."""
    return fleet_report(
        {
            f"gw-{number:04}": judged(
                judgement(
                    VERDICTS[number % 5 :] + VERDICTS[: number % 5],
                    f"data: LUKS2, mounted at /data with rw,nosuid,nodev; unit edgesec-unlock@data of gw-{number}",
                )
            )
            for number in range(hosts)
        },
        TODAY,
    )


def alone(report: Report) -> Report:
    """The report without its comparison."""
    return dataclasses.replace(report, changes=None)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([*HOSTILE, *VERDICTS]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_SMALL = judgement(VERDICTS)
_SMALL["controls"] = _SMALL["controls"][:5]
_FIELDS = [*_SMALL["controls"][0], "severity", "evidence", "waiver"]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A judgement in which something is not as it should be, or something else altogether."""
    changed = copy.deepcopy(_SMALL)
    for _count in range(draw(st.integers(1, 4))):
        control = draw(st.sampled_from(changed["controls"]))
        control[draw(st.sampled_from(_FIELDS))] = draw(anything)
    if draw(st.booleans()):
        changed["host_level"][draw(st.sampled_from(["level", "why", "not_covered"]))] = draw(anything)
    return draw(st.sampled_from([changed, changed, changed, {**changed, "controls": draw(anything)}]))
