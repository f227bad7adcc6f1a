#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_facts
short_description: Observe the platform of a device
version_added: 1.0.0
description:
  - Reads the distribution, the hardware, the tools that hardening needs, and the installed unlocker.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See what the device is
  edgesec.hardening.platform_facts:

- name: Show the distribution
  ansible.builtin.debug:
    var: ansible_facts["edgesec_platform"]["distribution"]["pretty_name"]
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_platform:
      description: Distribution, kernel, hardware, paths of the tools by name, and the digest of the installed unlocker.
      returned: success
      type: dict
      sample: {"architecture": "x86_64", "init": "systemd", "cpu": {"aes": true}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._platform import collect


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"])
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_platform": observed})


if __name__ == "__main__":
    main()
