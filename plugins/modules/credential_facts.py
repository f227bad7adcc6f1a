#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: credential_facts
short_description: Observe the files that hold credentials
version_added: 1.0.0
description:
  - Reads owner, group, mode and kind of each declared file. Contents are never read.
  - A symbolic link is not followed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.credential_files
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See who may read the keys of the device
  edgesec.hardening.credential_facts:
    credential_files:
      - path: /etc/ssh/ssh_host_*_key
      - path: /etc/ssl/private/device.key
        group: ssl-cert
        mode: "0640"
        required: true
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_credentials:
      description: The files, with what was declared of each and whether it is so.
      returned: success
      type: dict
      sample: {"files": [{"path": "/etc/ssh/ssh_host_ed25519_key", "mode": "0600", "compliant": true}]}
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        files:
          description: The files, by path.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The path, or the pattern that nothing matches."}
            declared:
              description: What is wanted.
              type: dict
              contains:
                owner: {type: str, description: "Owner."}
                group: {type: str, description: "Group."}
                mode: {type: str, description: "Mode."}
                required: {type: bool, description: "Whether it has to be there."}
            exists: {type: bool, description: "Whether it is there."}
            type: {type: str, description: "V(regular), V(symlink), V(directory) or another kind of file."}
            owner: {type: str, description: "Name of the owner."}
            group: {type: str, description: "Name of the group."}
            uid: {type: int, description: "Number of the owner."}
            gid: {type: int, description: "Number of the group."}
            mode: {type: str, description: "Mode as four octal digits."}
            nlink: {type: int, description: "How many names it has."}
            unsafe_directory:
              description: The directory by which others could replace it, V(none) where there is none.
              type: str
            compliant: {type: bool, description: "Whether all is as declared."}
            reason: {type: str, description: "What is not."}
        source: {type: str, description: "Where it was read."}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import CREDENTIAL_FILES, ROOT, files_of
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "credential_files": CREDENTIAL_FILES,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], files_of(module.params["credential_files"]))
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_credentials": observed})


if __name__ == "__main__":
    main()
