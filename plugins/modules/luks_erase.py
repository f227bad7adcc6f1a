#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_erase
short_description: Destroy a LUKS2 volume with its keyslots and its header
version_added: 1.0.0
description:
  - Unmounts and closes the volume, removes it from fstab and crypttab, destroys its keyslots, discards its data and
    overwrites both copies of its header, in that order. The next run completes an interrupted one.
  - If the recovery key is escrowed, proves that it opens the volume before, and opens none of the keyslots after.
  - Writes a signed record of its work to the store, below C(decommission).
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
      - Name of the host in the inventory. Without it, or with another name, the module destroys nothing, and reports
        what it would destroy.
    type: str
    default: ""
  data:
    description:
      - What to do with the encrypted data after its keys are destroyed.
      - V(discard) discards the blocks, securely if the device can. V(overwrite) writes zeros, which takes long.
        V(keep) leaves the ciphertext.
    type: str
    choices: [discard, overwrite, keep]
    default: discard
  services:
    description:
      - Systemd units that use the volume, to stop first.
    type: list
    elements: str
    default: []
  destroy_escrow:
    description:
      - Whether to delete the recovery keys and header backups of erased volumes from the store. Backups of the store
        still contain them.
    type: bool
    default: false
  may_begin:
    description:
      - Whether anything may be destroyed. Set by the controller, which compares O(consent) with its inventory.
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
  description: The steps, in order. In check mode, those that a run would do. Empty if nothing is left to do.
  returned: success
  type: list
  elements: str
  sample: ["unmount /data", "close /dev/mapper/data", "erase the keyslots 0, 1"]
needs_key:
  description: Whether the module was called without the controller's permission to begin.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty if it no longer exists.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
erased:
  description: What was done, as in the record.
  returned: when the volume was erased
  type: dict
  sample: {"data": "discarded", "header_bytes_overwritten": 16777216}
record:
  description: Path of the signed record on the controller.
  returned: when the volume was erased
  type: str
  sample: /srv/edgesec-store/hosts/gw-001/decommission/data-2026-11-24T083000+0000.json
escrow_destroyed:
  description: Paths that were deleted from the store. In check mode, those that would be.
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
        # The controller compares the consent with the host's name in the inventory.
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
