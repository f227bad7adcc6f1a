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
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        mounts:
          description: The boot file systems that are mounted or in fstab.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The mount point."}
            runtime:
              description: As it is mounted, V(none) where it is not.
              type: dict
              contains:
                source: {type: str, description: "What is mounted."}
                fstype: {type: str, description: "Type of the file system."}
                options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            fstab:
              description: Its line in fstab, V(none) where there is none.
              type: dict
              contains:
                source: {type: str, description: "What is to be mounted."}
                options: {type: list, elements: str, description: "Options."}
                line: {type: int, description: "Number of the line."}
        separate: {type: bool, description: "Whether boot files have a file system of their own."}
        firmware: {type: str, description: "V(uefi), V(devicetree) or V(bios)."}
        secure_boot: {type: bool, description: "Whether Secure Boot is on."}
        setup_mode: {type: bool, description: "Whether anybody may enrol keys of Secure Boot."}
        uki: {type: bool, description: "Whether the running kernel came out of a unified kernel image."}
        stub: {type: str, description: "The stub of that image."}
        cmdline: {type: str, description: "Command line of the kernel."}
        event_log: {type: bool, description: "Whether there is an event log of what was measured."}
        root:
          description: The root file system.
          type: dict
          contains:
            source: {type: str, description: "What is mounted."}
            fstype: {type: str, description: "Type of the file system."}
            options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            verified: {type: str, description: "C(dm-verity), or C(none) where it is not verified."}
        lockdown: {type: str, description: "The kernel's lockdown, C(none), C(integrity) or C(confidentiality)."}
        source: {type: list, elements: str, description: "Where it was read."}
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
