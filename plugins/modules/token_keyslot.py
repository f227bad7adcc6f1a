#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: token_keyslot
short_description: Bind a keyslot of a LUKS2 volume to a key file on a removable token
version_added: 1.0.0
description:
  - Makes a key file of 256 random bits on a token, such as a USB stick or an SD card, where it has none, reads it back,
    adds the keyslot it opens, and proves that it does. Keyslots that opened the volume at boot before are removed then.
  - The token keeps its file system and its other files. It is mounted only for as long as the key is made or read.
  - A token on the disk of the volume or of the system is refused.
  - The recovery keyslot is tested before and after, and is never removed. The key never leaves the device.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.volume
  - edgesec.hardening.escrow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  token:
    description:
      - The token. It must be inserted when a key file is to be made, and may be taken away once the volume is open.
    type: dict
    required: true
    suboptions:
      device:
        description:
          - Absolute path of the device with its file system (vfat or ext4), such as C(/dev/disk/by-label/EDGEKEY).
        type: path
        required: true
      path:
        description:
          - Path of the key file on it. Directories are made where they are missing.
        type: str
        required: true
  prepared_header:
    description:
      - File with the header that a volume will get when it is encrypted in place, as M(edgesec.hardening.luks_encrypt)
        returns it. The keyslot is added there.
    type: path
notes:
  - Needs C(cryptsetup) 2.5 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.tpm_keyslot
  - module: edgesec.hardening.unlock_service
"""

EXAMPLES = r"""
- name: Open the data volume with a key file on a USB stick
  edgesec.hardening.token_keyslot:
    name: data
    device: /dev/disk/by-partlabel/data
    token:
      device: /dev/disk/by-label/EDGEKEY
      path: edgesec/gw-001.key
    store: /srv/edgesec-store
"""

RETURN = r"""
why:
  description: Why something is to be done, or was done; empty for nothing.
  returned: success
  type: str
  sample: no key file opens the volume at boot
needs_key:
  description: Whether the module was called without the recovery key that the keyslot takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty where it is not made yet, as can be in check mode.
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
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.key_file import KeyToken, apply, look, preview
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import has_header
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import encoded_backup


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    volume = volume_of(params)
    token = KeyToken(params["token"]["device"], params["token"]["path"])
    key = params["recovery_key"]
    if module.check_mode and not has_header(params["prepared_header"] or volume.device):
        return {**preview(volume, token), "needs_key": True}
    status = look(volume, token, prepared=params["prepared_header"])
    result = status.as_result()
    result["needs_key"] = bool(status.why) and key is None
    if status.why and key is not None and not module.check_mode:
        apply(status, key.encode())
        result["header_backup"] = encoded_backup(status.place.metadata)
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "token": {
                "type": "dict",
                "required": True,
                "no_log": False,
                "options": {
                    "device": {"type": "path", "required": True},
                    "path": {"type": "str", "required": True},
                },
            },
            "prepared_header": {"type": "path"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
