#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: luks_volume
short_description: Make a LUKS2 volume, and never destroy what was not named
version_added: 1.0.0
description:
  - Formats a device as a LUKS2 volume if it is blank, with a recovery key that the controller made and escrowed before.
  - A device with any signature, partition table, holder or mount is refused with what was seen on it, and stays as it
    is, unless O(on_existing_data) and O(consent) say what may become of it. A device in use is always refused.
  - What is to be encrypted in place is left to M(edgesec.hardening.luks_encrypt).
  - A volume that this module made before is left alone.
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
  mount:
    description:
      - Directory that the volume is mounted on. A file system that is to be encrypted in place may be mounted there.
    type: path
  uuid:
    description:
      - UUID for a new volume. It comes from the controller, which escrows the recovery key under it.
    type: str
notes:
  - The cipher is AES-XTS where the processor has AES instructions, and Adiantum where it has none.
  - Needs C(cryptsetup) 2.5 or newer, C(blkid) and C(wipefs) on the device.
seealso:
  - module: edgesec.hardening.encrypted_mount
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Encrypt the data partition
  edgesec.hardening.luks_volume:
    name: data
    device: /dev/disk/by-partlabel/data
    store: /srv/edgesec-store
"""

RETURN = r"""
plan:
  description: What is to be done, in words. Empty where the volume is there.
  returned: success
  type: str
  sample: format /dev/disk/by-partlabel/data (402653184 bytes, blank) as LUKS2 volume edgesec-data
intent:
  description: What is to be done, V(format), V(erase) or V(encrypt_in_place). Empty where the volume is there.
  returned: success
  type: str
  sample: format
needs_key:
  description: Whether the module was called without the recovery key that the plan takes.
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

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import EXISTING_DATA, KEYED_VOLUME, volume_of
from ansible_collections.edgesec.hardening.plugins.module_utils._cli import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._plan import (
    ERASE,
    FORMAT,
    contents,
    label_of,
    plan,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import make, observe


def run(module: AnsibleModule) -> dict[str, object]:
    volume = volume_of(module.params)
    require_tool("cryptsetup")
    facts = observe(volume)
    intended = plan(facts, volume)
    due = intended.intent in (FORMAT, ERASE)
    key = module.params["recovery_key"]
    result: dict[str, object] = {
        "changed": due,
        "plan": intended.text,
        "intent": intended.intent or "",
        "needs_key": due and key is None,
        "uuid": facts["luks"]["uuid"] if intended.intent is None else module.params["uuid"] or "",
        "diff": {
            "before": f"{volume.device}: {'blank' if facts['blank'] else contents(facts)}\n",
            "after": f"{volume.device}: {f'LUKS2 label {label_of(volume.name)}' if due else contents(facts)}\n",
        },
    }
    if due and key is not None and not module.check_mode:
        backup = make(volume, uuid=module.params["uuid"], key=key.encode())
        result["header_backup"] = base64.b64encode(backup).decode()
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **KEYED_VOLUME,
            "mount": {"type": "path"},
            **EXISTING_DATA,
            "uuid": {"type": "str"},
        },
        required_by={"recovery_key": "uuid"},
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
