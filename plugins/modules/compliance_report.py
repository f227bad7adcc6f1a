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
  - Writes one report on many hosts, in one or more formats, from the judgements of the role
    P(edgesec.hardening.compliance#role) in the same play. The report includes hosts that could not be judged, with the
    reason.
  - Can also read a report that was saved as JSON, and write it in other formats.
  - Works on the controller, and does nothing on any host. Run it once in a play.
  - Files have mode 0600, and a new directory has mode 0700. Each file is replaced atomically.
  - In check mode nothing is written, but the table is returned.
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
      - No host is changed, so the module never reports a change. The report contains the time at which it was made.
  platform:
    description: Runs only on the controller; does not touch the hosts.
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
      - The module reads the variable C(compliance_result) of each host, in which the result of
        M(edgesec.hardening.compliance_judgement) is registered. A host without it is in the report as failed.
    type: list
    elements: str
  saved:
    description: An earlier report, as JSON, instead of O(hosts).
    type: path
  formats:
    description:
      - The formats to write.
      - V(json) is for other programs, and for comparison with a later report.
      - V(html) is one self-contained page for people, which needs no network.
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
      - By default the report of the previous run in O(directory), if there is one. With O(saved) there is no default.
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

- name: Write an earlier report for an auditor
  edgesec.hardening.compliance_report:
    saved: /srv/edgesec-reports/fleet/report.json
    directory: /srv/for-the-auditor
    formats: [oscal]
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
files:
  description: The files that were written. None in check mode.
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
  description: The data of the table.
  returned: success
  type: dict
  contains:
    hosts:
      description: Each host with its name, status, reason, level and the ids of controls that fail or are unknown.
      type: list
      elements: dict
    since:
      description: Time of the report that this one is compared with. Empty if there is none.
      type: str
    changes:
      description: Numbers of new failures, fixed controls, new hosts and so on.
      type: dict
  sample:
    hosts:
      - {name: gw-001, status: unreachable, reason: Connection refused, level: "", fail: [], unknown: []}
    since: ""
    changes: {}
"""
