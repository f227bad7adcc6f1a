#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: credential_files
short_description: Bring the files that hold credentials to their owner, group and mode
version_added: 1.0.0
description:
  - Sets owner, group and mode of any number of files in one call. Contents are never read.
  - An access control list (C(getfacl)) is removed, since it lets in others than the declared owner and group.
  - Files are opened without following symbolic links and changed through the open descriptor, so nothing can be put in
    their place meanwhile. Permissions are tightened before the owner changes.
  - Every file is looked at before the first one is changed. When one is refused that is required or named without a
    pattern, the module fails with all refusals, and nothing is changed.
  - Refused are symbolic links (also on the way to the file), files with further names (hard links), what is no regular
    file, what has the flag C(immutable) or C(append-only) and would have to be changed, and files below a directory
    that somebody other than root and the wanted owner may write to (a directory
    with the sticky bit is let pass, but then the file must belong to one of them already).
  - A file that a pattern matches and that is refused is left as it is, with a warning.
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
      - What is declared. Where several declarations match a file, the last one holds.
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
          - Name or number of the user. It has to exist where there is such a file.
        type: str
        default: root
      group:
        description:
          - Name or number of the group. It has to exist where there is such a file.
        type: str
        default: root
      mode:
        description:
          - Permission bits as a quoted string of a zero and three octal digits. An unquoted number is refused, since
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
- name: Close the keys of the device
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
  description: The files that were changed, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
      sample: /etc/ssh/ssh_host_ed25519_key
    before:
      description: Owner, group and mode as they were, and whom else an access control list let in.
      type: dict
      sample: {"owner": "root", "group": "root", "mode": "0644", "acl": ["user:backup:r--"]}
    after:
      description: Owner, group and mode as declared.
      type: dict
      sample: {"owner": "root", "group": "root", "mode": "0600", "acl": []}
checked:
  description: How many files were found and looked at, without those that were refused.
  returned: success
  type: int
  sample: 3
absent:
  description: Declared paths and patterns that no file is found for.
  returned: success
  type: list
  elements: str
  sample: ["/etc/wireguard/*.conf"]
refused:
  description: Files that a pattern matches and that were left as they are, each with the reason.
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
