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
  - Gives an open volume another volume key, and re-encrypts all its data with it. The work continues in the background
    if the connection is lost, and at boot after a power cut.
  - After it, an old backup of the header with a key of its time no longer opens the data.
  - The recovery key and the keys that open the volume at boot stay as they are, and open the volume during the rotation
    as well.
  - Refuses a volume with foreign keyslots, because their keys would open nothing afterwards.
  - Completes an interrupted rotation instead of starting another one.
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
      - Each run makes another volume key, unless it completes an interrupted rotation.
options:
  tcti:
    description:
      - How tpm2-tools reach the TPM, as in E(TPM2TOOLS_TCTI).
    type: str
    default: device:/dev/tpmrm0
  poll:
    description:
      - Seconds between two reports of progress.
    type: int
    default: 5
  proof:
    description:
      - An approval of the running boot state, with which the TPM unseals the secret of the volume. Set by the
        controller.
    type: dict
  finished:
    description:
      - Whether to do no more than prove that the recovery key opens the volume, and return its header. Set by the
        controller.
    type: bool
    default: false
notes:
  - Needs C(cryptsetup) 2.5 or newer with its library on the device.
  - During the rotation no header backup is of use. Never restore a backup from before the rotation.
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
    - V(idle) if no rotation is under way, V(running) while data is re-encrypted.
    - V(begun) if part of the data is re-encrypted, but the work is not running.
  returned: success
  type: str
  sample: idle
phase:
  description: Current phase of the work on the device. Empty if there is none.
  returned: success
  type: str
  sample: encrypting
error:
  description: Error that ended the work on the device. Empty if there was none.
  returned: success
  type: str
  sample: ""
done_bytes:
  description: Number of bytes that are encrypted with the new volume key.
  returned: success
  type: int
  sample: 104857600
total_bytes:
  description: Number of bytes to encrypt.
  returned: success
  type: int
  sample: 369098752
fingerprint:
  description: Identifies the volume key without revealing it.
  returned: success
  type: str
  sample: 4b1d6a4f0d1f6d3e0c2a8e5b7f90c3d2a1b4c5d6e7f8091a2b3c4d5e6f708192
to_be_signed:
  description: Data that the controller signs so that the TPM unseals the secret of the volume. Empty if it has none.
  returned: success
  type: dict
  sample: {}
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
header_backup:
  description: Header backup (gzip, base64). The controller escrows it and does not return it.
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
