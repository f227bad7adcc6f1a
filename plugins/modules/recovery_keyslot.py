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
  - A new key is escrowed beside the old one before the device changes, and put into a spare keyslot and tested there
    before the old one loses its own. Whenever this is interrupted, one of the two keys opens the volume, and the next
    run goes on from there.
  - Meanwhile the volume may be in use, and a boot in between opens it with the TPM as ever.
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
      - The key is tested in check mode too, since a test changes nothing.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Each run with O(state=rotated) makes another key, unless it brings an interrupted rotation to its end.
options:
  state:
    description:
      - V(tested) proves that the recovery key opens its keyslot, and keeps in the store when that was.
      - V(rotated) replaces the recovery key. The envelope of the old one is kept in the store, below
        C(recovery/retired), since it opens header backups from before.
    type: str
    choices: [tested, rotated]
    default: tested
  next_recovery_key:
    description:
      - The recovery key that the volume gets. It comes from the controller, and is not for playbooks to set.
    type: str
notes:
  - Needs C(cryptsetup) 2.5 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.escrow_recipients
"""

EXAMPLES = r"""
- name: See that the data volume can be recovered
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
  description: Whether the module was called without the keys that it takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
tested:
  description: Whether the recovery key was seen to open the volume in this run.
  returned: success
  type: bool
  sample: true
header_backup:
  description: Header backup (gzip, base64), which the controller escrows and does not return.
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
