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
  - Has M(edgesec.hardening.compliance_facts) observe the host, which is all that is sent to it, and gives every control
    of the catalogue a verdict on the controller. The judgement is shown as a table.
  - What is demanded are the variables of the roles of this collection. A variable that is not set for the host has the
    default of its role.
  - Nothing is changed on the host. In check mode no report is written.
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
      - Directory on the controller for the report, a JSON file with the name of the host. It is made with mode 0700
        where it is missing. Without it no report is written.
    type: path
  store:
    description:
      - The fleet store on the controller. The envelopes that it has of the host are held against the digests that were
        taken when they were put there; no key is needed for it. Without it they are not looked at.
    type: path
  variables_of:
    description:
      - Roles of this collection whose variables are checked first. A variable that is not what its role takes is an
        error, and the host is left alone.
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

- name: Show what does not pass
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
  description: The roles of this collection that can bring to pass what does not.
  returned: success
  type: list
  elements: str
  sample: [boot_mounts, credentials]
foreign_variables:
  description: The variables that facts of the host have set, for which it is not judged.
  returned: failure because of them
  type: list
  elements: str
  sample: [edgesec_store]
obstacles:
  description:
    - What would stop these roles halfway, as from the filter P(edgesec.hardening.preflight#filter), and what of the
      escrow was altered.
  returned: success
  type: list
  elements: str
  sample: []
escrow_altered:
  description: What of the host's escrow is missing from the store, or is not what was put there.
  returned: success
  type: list
  elements: str
  sample: []
"""
