#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_encrypt
short_description: Encrypt a file system where it is
version_added: 1.0.0
description:
  - Turns a device with an ext4, XFS or btrfs file system into a LUKS2 volume with the same file system in it. Nothing
    is copied elsewhere, and no file changes.
  - The file system is checked and made 32 MiB smaller, a header takes the place of its start, and the data is encrypted
    while the volume is mounted and in use. The services that use it are stopped for the seconds of the switch.
  - The work goes on when the connection is lost, and is resumed after a power cut, by the unlocker at boot where the
    volume is sealed to a TPM, and otherwise by the next run.
  - A file system that the O(consent) does not name is refused, and stays as it is.
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
  state:
    description:
      - V(prepared) makes the header that the volume will get, in the device's memory, so that keyslots can be added to
        it before the data changes (M(edgesec.hardening.tpm_keyslot)).
      - V(encrypted) does the rest, and waits until all is encrypted.
    type: str
    choices: [prepared, encrypted]
    default: encrypted
  mount:
    description:
      - Directory that the file system is mounted on, now and afterwards. Without one, it must not be mounted.
    type: path
  options:
    description:
      - Mount options, beside those that its line in fstab has.
    type: list
    elements: str
    default: [nodev, nosuid]
  unlock:
    description:
      - Who opens the volume at boot; V(tpm) and V(keyfile-on-token) are the unit C(edgesec-unlock@NAME.service),
        V(controller) is nobody on the device.
    type: str
    choices: [tpm, keyfile-on-token, controller]
    default: tpm
  wait:
    description:
      - Whether to wait until all is encrypted. The work goes on either way.
    type: bool
    default: true
  poll:
    description:
      - Seconds between two looks at the progress.
    type: int
    default: 5
  uuid:
    description:
      - UUID for the LUKS2 volume. It comes from the controller, which escrows the recovery key under it.
    type: str
notes:
  - Needs C(cryptsetup) 2.5 or newer with its library, C(e2fsprogs) or C(btrfs-progs), and 32 MiB of free memory on the
    device.
  - While ext4 shrinks, what is overwritten is kept below C(/etc/edgesec/undo), which takes up to 64 MiB.
  - XFS cannot shrink. Its partition must be 32 MiB larger than the file system.
  - Data that was written before may remain on flash memory, which keeps old blocks until they are erased.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.encrypted_mount
"""

EXAMPLES = r"""
- name: Encrypt the file system that holds the data
  edgesec.hardening.luks_encrypt:
    name: data
    device: /dev/disk/by-partlabel/data
    mount: /data
    consent: 6f1cb8a2-0c5f-4a5f-9f57-0b6d0f6f3b0e
    services: [recorder.service]
    store: /srv/edgesec-store
"""

RETURN = r"""
stage:
  description:
    - What is to be done next, V(prepare) or V(start), or V(none).
    - V(running) while the data is being encrypted.
  returned: success
  type: str
  sample: running
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
  description: How much is encrypted.
  returned: success
  type: int
  sample: 104857600
total_bytes:
  description: How much there is to encrypt.
  returned: success
  type: int
  sample: 369098752
to_be_sealed:
  description:
    - The volume, with the path of its prepared header on the device, where a keyslot can be added to it.
    - Empty once its data has begun to change.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "data", "device": "/dev/vda5", "prepared_header": "/run/edgesec/work/data.header"}]
needs_key:
  description: Whether the module was called without the recovery key that the next step takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume, where it is known.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
header_backup:
  description: Header backup (gzip, base64), which the controller escrows and does not return.
  returned: never by the action
  type: str
  sample: H4sIAAAA
"""

import base64

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import EXISTING_DATA, volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME, UNLOCK
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.encrypt_in_place import Job
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.in_place_state import (
    PREPARE,
    RUNNING,
    START,
    look,
)


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    job = Job(volume_of(params), tuple(params["options"]), params["unlock"])
    state = look(job)
    only_prepare = params["state"] == "prepared"
    due = state.stage == PREPARE if only_prepare else state.stage in (PREPARE, START)
    key = params["recovery_key"]
    result = state.as_result()
    result.update(changed=due or (state.stage == RUNNING and not only_prepare), needs_key=due and key is None)
    if due and key is not None and not module.check_mode:
        if only_prepare:
            backup = state.prepare(params["uuid"], key.encode())
            result["header_backup"] = base64.b64encode(backup).decode()
        else:
            state.start(key.encode())
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "state": {"type": "str", "choices": ["prepared", "encrypted"], "default": "encrypted"},
            "mount": {"type": "path"},
            **EXISTING_DATA,
            "options": {"type": "list", "elements": "str", "default": ["nodev", "nosuid"]},
            "unlock": UNLOCK,
            "wait": {"type": "bool", "default": True},
            "poll": {"type": "int", "default": 5},
            "uuid": {"type": "str"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
