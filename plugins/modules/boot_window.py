#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: boot_window
short_description: Let package managers write to read-only boot file systems
version_added: 1.0.0
description:
  - Installs C(/usr/lib/edgesec/boot-window), which makes boot file systems writable while somebody needs that, and
    hooks that have package managers and kernel tools call it.
  - A window closes when the last of those who opened it has closed it, has ended, was killed, or has used up its
    time. What was opened is remembered in memory only, so that after a power cut the options in fstab hold.
  - Only file systems that are read-only are made writable, and only those are made read-only again.
  - Hooks are installed for the tools that the device has. Run the module again when it has got others.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  paths:
    description:
      - Directories where boot file systems may be mounted. Those that are neither mounted nor in C(/etc/fstab) are left
        out. Where that leaves none, it is as with O(state=absent).
    type: list
    elements: path
    default: [/boot, /boot/efi, /efi, /boot/firmware]
  state:
    description:
      - With V(absent) hooks are removed. The program stays, and has no file system in its care any more.
      - A window that is open meanwhile still closes by itself.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: edgesec.hardening.boot_mounts
  - module: edgesec.hardening.boot_facts
"""

EXAMPLES = r"""
- name: Have package managers open the boot file systems for themselves
  edgesec.hardening.boot_window:

- name: Take the hooks out again
  edgesec.hardening.boot_window:
    state: absent
"""

RETURN = r"""
paths:
  description: Mount points that are in the care of the program.
  returned: success
  type: list
  elements: str
  sample: ["/boot/efi"]
files:
  description: Paths that are to be written or removed, or were.
  returned: success
  type: list
  elements: str
  sample: ["/etc/dpkg/dpkg.cfg.d/edgesec-boot-window"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import BOOT
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.boot_window import look


def run(module: AnsibleModule) -> dict[str, Any]:
    plan = look(module.params["paths"] if module.params["state"] == "present" else [])
    if not module.check_mode:
        plan.apply()
    return {
        "changed": plan.changed,
        "paths": list(plan.governed),
        "files": [change.path for change in (*plan.changes, *plan.removed)],
        "diff": plan.diff(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": BOOT,
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
