#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_header
short_description: Restore a damaged LUKS2 header from its escrowed backup
version_added: 1.0.0
description:
  - Does nothing if the header is intact, that is, if at least one of its two copies is.
  - Writes the escrowed backup only after these checks. The backup must be of the volume that the device has on record,
    the recovery key must open it, and there must be a file system behind it.
  - Does not touch a header that was changed but is consistent. M(edgesec.hardening.tpm_keyslot) reports it.
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
      - UUID of the volume, if neither the device nor the store identifies it.
    type: str
    default: ""
  backup:
    description:
      - The header backup (gzip, base64). Set by the controller.
    type: str
notes:
  - The backup restores the keyslots of its time. Run M(edgesec.hardening.tpm_keyslot) after it.
  - Needs C(cryptsetup) 2.5 or newer on the device.
seealso:
  - module: edgesec.hardening.luks_volume
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Restore the header of the data volume if it is damaged
  edgesec.hardening.luks_header:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
"""

RETURN = r"""
damage:
  description: The damage that was found. Empty if the header is intact.
  returned: success
  type: str
  sample: it has no LUKS header
needs_key:
  description: Whether the module was called without the recovery key and the backup that it needs.
  returned: success
  type: bool
  sample: false
uuid:
  description: UUID of the LUKS2 volume. Empty if nothing on the device shows it.
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
