# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The formats of the report on a fleet, and the version of the collection that makes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from ansible_collections.edgesec.hardening.plugins.plugin_utils import (
    _report_asff,
    _report_csv,
    _report_html,
    _report_json,
    _report_junit,
    _report_oscal,
    _report_prometheus,
    _report_sarif,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._report import Report

_COLLECTION = Path(__file__).resolve().parents[2]
AWS = "asff"


@dataclass(frozen=True)
class Format:
    """A format: the name of its file, and what writes it."""

    file: str
    write: Callable[..., str]


FORMATS = {
    "json": Format("report.json", _report_json.write),
    "html": Format("report.html", _report_html.write),
    "csv": Format("report.csv", _report_csv.write),
    "junit": Format("report.junit.xml", _report_junit.write),
    "sarif": Format("report.sarif", _report_sarif.write),
    "oscal": Format("report.oscal.json", _report_oscal.write),
    AWS: Format("report.asff.json", _report_asff.write),
    "prometheus": Format("edgesec_compliance.prom", _report_prometheus.write),
}


def written(report: Report, name: str, account: str, region: str) -> bytes:
    """The report in a format of FORMATS.

    :param account: of AWS; for that format only, as is C(region).
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
