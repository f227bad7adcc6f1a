#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_header
short_description: Bring a damaged LUKS2 header back from its escrowed backup
version_added: 1.0.0
description:
  - Does nothing where the header of the volume is whole, that is where at least one of its two copies is.
  - Where it is damaged, the escrowed backup has to show that it fits before it is written. It must be of the volume
    that the device has on record, open by the recovery key, and have a file system behind it.
  - A header that was changed, and holds together, is not touched. M(edgesec.hardening.tpm_keyslot) reports it.
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
  uuid:
    description:
      - UUID of the volume, where neither the device nor the store tells which one it is.
    type: str
    default: ""
  backup:
    description:
      - The header backup (gzip, base64). It comes from the controller.
    type: str
notes:
  - The backup brings back the keyslots that it had. Run M(edgesec.hardening.tpm_keyslot) after it.
  - Needs C(cryptsetup) 2.5 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Bring the header of the data volume back if it is damaged
  edgesec.hardening.luks_header:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
"""

RETURN = r"""
damage:
  description: What is wrong with the header, or was; empty where it is whole.
  returned: success
  type: str
  sample: it has no LUKS header
needs_key:
  description: Whether the module was called without the recovery key and the backup that it takes.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty where nothing on the device tells.
  returned: success
  type: str
  sample: 0b5df9c0-8f3c-4a4e-9d3f-4f6c8ab0b3a9
"""

import base64

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.keyed_arguments import KEYED_VOLUME
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.restore_header import look, restore


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    status = look(volume_of(params))
    key = params["recovery_key"]
    if status.damage and key is not None and not module.check_mode:
        restore(status, base64.b64decode(params["backup"]), key.encode())
    return {**status.as_result(), "needs_key": bool(status.damage) and key is None}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "uuid": {"type": "str", "default": ""},
            "backup": {"type": "str"},
        },
        required_by={"recovery_key": ("backup",)},
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
