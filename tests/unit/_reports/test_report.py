# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.fail_on import FAIL_ON, violations
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet import fleet_report, saved_report
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet_table import (
    BAD,
    DOUBTFUL,
    GOOD,
    fleet_table,
    summary,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.formats import (
    FORMATS,
    collection_version,
    written,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.json import read, write
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Change, Report
from tests.support.fleet import (
    HOSTILE,
    TODAY,
    YESTERDAY,
    anything,
    fleet,
    judged,
    judgement,
    large_fleet,
    mutated,
    variables,
)


def test_every_host_is_in_the_report_with_its_reason() -> None:
    report = fleet()
    assert [host.name for host in report.hosts][:5] == ["gw-001", "gw-002", "gw-003", "gw-004", "gw-005"]
    assert len(report.hosts) == len(variables())
    assert {host.name: (host.status, host.reason) for host in report.hosts[2:5]} == {
        "gw-003": ("unreachable", "Connection refused"),
        "gw-004": ("failed", HOSTILE[0]),
        "gw-005": ("failed", "no reason was given"),
    }


def test_what_has_changed_since_the_report_of_before() -> None:
    changes = fleet().changes
    assert changes is not None
    assert changes.since == YESTERDAY
    assert len(changes.of_kind("mended")) == len(fleet().controls)
    worse = changes.of_kind("new_failure")
    assert {change.host for change in worse} == {"gw-002"}
    assert worse[0] == Change("gw-002", fleet().controls[1].id, "pass", "fail")
    assert changes.gone == ("gw-000",)
    assert changes.lost == ("gw-003",)
    assert "gw-004" in changes.new
    assert changes.back == ()


def test_a_report_is_read_as_it_was_written() -> None:
    for report in (fleet(), large_fleet(3), Report(TODAY, "1.0.0", (), ())):
        assert read(write(report), "it") == report


def test_only_reports_are_read(tmp_path: Any) -> None:
    good = json.loads(write(fleet()))
    for wrong in (
        "no JSON",
        "[" * 100_000,
        "[]",
        json.dumps(good | {"schema": 2}),
        json.dumps(good | {"hosts": None}),
        json.dumps({key: value for key, value in good.items() if key != "made_at"}),
        json.dumps(good | {"hosts": [{"name": "gw-001", "status": "asleep"}]}),
        json.dumps(good | {"hosts": ["gw-001"]}),
    ):
        with pytest.raises(Malformed, match="the report"):
            read(wrong, "the report")
    with pytest.raises(EdgesecError, match="cannot be read"):
        saved_report(tmp_path / "missing.json")


def test_the_version_is_that_of_the_collection() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", collection_version())


def test_what_has_to_pass_is_named() -> None:
    seen = judgement(("fail", "unknown", "waived"))
    by_priority = {
        priority: {each["id"] for each in seen["controls"] if each["priority"] == priority}
        for priority in ("Required", "Highly Recommended", "Recommended")
    }
    failed = {each["id"] for each in seen["controls"] if each["verdict"] == "fail"}
    unknown = {each["id"] for each in seen["controls"] if each["verdict"] == "unknown"}
    assert violations(seen, "none") == []
    assert set(violations(seen, "required")) == (failed | unknown) & by_priority["Required"]
    assert set(violations(seen, "highly_recommended", False)) == failed - by_priority["Recommended"]
    assert set(violations(seen, "recommended")) == failed | unknown
    seen["controls"].append({"id": "site.own", "verdict": "fail", "priority": "Site"})
    assert "site.own" not in violations(seen, "recommended")
    assert set(violations(seen, "any", False)) == failed | {"site.own"}
    assert violations(judgement(("pass", "not_applicable", "waived")), "any") == []
    with pytest.raises(EdgesecError, match="none, required, highly_recommended, recommended, any"):
        violations(seen, "most")
    assert FAIL_ON[0] == "none"


def test_the_same_controls_in_facts_and_in_every_format(after: Any, policy: Any) -> None:
    seen = judge(after, policy)
    identifiers = [control["id"] for control in seen["controls"]]
    report = fleet_report({"gw-001": judged(seen)}, TODAY)
    assert [control.id for control in report.controls] == identifiers
    for name in FORMATS:
        text = written(report, name, "123456789012", "eu-west-1").decode()
        assert [identifier for identifier in identifiers if identifier not in text] == [], name


@pytest.mark.parametrize("width", [60, 80, 100, 240])
def test_the_table_of_the_fleet_fits_the_terminal(width: int) -> None:
    lines = fleet_table(summary(fleet()), width)
    assert all(len(text) <= width for text, _tone in lines)
    assert all(text.isprintable() for text, _tone in lines)
    tones = {text.split()[0]: tone for text, tone in lines if text}
    assert (tones["gw-001"], tones["gw-002"], tones["gw-003"]) == (GOOD, BAD, BAD)
    unknown = {"gw-9": judged(judgement(("unknown", "pass")))}
    assert fleet_table(summary(fleet_report(unknown, TODAY)), width)[2][1] == DOUBTFUL


def test_the_table_of_a_large_fleet_is_short_and_begins_with_the_worst() -> None:
    report = fleet_report(
        {f"gw-{number}": judged(judgement(("pass",) * number + ("fail",))) for number in range(60)},
        TODAY,
    )
    lines = [text for text, _tone in fleet_table(summary(report), 100)]
    assert lines[2].startswith("gw-0 ")
    assert "... and 20 more, in the report" in lines
    assert "60 hosts: 60 L1" in lines


def test_the_table_says_what_has_changed() -> None:
    lines = [text for text, _tone in fleet_table(summary(fleet()), 200)]
    assert lines[-1].startswith(f"Since {YESTERDAY}: ")
    assert "new failures" in lines[-1]
    assert "1 hosts gone" in lines[-1]


registered = st.fixed_dictionaries(
    {},
    optional={
        "judgement": anything | st.just("no json") | mutated().map(json.dumps),
        "failed": anything,
        "unreachable": anything,
        "msg": anything,
    },
)


@settings(max_examples=200)
@given(
    st.dictionaries(st.text(), st.fixed_dictionaries({}, optional={"compliance_result": registered | anything})),
    st.booleans(),
)
def test_whatever_is_registered_of_a_host_costs_that_host_alone(hosts: dict[str, Any], of_itself: bool) -> None:
    if of_itself:
        hosts = {name: {**each, "ansible_facts": {**each}} for name, each in hosts.items()}
    report = fleet_report({**hosts, "gw-001": judged(judgement(("pass",)))}, TODAY)
    assert report.hosts[-1].status == "judged" or "gw-001" in hosts
    for host, given_ in zip(report.hosts, hosts.values(), strict=False):
        if of_itself and "compliance_result" in given_:
            assert host.status == "failed"
    for name in FORMATS:
        assert written(report, name, "123456789012", "eu-west-1")


@settings(max_examples=100)
@given(st.dictionaries(st.text(), mutated() | anything, max_size=3), mutated())
def test_whatever_a_judgement_holds_a_report_is_read_back(judgements: dict[str, Any], before: Any) -> None:
    baseline = fleet_report({name: judged(before) for name in [*judgements][:1]}, YESTERDAY)
    report = fleet_report({name: judged(each) for name, each in judgements.items()}, TODAY, baseline)
    texts = {name: written(report, name, "123456789012", "eu-west-1").decode() for name in FORMATS}
    assert read(texts["json"], "it") == report
    for name in ("sarif", "oscal", "asff"):
        json.loads(texts[name])
    Xml.fromstring(texts["junit"])  # noqa: S314
    rows = list(csv.reader(io.StringIO(texts["csv"], newline="")))
    assert len({len(row) for row in rows}) == 1
    page = texts["html"]
    assert page.count("<script") == page.count("</script>") == 2
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert [host["name"] for host in data["hosts"]] == [host.name for host in report.hosts]
    fleet_table(summary(report), 80)
