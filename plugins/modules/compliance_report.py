#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_report
short_description: Report on a fleet
version_added: 1.0.0
description:
  - Writes one report on many hosts, in one or more formats, out of what the role P(edgesec.hardening.compliance#role)
    has judged in the same play. Hosts that could not be judged are in it, with the reason.
  - Or reads a report that was saved as JSON, and writes it in other formats.
  - It works on the controller, and does nothing on any host. Run it once in a play.
  - Files have mode 0600, and a directory that is made has mode 0700. Each is replaced whole.
  - In check mode nothing is written; the table is returned all the same.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    details:
      - No host is changed, and so nothing is ever reported as changed. The report has the time at which it was made.
  platform:
    description: The hosts are not touched.
    support: full
    platforms: linux
options:
  directory:
    description:
      - Directory on the controller for the files.
      - The files are C(report.json), C(report.html), C(report.csv), C(report.junit.xml), C(report.sarif),
        C(report.oscal.json), C(report.asff.json) and C(edgesec_compliance.prom).
    type: path
    required: true
  hosts:
    description:
      - Names of the hosts to report on, such as C(ansible_play_hosts_all).
      - Of each the variable C(compliance_result) is read, in which M(edgesec.hardening.compliance_judgement) was
        registered. A host without one is in the report as failed.
    type: list
    elements: str
  saved:
    description: A report of before, as JSON, in place of O(hosts).
    type: path
  formats:
    description:
      - The formats to write.
      - V(json) is for other programs, and what a later report is compared with.
      - V(html) is one page for people, with everything in it and without any access to a network.
      - V(csv) is for spreadsheets, V(junit) (JUnit XML) and V(sarif) (SARIF 2.1.0) are for CI.
      - V(oscal) are assessment results of OSCAL 1.1.3, for auditors.
      - V(asff) are findings of AWS Security Hub, for C(BatchImportFindings).
      - V(prometheus) are metrics for the textfile collector of the node exporter.
    type: list
    elements: str
    choices: [json, html, csv, junit, sarif, oscal, asff, prometheus]
    default: [json, html]
  baseline:
    description:
      - An earlier report, as JSON, to compare with.
      - By default the one that is in O(directory) from the run before, if there is one; with O(saved) none.
    type: path
  aws_account:
    description: Number of the AWS account, for V(asff).
    type: str
    default: ""
  aws_region:
    description: Region of AWS Security Hub, for V(asff).
    type: str
    default: ""
seealso:
  - plugin: edgesec.hardening.judge
    plugin_type: filter
  - plugin: edgesec.hardening.compliance
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Report on all hosts of the play
  edgesec.hardening.compliance_report:
    directory: /srv/edgesec-reports/fleet
    hosts: "{{ ansible_play_hosts_all }}"
    formats: [json, html, junit]
  run_once: true

- name: Write a report of before for an auditor
  edgesec.hardening.compliance_report:
    saved: /srv/edgesec-reports/fleet/report.json
    directory: /srv/for-the-auditor
    formats: [oscal]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: The files that were written; none in check mode.
  returned: success
  type: list
  elements: path
  sample: [/srv/edgesec-reports/fleet/report.json, /srv/edgesec-reports/fleet/report.html]
table:
  description: The fleet at a glance, as lines of plain text of at most 100 columns.
  returned: success
  type: list
  elements: str
  sample: ["host    level  fail  unknown  does not pass"]
fleet_summary:
  description: What the table is made of.
  returned: success
  type: dict
  contains:
    hosts:
      description: Each host with its name, status, reason, level and the ids of controls that fail or are unknown.
      type: list
      elements: dict
    since:
      description: When the report that this one is compared with was made; empty where there is none.
      type: str
    changes:
      description: How many new failures, mended controls, new hosts and so on there are.
      type: dict
  sample:
    hosts:
      - {name: gw-001, status: unreachable, reason: Connection refused, level: "", fail: [], unknown: []}
    since: ""
    changes: {}
"""
