#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_judgement
short_description: Observe a host, judge it, and keep the report on the controller
version_added: 1.0.0
description:
  - Runs M(edgesec.hardening.compliance_facts) on the host, and nothing else. On the controller it then gives every
    control of the catalogue a verdict, and shows the judgement as a table.
  - The requirements are the variables of this collection's roles. A variable that is not set for the host has the
    default of its role.
  - Changes nothing on the host. In check mode no report is written.
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
    support: full
options:
  report_dir:
    description:
      - Directory on the controller for the report, a JSON file with the name of the host. It is created with mode 0700
        if it is missing. Without this option no report is written.
    type: path
  store:
    description:
      - The fleet store on the controller. The host's envelopes in it are compared with the digests that were taken when
        they were stored; this needs no key. Without this option the envelopes are not checked.
    type: path
  variables_of:
    description:
      - Roles of this collection whose variables to check first. An invalid variable is an error, and the host is left
        alone.
    type: list
    elements: str
    default: []
seealso:
  - module: edgesec.hardening.compliance_facts
  - module: edgesec.hardening.compliance_report
  - plugin: edgesec.hardening.judge
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Observe and judge
  edgesec.hardening.compliance_judgement:
    report_dir: /srv/edgesec-reports
    variables_of: [encrypted_storage, tpm_sealing]
  register: compliance_result

- name: Show the controls that do not pass
  ansible.builtin.debug:
    msg: "{{ compliance_result.judgement | from_json | edgesec.hardening.violations('any') }}"
"""

RETURN = r"""
ansible_facts:
  description: As from M(edgesec.hardening.compliance_facts).
  returned: success
  type: dict
  contains:
    edgesec_boot:
      description: As from M(edgesec.hardening.boot_facts).
      returned: success
      type: dict
    edgesec_credentials:
      description: As from M(edgesec.hardening.credential_facts).
      returned: success
      type: dict
    edgesec_identity:
      description: As from M(edgesec.hardening.identity_facts).
      returned: success
      type: dict
    edgesec_platform:
      description: As from M(edgesec.hardening.platform_facts).
      returned: success
      type: dict
    edgesec_storage:
      description: As from M(edgesec.hardening.storage_facts).
      returned: success
      type: dict
    edgesec_tpm:
      description: As from M(edgesec.hardening.tpm_facts).
      returned: success
      type: dict
judgement:
  description: As from the filter P(edgesec.hardening.judge#filter), as JSON text.
  returned: success
  type: str
  sample: '{"schema": 1, "host_level": {"level": "L2"}, "volumes": [], "controls": []}'
failing_roles:
  description: Roles of this collection that can make failing controls pass.
  returned: success
  type: list
  elements: str
  sample: [boot_mounts, credentials]
foreign_variables:
  description: Variables that facts of the host set. Such a host is not judged.
  returned: failure because of such variables
  type: list
  elements: str
  sample: [edgesec_store]
obstacles:
  description:
    - Reasons why these roles would stop halfway, as from the filter P(edgesec.hardening.preflight#filter), and the
      alterations in RV(escrow_altered).
  returned: success
  type: list
  elements: str
  sample: []
escrow_altered:
  description: Envelopes of the host's escrow that are missing from the store, or were changed in it.
  returned: success
  type: list
  elements: str
  sample: []
"""
