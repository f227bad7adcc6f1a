#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_facts
short_description: Observe how a device boots
version_added: 1.0.0
description:
  - Reads the boot mounts as they are and as fstab has them, who may make them writable and does so now, the firmware,
    Secure Boot, whether the boot was measured, and how the root file system is verified.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.boot_paths
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See how the device boots
  edgesec.hardening.boot_facts:
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_boot:
      description: Boot mounts, firmware, Secure Boot state, event log, root file system and kernel lockdown.
      returned: success
      type: dict
      sample: {"firmware": "uefi", "secure_boot": true, "setup_mode": false, "uki": true, "separate": true}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import BOOT, ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._boot import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "boot_paths": BOOT,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], module.params["boot_paths"])
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_boot": observed})


if __name__ == "__main__":
    main()
