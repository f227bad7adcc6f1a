#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_volume_key
short_description: Encrypt the data of a LUKS2 volume with another volume key, while it is in use
version_added: 1.0.0
description:
  - Gives an open volume another volume key, and encrypts all its data anew with it. The work goes on in the background
    whatever becomes of the connection, and after a power cut it is gone on with at boot.
  - Whoever has an old backup of the header and a key of it from then can open the data no more.
  - The recovery key, and what opens the volume at boot, stay as they are. Meanwhile they open the volume too.
  - Refuses a volume with keyslots of others, whose keys would open nothing afterwards.
  - A rotation that was interrupted is brought to its end, and no other is begun.
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
  idempotent:
    support: partial
    details:
      - Each run makes another volume key, unless it brings an interrupted rotation to its end.
options:
  tcti:
    description:
      - How tpm2-tools reach the TPM, as in E(TPM2TOOLS_TCTI).
    type: str
    default: device:/dev/tpmrm0
  poll:
    description:
      - Seconds between two looks at the progress.
    type: int
    default: 5
  proof:
    description:
      - An approval of the running state, by which the TPM gives the secret of the volume. It comes from the controller.
    type: dict
  finished:
    description:
      - Whether to do no more than prove that the recovery key opens the volume, and return its header. It comes from
        the controller.
    type: bool
    default: false
notes:
  - Needs C(cryptsetup) 2.5 or newer with its library on the device.
  - While the data is on its way, there is no header backup that could help. The one from before must never be
    restored from then on.
seealso:
  - module: edgesec.hardening.recovery_keyslot
"""

EXAMPLES = r"""
- name: Encrypt the data volume with another volume key
  edgesec.hardening.luks_volume_key:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
"""

RETURN = r"""
stage:
  description:
    - V(idle) where nothing is under way, V(running) while data is encrypted anew.
    - V(begun) where part of it is, and nobody goes on with it.
  returned: success
  type: str
  sample: idle
phase:
  description: What the work on the device is at. Empty where there is none.
  returned: success
  type: str
  sample: encrypting
error:
  description: Why the work on the device ended. Empty where it did not.
  returned: success
  type: str
  sample: ""
done_bytes:
  description: How much is encrypted with the new volume key.
  returned: success
  type: int
  sample: 104857600
total_bytes:
  description: How much there is to encrypt.
  returned: success
  type: int
  sample: 369098752
fingerprint:
  description: Names the volume key, and tells nothing of it.
  returned: success
  type: str
  sample: 4b1d6a4f0d1f6d3e0c2a8e5b7f90c3d2a1b4c5d6e7f8091a2b3c4d5e6f708192
to_be_signed:
  description: What the controller signs, so that the TPM gives the secret of the volume. Empty where it has none.
  returned: success
  type: dict
  sample: {}
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
header_backup:
  description: Header backup (gzip, base64), which the controller escrows and does not return.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME, POLICY_KEY
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.tpm_module import TCTI, run_with_tpm
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.boot_key import boot_key, to_be_signed
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.rotate_volume_key import (
    IDLE,
    RUNNING,
    begin,
    look,
    require_rotatable,
    start,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import parse_approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import encoded_backup, require_recovery


def run(module: AnsibleModule, tpm: Tpm2) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    state = look(volume)
    key = params["recovery_key"]
    result: dict[str, object] = {
        **state.as_result(),
        "changed": True,
        "needs_key": key is None,
        "to_be_signed": {},
        "diff": {"before": "the present volume key\n", "after": "another volume key\n"},
    }
    if params["finished"] and key is not None:
        require_recovery(volume.device, key.encode())
        return {**result, "header_backup": encoded_backup(volume.device)}
    if state.stage == RUNNING:
        return result
    require_rotatable(state)
    if key is None or module.check_mode:
        return {**result, "to_be_signed": to_be_signed(volume, state.header, tpm) if state.stage == IDLE else {}}
    if state.stage == IDLE:
        proof = parse_approval(params["proof"]) if params["proof"] else None
        begin(volume, key.encode(), boot_key(volume, state.header, tpm, proof))
    start(volume, key.encode())
    return {**result, "stage": RUNNING}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            **POLICY_KEY,
            "tcti": TCTI,
            "poll": {"type": "int", "default": 5},
            "proof": {"type": "dict"},
            "finished": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    run_with_tpm(module, run)


if __name__ == "__main__":
    main()
