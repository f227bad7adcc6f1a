#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: encrypted_swap
short_description: Encrypt swap with a random key at each boot
version_added: 1.0.0
description:
  - Uses a device as swap through dm-crypt, with a random key that each boot makes and nothing keeps. The unit
    C(edgesec-swap@NAME.service) does it; an init script can call C(/usr/lib/edgesec/swap NAME).
  - Switches plain swap on the device off, removes its lines from fstab, and overwrites the swapped-out data.
  - Refuses a device that holds anything but swap (also data that no tool recognises), that is otherwise in use, that
    another configuration names, or from which the system resumes after hibernation. It leaves such a device as it is.
  - The boot refuses such a device as well, and never waits for it. At boot, a first MiB that is not empty counts as
    foreign data.
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
      - Name of the device-mapper device.
    type: str
    required: true
  device:
    description:
      - Path of the block device below C(/dev/disk/by-partlabel), C(by-partuuid), C(by-id) or C(by-path).
    type: path
    required: true
notes:
  - The cipher is AES-XTS if the processor has AES instructions, and Adiantum if it has none.
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
  description: The changes, in order. In check mode, the changes that a run would make.
  returned: success
  type: list
  elements: str
  sample: ["switch the plain swap off", "take it out of fstab", "overwrite what was swapped out"]
"""

from typing import Any

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
