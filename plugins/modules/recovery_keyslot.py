#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recovery_keyslot
short_description: Test or rotate the recovery key of a LUKS2 volume
version_added: 1.0.0
description:
  - Proves that the escrowed recovery key opens its keyslot, or gives the volume another recovery key.
  - Escrows a new key beside the old one before the device changes. The new key is tested in a spare keyslot before the
    old key loses its keyslot. If this is interrupted at any point, one of the two keys opens the volume, and the next
    run continues.
  - The volume may be in use meanwhile, and a boot in between opens it with the TPM as before.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
    details:
      - The key is tested in check mode too, because a test changes nothing.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Each run with O(state=rotated) makes another key, unless it completes an interrupted rotation.
options:
  state:
    description:
      - V(tested) proves that the recovery key opens its keyslot, and records the time of the test in the store.
      - V(rotated) replaces the recovery key. The envelope of the old key is kept in the store, below
        C(recovery/retired), because it opens older header backups.
    type: str
    choices: [tested, rotated]
    default: tested
  next_recovery_key:
    description:
      - The new recovery key of the volume. Set by the controller; do not set it in a playbook.
    type: str
notes:
  - Needs C(cryptsetup) 2.5 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.escrow_recipients
"""

EXAMPLES = r"""
- name: Test that the recovery key opens the data volume
  edgesec.hardening.recovery_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store

- name: Give the data volume another recovery key
  edgesec.hardening.recovery_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
    state: rotated
"""

RETURN = r"""
needs_key:
  description: Whether the module was called without the keys that it needs.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
tested:
  description: Whether this run proved that the recovery key opens the volume.
  returned: success
  type: bool
  sample: true
header_backup:
  description: Header backup (gzip, base64). The controller escrows it and does not return it.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.recovery import look, rotate, test
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import announce_change
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import encoded_backup


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    header = look(volume)
    rotates = params["state"] == "rotated"
    key, next_key = (params[name] and params[name].encode() for name in ("recovery_key", "next_recovery_key"))
    result: dict[str, object] = {
        "changed": rotates,
        "needs_key": key is None,
        "uuid": header.uuid,
        "tested": False,
        "diff": {
            "before": "the present recovery key\n",
            "after": "another recovery key\n" if rotates else "the present recovery key\n",
        },
    }
    if key is None or (rotates and module.check_mode):
        return result
    if rotates:
        announce_change(volume.name)
        result["changed"] = rotate(volume.device, key, next_key)
        result["header_backup"] = encoded_backup(volume.device)
    else:
        test(volume.device, key, next_key)
    return {**result, "tested": True}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "state": {"type": "str", "choices": ["tested", "rotated"], "default": "tested"},
            "next_recovery_key": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    if module.params["state"] == "rotated" and module.params["recovery_key"] and not module.params["next_recovery_key"]:
        module.fail_json(msg="next_recovery_key is missing. The controller makes it: call this module by its action.")
    run_module(module, run)


if __name__ == "__main__":
    main()
