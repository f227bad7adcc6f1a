#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_erase
short_description: Destroy a LUKS2 volume, so that nobody opens it again
version_added: 1.0.0
description:
  - Unmounts and closes the volume, takes it out of fstab and crypttab, destroys its keyslots, discards its data and
    overwrites both copies of its header, in that order. An interrupted run is gone on with by the next one.
  - Where the recovery key is escrowed, it is seen to open the volume before, and not to open what is left of the
    keyslots after.
  - What was done is written down in a signed record in the store, below C(decommission).
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.escrow
  - edgesec.hardening.policy_key
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  consent:
    description:
      - Name of the host in the inventory. Without it, or with another one, nothing is destroyed, and what would be is
        told.
    type: str
    default: ""
  data:
    description:
      - What becomes of the data, which nobody can read once the keys are destroyed.
      - V(discard) tells the device to forget it, securely where it can; V(overwrite) writes zeros, which takes its
        time; V(keep) leaves it as ciphertext.
    type: str
    choices: [discard, overwrite, keep]
    default: discard
  services:
    description:
      - Units that use the volume, and are stopped before.
    type: list
    elements: str
    default: []
  destroy_escrow:
    description:
      - Whether the recovery keys and header backups of volumes that were erased are deleted from the store. Backups of
        the store still have them.
    type: bool
    default: false
  may_begin:
    description:
      - Whether anything may be destroyed. It comes from the controller, which holds O(consent) against its inventory.
    type: bool
    default: false
notes:
  - Needs C(cryptsetup) 2.5 or newer on the device, and C(blkdiscard) for V(discard).
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.edgesec_traces
"""

EXAMPLES = r"""
- name: Destroy the data volume of this device
  edgesec.hardening.luks_erase:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
    consent: gw-001
"""

RETURN = r"""
steps:
  description: What is to be done, or was done, in order. Empty where nothing is left of the volume.
  returned: success
  type: list
  elements: str
  sample: ["unmount /data", "close /dev/mapper/data", "erase the keyslots 0, 1"]
needs_key:
  description: Whether the module was called without the controller's word that it may begin.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty where there is none any more.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
erased:
  description: What was done, as it stands in the record.
  returned: when the volume was erased
  type: dict
  sample: {"data": "discarded", "header_bytes_overwritten": 16777216}
record:
  description: Path of the signed record on the controller.
  returned: when the volume was erased
  type: str
  sample: /srv/edgesec-store/hosts/gw-001/decommission/data-2026-11-24T083000+0000.json
escrow_destroyed:
  description: What was deleted from the store, or is to be.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.erase import (
    DISCARD,
    KEEP,
    OVERWRITE,
    erase,
    look,
)


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    remains = look(volume, params["data"])
    steps = remains.steps(params["data"])
    listed = "".join(f"{step}\n" for step in steps)
    result: dict[str, object] = {
        "changed": bool(steps),
        "steps": steps,
        # The controller compares the consent with the name that its inventory has.
        "needs_key": not params["may_begin"],
        "uuid": remains.header.uuid if remains.header else "",
        "diff": {"before": listed, "after": "", "before_header": volume.device, "after_header": volume.device},
    }
    if steps and params["may_begin"] and not module.check_mode:
        key = params["recovery_key"]
        result["erased"] = erase(remains, params["data"], params["services"], key.encode() if key else None)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            **POLICY_KEY,
            "consent": {"type": "str", "default": ""},
            "data": {"type": "str", "choices": [DISCARD, OVERWRITE, KEEP], "default": DISCARD},
            "services": {"type": "list", "elements": "str", "default": []},
            "destroy_escrow": {"type": "bool", "default": False},
            "may_begin": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
