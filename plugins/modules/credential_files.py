#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credential_files
short_description: Set owner, group and mode of files that hold credentials
version_added: 1.0.0
description:
  - Sets owner, group and mode of any number of files in one call. Contents are never read.
  - Removes access control lists (C(getfacl)), because they admit others than the declared owner and group.
  - Opens files without following symbolic links and changes them through the open descriptor, so nobody can replace
    them meanwhile. Permissions are tightened before the owner changes.
  - Checks every file before it changes the first one. If it refuses a file that is required or named without a pattern,
    it fails with all refusals, and changes nothing.
  - Refuses symbolic links (also on the way to the file), files with several names (hard links), and everything but
    regular files. Refuses files with the flag C(immutable) or C(append-only) that need a change. Refuses files below a
    directory that somebody other than root and the wanted owner may write to. A directory with the sticky bit is
    allowed if the file already belongs to one of the two.
  - If it refuses a file that only a pattern matches, it leaves the file as it is, with a warning.
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
  files:
    description:
      - The declared files. If several declarations match a file, the last one applies.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Absolute path, or shell pattern of absolute paths. Wildcards do not match names that begin with a dot.
        type: str
        required: true
      owner:
        description:
          - Name or number of the user. The user must exist if such a file exists.
        type: str
        default: root
      group:
        description:
          - Name or number of the group. The group must exist if such a file exists.
        type: str
        default: root
      mode:
        description:
          - Permission bits as a quoted string of a zero and three octal digits. An unquoted number is refused, because
            YAML reads V(0644) as the number 420.
        type: raw
        default: "0600"
      required:
        description:
          - Whether it is an error when no such file exists.
        type: bool
        default: false
seealso:
  - module: edgesec.hardening.credential_facts
"""

EXAMPLES = r"""
- name: Set the permissions of the device's keys
  edgesec.hardening.credential_files:
    files:
      - path: /etc/ssh/ssh_host_*_key
      - path: /etc/mosquitto/device.key
        group: mosquitto
        mode: "0640"
        required: true
"""

RETURN = r"""
files:
  description: The files that were changed. In check mode, those that would be changed.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
      sample: /etc/ssh/ssh_host_ed25519_key
    before:
      description: Owner, group and mode before, and further users and groups that an access control list admitted.
      type: dict
      sample: {"owner": "root", "group": "root", "mode": "0644", "acl": ["user:backup:r--"]}
    after:
      description: Owner, group and mode as declared.
      type: dict
      sample: {"owner": "root", "group": "root", "mode": "0600", "acl": []}
checked:
  description: Number of files that were found and checked, without the refused ones.
  returned: success
  type: int
  sample: 3
absent:
  description: Declared paths and patterns that match no file.
  returned: success
  type: list
  elements: str
  sample: ["/etc/wireguard/*.conf"]
refused:
  description: Files that a pattern matches and that were refused, each with the reason.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tree import json_clean
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.permissions import declare, look


def run(module: AnsibleModule) -> dict[str, object]:
    plan = look(declare(module.params["files"]))
    refused = [json_clean(str(error)) for error in plan.refused]
    for reason in refused:
        module.warn(reason)
    if not module.check_mode:
        plan.apply()
    return {
        "changed": bool(plan.changes),
        "files": plan.facts(),
        "checked": plan.checked,
        "absent": json_clean(list(plan.absent)),
        "refused": refused,
        "diff": plan.diff(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "path": {"type": "str", "required": True},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "raw", "default": "0600"},
                    "required": {"type": "bool", "default": False},
                },
            },
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
