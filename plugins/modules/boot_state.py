#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_state
short_description: Approve the boot states in which the volumes of a host open
version_added: 1.0.0
description:
  - Records the approved boot states of a host in the store on the controller, and does nothing on the device.
    M(edgesec.hardening.tpm_keyslot) signs them, brings them to the device, and makes the TPM permanently refuse those
    that are no longer approved.
  - The operator who runs this module vouches for the boot state. The store keeps it in its register, which is signed
    with the policy key.
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
    description: Runs only on the controller; does not touch the device.
    support: full
    platforms: linux
options:
  state:
    description:
      - V(approved) adds the boot state that O(pcr_values) describes.
      - V(predicted) does the same without an operator's decision, once, and only in the run of C(ansible-playbook) that
        seals the host for the first time.
      - V(once) approves it until M(edgesec.hardening.tpm_keyslot) next revokes a boot state. Use it for a change that
        cannot be predicted.
      - V(only) revokes all boot states but the one with this O(id).
    type: str
    choices: [approved, predicted, once, only]
    default: approved
  pcr_values:
    description:
      - PCR values of the boot state, in hexadecimal digits, by PCR number, as
        M(edgesec.hardening.tpm_keyslot) and M(edgesec.hardening.tpm_facts) return them.
    type: dict
  latch_pcr:
    description:
      - The PCR that is extended after unlocking, and must not be extended before it.
    type: int
  kernel:
    description:
      - Release of the kernel in the boot state, for people to read.
    type: str
    default: unknown
  id:
    description:
      - Id of the boot state to keep, for O(state=only).
    type: str
seealso:
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Approve the next boot, whatever the firmware update does to PCR 0 to 4
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
  description: Ids of the boot states that this run revoked.
  returned: success
  type: list
  elements: str
  sample: []
"""
