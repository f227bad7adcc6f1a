#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_window
short_description: Let package managers write to read-only boot file systems
version_added: 1.0.0
description:
  - Installs C(/usr/lib/edgesec/boot-window), which makes boot file systems writable while a program needs that, and
    hooks that make package managers and kernel tools call it.
  - A window closes when the last process that opened it has closed it, has ended, was killed, or has used up its time.
    The window's state is only in memory, so after a power cut the options in fstab apply.
  - Only file systems that are read-only are made writable, and only those are made read-only again.
  - Hooks are installed for the tools that the device has. Run the module again after you install other tools.
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
      - Directories where boot file systems may be mounted. A directory that is neither mounted nor in C(/etc/fstab) is
        skipped. If none is left, the module does the same as with O(state=absent).
    type: list
    elements: path
    default: [/boot, /boot/efi, /efi, /boot/firmware]
  state:
    description:
      - V(absent) removes the hooks. The program stays, but manages no file system any more.
      - A window that is still open closes by itself.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: edgesec.hardening.boot_mounts
  - module: edgesec.hardening.boot_facts
"""

EXAMPLES = r"""
- name: Let package managers make the boot file systems writable while they run
  edgesec.hardening.boot_window:

- name: Remove the hooks
  edgesec.hardening.boot_window:
    state: absent
"""

RETURN = r"""
paths:
  description: Mount points that the program manages.
  returned: success
  type: list
  elements: str
  sample: ["/boot/efi"]
files:
  description: Paths that were written or removed. In check mode, those that would be.
  returned: success
  type: list
  elements: str
  sample: ["/etc/dpkg/dpkg.cfg.d/edgesec-boot-window"]
"""

from typing import Any

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
