#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encrypted_mount
short_description: Mount a LUKS2 volume by its mapper name
version_added: 1.0.0
description:
  - Opens the volume if it is closed, makes a file system on a volume that has just been formatted, keeps its line in
    fstab, and mounts it.
  - The line has V(nofail), so that a volume that stays closed never holds up the boot.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.existing_data
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  path:
    description:
      - Directory to mount it on. It is made where it is missing.
    type: path
    required: true
  options:
    description:
      - Mount options, beside those that this module needs itself.
    type: list
    elements: str
    default: [nodev, nosuid]
  unlock:
    description:
      - Who opens the volume at boot; V(tpm) and V(keyfile-on-token) are the unit C(edgesec-unlock@NAME.service),
        V(systemd) is C(systemd-cryptsetup@NAME.service), and V(controller) is nobody on the device.
    type: str
    choices: [tpm, systemd, keyfile-on-token, controller]
    default: tpm
  fstype:
    description:
      - File system to make on a new volume.
    type: str
    choices: [ext4]
    default: ext4
seealso:
  - module: edgesec.hardening.luks_volume
"""

EXAMPLES = r"""
- name: Mount the data volume
  edgesec.hardening.encrypted_mount:
    name: data
    device: /dev/disk/by-partlabel/data
    path: /data
    store: /srv/edgesec-store
"""

RETURN = r"""
steps:
  description: What is to be done, or was done, in order.
  returned: success
  type: list
  elements: str
  sample: ["open", "make ext4", "write fstab", "mount"]
needs_key:
  description: Whether the module was called without the recovery key that a step takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty where it is not made yet, as can be in check mode.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import EXISTING_DATA, volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME, UNLOCK
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import (
    BY_CONTROLLER,
    BY_KEY_FILE,
    BY_SYSTEMD,
    BY_TPM,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.mount import Mounting, look


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    mounting = Mounting(
        volume=volume_of({**params, "mount": params["path"]}),
        options=tuple(params["options"]),
        unlock=params["unlock"],
        fstype=params["fstype"],
    )
    state = look(mounting)
    key = params["recovery_key"]
    needs_key = state.closed and key is None
    if not module.check_mode and not needs_key:
        state.apply(key.encode() if key else b"")
    return {
        "changed": bool(state.steps),
        "steps": state.steps,
        "needs_key": needs_key,
        "uuid": state.uuid,
        "diff": state.diff,
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            **EXISTING_DATA,
            "path": {"type": "path", "required": True},
            "options": {"type": "list", "elements": "str", "default": ["nodev", "nosuid"]},
            "unlock": {**UNLOCK, "choices": [BY_TPM, BY_SYSTEMD, BY_KEY_FILE, BY_CONTROLLER]},
            "fstype": {"type": "str", "choices": ["ext4"], "default": "ext4"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
