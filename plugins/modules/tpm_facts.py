#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tpm_facts
short_description: Observe the TPM of a device and what is sealed to it
version_added: 1.0.0
description:
  - Reads the TPM, its PCRs, the storage root key, and of each declared volume whether it is sealed to this TPM in this
    boot state.
  - Nothing is unsealed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.volumes
  - edgesec.hardening.observed.tcti
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See whether the data partition is sealed
  edgesec.hardening.tpm_facts:
    volumes:
      - name: data
        device: /dev/disk/by-partlabel/data
        mount: /data
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_tpm:
      description: The TPM, its PCRs, and the volumes sealed to it.
      returned: success
      type: dict
      sample: {"present": true, "responding": true, "boot_type": "uki", "volumes": []}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import ROOT, TCTI, VOLUMES, volumes_of
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm import collect


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "volumes": VOLUMES,
            "tcti": TCTI,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], volumes_of(module.params["volumes"]), module.params["tcti"])
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_tpm": observed})


if __name__ == "__main__":
    main()
