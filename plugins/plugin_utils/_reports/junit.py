# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The report as JUnit XML: a test suite for each host and a test case for each control, for CI."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import FAIL, PASSED, UNKNOWN
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import JUDGED, Host, Report, Verdict

# The elements of a case that did not pass; all other verdicts are skipped cases.
_ELEMENTS = {FAIL: "failure", UNKNOWN: "error"}


def write(report: Report) -> str:
    """The report as JUnit XML; a host that was not judged is one case with an error."""
    root = Xml.Element("testsuites", name="edgesec.hardening")
    for number, host in enumerate(report.hosts):
        root.append(_suite(host, number, report))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(host: Host, number: int, report: Report) -> Xml.Element:
    judged = host.status == JUDGED
    verdicts = [found.verdict for found in host.verdicts.values()]
    failed, unknown = verdicts.count(FAIL), verdicts.count(UNKNOWN)
    suite = Xml.Element(
        "testsuite",
        name=host.name,
        id=str(number),
        tests=str(len(verdicts) if judged else 1),
        failures=str(failed),
        errors=str(unknown if judged else 1),
        skipped=str(len(verdicts) - failed - unknown - verdicts.count(PASSED)),
        time="0",
        timestamp=report.made_at[:19],
        hostname=host.name,
    )
    if not judged:
        Xml.SubElement(_case(suite, host, host.status), "error", type=host.status, message=host.reason)
    for identifier, found in host.verdicts.items():
        _outcome(_case(suite, host, identifier), found)
    return suite


def _case(suite: Xml.Element, host: Host, name: str) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", name=name, classname=host.name, time="0")


def _outcome(case: Xml.Element, found: Verdict) -> None:
    if found.verdict in _ELEMENTS:
        element = Xml.SubElement(case, _ELEMENTS[found.verdict], type=found.verdict, message=found.seen)
        element.text = f"Remedy: {found.remedy}" if found.remedy else None
    elif found.verdict != PASSED:
        Xml.SubElement(case, "skipped", message=f"{found.verdict}: {found.seen}")
