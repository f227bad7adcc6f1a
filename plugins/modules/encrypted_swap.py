#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: encrypted_swap
short_description: Encrypt swap with a random key at each boot
version_added: 1.0.0
description:
  - Has a device swapped to through dm-crypt, with a key that is made at each boot and that nobody keeps. The unit
    C(edgesec-swap@NAME.service) does it; an init script can call C(/usr/lib/edgesec/swap NAME).
  - Plain swap on the device is switched off, its lines are taken out of fstab, and what was swapped out is overwritten.
  - A device that holds anything but swap (data that no tool recognises, too), that is in use otherwise, that another
    configuration names, or that the system resumes from after hibernation is refused, and stays as it is. So it is at
    boot, which is not held up by it; there a first MiB that is not empty tells data of others from its own.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  name:
    description:
      - Name of its device-mapper device.
    type: str
    required: true
  device:
    description:
      - Path of the block device below C(/dev/disk/by-partlabel), C(by-partuuid), C(by-id) or C(by-path).
    type: path
    required: true
notes:
  - The cipher is AES-XTS where the processor has AES instructions, and Adiantum where it has none.
  - Needs C(cryptsetup) 2.5 or newer, C(blkid), C(wipefs), C(mkswap), C(swapon) and C(swapoff) on the device.
seealso:
  - module: edgesec.hardening.luks_volume
"""

EXAMPLES = r"""
- name: Encrypt the swap partition
  edgesec.hardening.encrypted_swap:
    name: swap
    device: /dev/disk/by-partlabel/swap
"""

RETURN = r"""
steps:
  description: What is to be done, or was done, in order.
  returned: success
  type: list
  elements: str
  sample: ["switch the plain swap off", "take it out of fstab", "overwrite what was swapped out"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import SWAP, swap_of
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.swap import look


def run(module: AnsibleModule) -> dict[str, Any]:
    state = look(swap_of(module.params))
    if not module.check_mode:
        state.apply()
    return {"changed": bool(state.steps), "steps": state.steps, "diff": state.diff}


def main() -> None:
    module = AnsibleModule(argument_spec=SWAP["options"], supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
