# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The formats of the report on a fleet, and the version of the collection."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports import asff, junit, oscal, prometheus, sarif
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports import csv as report_csv
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports import html as report_html
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports import json as report_json
from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.report import Report

_COLLECTION = Path(__file__).resolve().parents[3]
AWS = "asff"


@dataclass(frozen=True)
class Format:
    """A format: the name of its file, and the function that writes it."""

    file: str
    write: Callable[..., str]


FORMATS = {
    "json": Format("report.json", report_json.write),
    "html": Format("report.html", report_html.write),
    "csv": Format("report.csv", report_csv.write),
    "junit": Format("report.junit.xml", junit.write),
    "sarif": Format("report.sarif", sarif.write),
    "oscal": Format("report.oscal.json", oscal.write),
    AWS: Format("report.asff.json", asff.write),
    "prometheus": Format("edgesec_compliance.prom", prometheus.write),
}


def written(report: Report, name: str, account: str, region: str) -> bytes:
    """The report in a format of FORMATS.

    :param account: the AWS account; like C(region), only for that format.
    """
    write = FORMATS[name].write
    return (write(report, account, region) if name == AWS else write(report)).encode()


@cache
def collection_version() -> str:
    """The version of the collection, installed or in a clone."""
    manifest = _COLLECTION / "MANIFEST.json"
    if manifest.is_file():
        return str(json.loads(manifest.read_bytes())["collection_info"]["version"])
    return str(yaml.safe_load((_COLLECTION / "galaxy.yml").read_bytes())["version"])
