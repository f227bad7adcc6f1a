#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_state
short_description: Say in which boot states the volumes of a host are to be opened
version_added: 1.0.0
description:
  - Keeps, in the store on the controller, the boot states of a host that are approved, and does nothing on the device.
    M(edgesec.hardening.tpm_keyslot) signs them and brings them there, and has the TPM refuse for good those that are
    approved no longer.
  - Who runs it vouches for the boot state. It is kept in the store's register, which is signed with the policy key.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.escrow
  - edgesec.hardening.policy_key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  platform:
    description: The device is not touched.
    support: full
    platforms: linux
options:
  state:
    description:
      - V(approved) has the boot state that O(pcr_values) describes opened as well.
      - V(predicted) does the same without a person's word, once, and only in the run of C(ansible-playbook) that has
        sealed the host for the first time.
      - V(once) has it opened until M(edgesec.hardening.tpm_keyslot) next takes something back, which is how a change
        that cannot be foreseen is let through.
      - V(only) has no boot state opened any more but the one with this O(id).
    type: str
    choices: [approved, predicted, once, only]
    default: approved
  pcr_values:
    description:
      - What each PCR holds in that state, in hexadecimal digits, by number, as
        M(edgesec.hardening.tpm_keyslot) and M(edgesec.hardening.tpm_facts) return it.
    type: dict
  latch_pcr:
    description:
      - The PCR that is extended after unlocking, and must not have been before.
    type: int
  kernel:
    description:
      - Release of the kernel in that state, for people to read.
    type: str
    default: unknown
  id:
    description:
      - Id of a boot state.
    type: str
seealso:
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Let the next boot through whatever the firmware update does to PCR 0 to 4
  edgesec.hardening.boot_state:
    store: /srv/edgesec-store
    state: once
    pcr_values:
      "7": "{{ ansible_facts.edgesec_tpm.pcrs.sha256['7'] }}"
    latch_pcr: "{{ ansible_facts.edgesec_tpm.volumes[0].latch_pcr }}"
"""

RETURN = r"""
approved:
  description: Ids of the boot states that are approved.
  returned: success
  type: list
  elements: str
  sample: ["2026-11-25-6.12.57+deb13-cloud-amd64-9f8e65ca"]
retired:
  description: Ids of those that no longer are.
  returned: success
  type: list
  elements: str
  sample: []
"""
