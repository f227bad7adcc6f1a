#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: compliance_facts
short_description: Observe everything on a device that the controls judge
version_added: 1.0.0
description:
  - Returns the facts of all facts modules of this collection in one call.
  - Changes nothing on the device.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.volumes
  - edgesec.hardening.observed.swap
  - edgesec.hardening.observed.credential_files
  - edgesec.hardening.observed.discover
  - edgesec.hardening.observed.sealed
  - edgesec.hardening.observed.boot_paths
  - edgesec.hardening.observed.identity
  - edgesec.hardening.observed.tcti
options:
  gather_subset:
    description:
      - Areas to observe. V(all) means every area; an area with a leading V(!) is left out.
      - Areas are V(boot), V(credentials), V(identity), V(platform), V(storage) and V(tpm).
    type: list
    elements: str
    default: [all]
seealso:
  - module: edgesec.hardening.storage_facts
"""

EXAMPLES = r"""
- name: Observe the whole device
  edgesec.hardening.compliance_facts:
    volumes:
      - name: data
        device: /dev/disk/by-partlabel/data
        mount: /data
    credential_files:
      - path: /etc/ssh/ssh_host_*_key

- name: Observe everything but the TPM
  edgesec.hardening.compliance_facts:
    gather_subset:
      - all
      - "!tpm"
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_boot:
      description: As from M(edgesec.hardening.boot_facts).
      returned: when the area is in O(gather_subset)
      type: dict
    edgesec_credentials:
      description: As from M(edgesec.hardening.credential_facts).
      returned: when the area is in O(gather_subset)
      type: dict
    edgesec_identity:
      description: As from M(edgesec.hardening.identity_facts).
      returned: when the area is in O(gather_subset)
      type: dict
    edgesec_platform:
      description: As from M(edgesec.hardening.platform_facts).
      returned: when the area is in O(gather_subset)
      type: dict
    edgesec_storage:
      description: As from M(edgesec.hardening.storage_facts).
      returned: when the area is in O(gather_subset)
      type: dict
    edgesec_tpm:
      description: As from M(edgesec.hardening.tpm_facts).
      returned: when the area is in O(gather_subset)
      type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.compile_once import compile_once

compile_once()

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import (
    BOOT,
    CREDENTIAL_FILES,
    DISCOVER,
    IDENTITY,
    ROOT,
    SEALED,
    SWAP,
    TCTI,
    VOLUMES,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.every_area import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module


def run(module: AnsibleModule) -> dict[str, Any]:
    return {"ansible_facts": collect(module.params)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "gather_subset": {"type": "list", "elements": "str", "default": ["all"]},
            "volumes": VOLUMES,
            "swap": SWAP,
            "credential_files": CREDENTIAL_FILES,
            "discover": DISCOVER,
            "sealed": SEALED,
            "boot_paths": BOOT,
            "identity": IDENTITY,
            "tcti": TCTI,
            "root": ROOT,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
