#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: memory_mount
short_description: Keep a directory for temporary files in memory
version_added: 1.0.0
description:
  - Maintains a line in fstab that mounts a tmpfs of limited size on the directory (V(nodev), V(nosuid), mode 1777), and
    mounts it at once if the directory is empty.
  - If the directory is not empty, the next boot mounts the tmpfs, so no file in use is lost. The result says so. The
    old contents of the directory then stay on the disk, hidden.
  - A directory that is already in memory is left alone, whoever mounted it.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  path:
    description:
      - The directory.
    type: path
    required: true
  size:
    description:
      - Maximum size of the tmpfs, as in tmpfs(5).
    type: str
    default: 25%
seealso:
  - module: edgesec.hardening.encrypted_mount
"""

EXAMPLES = r"""
- name: Keep temporary files in memory
  edgesec.hardening.memory_mount:
    path: /var/tmp
"""

RETURN = r"""
steps:
  description: The changes, in order. In check mode, the changes that a run would make.
  returned: success
  type: list
  elements: str
  sample: ["write fstab", "mount"]
waits:
  description: Reason why a reboot is needed. Empty if none is.
  returned: success
  type: str
  sample: ""
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.memory_mount import look


def run(module: AnsibleModule) -> dict[str, Any]:
    state = look(module.params["path"], module.params["size"])
    if state.waits:
        module.warn(state.waits)
    if not module.check_mode:
        state.apply()
    return {"changed": bool(state.steps), "steps": state.steps, "waits": state.waits, "diff": state.diff}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}, "size": {"type": "str", "default": "25%"}},
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
