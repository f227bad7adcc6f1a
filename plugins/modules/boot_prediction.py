#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_prediction
short_description: Predict the PCRs of the next boot
version_added: 1.0.0
description:
  - Replays the firmware's event log of this boot with the digests of the files that the next boot will read. The next
    boot state can then be approved in advance.
  - Guesses nothing. The module fails, and names the PCR, if the event log does not account for it, or if a measurement
    in it matches no known file.
  - Changes that no file shows, such as a firmware update, are returned as assumptions.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.boot_paths
attributes:
  check_mode:
    support: full
    details:
      - This module only observes; it never changes the target.
  diff_mode:
    support: N/A
    details:
      - This module only observes; it never changes the target.
options:
  pcrs:
    description:
      - PCRs of the SHA-256 bank to predict. If empty, they depend on how the device boots, V(4) and V(7) for a unified
        kernel image, V(4), V(7), V(8), V(9) and V(14) for shim and GRUB.
      - PCRs that are extended after the boot loader cannot be predicted. They include V(11) if systemd measures the
        boot phases.
    type: list
    elements: int
    default: []
  replaced:
    description:
      - Files of this boot, and the files that replace them at the next boot.
      - Other files are read, as they are now, from where this boot read them. With GRUB, the newest installed kernel
        and its initrd replace those that booted.
    type: list
    elements: dict
    default: []
    suboptions:
      old:
        description: The file that booted, or a copy of it.
        type: path
        required: true
      new:
        description: The file that replaces it.
        type: path
        required: true
notes:
  - Prediction was tested on a virtual device, with unified kernel images, and with shim and GRUB 2.12 of Debian 13. The
    boot with another kernel, initrd and menu had the predicted PCRs.
  - With GRUB, the module refuses a grub.cfg that differs outside its menu entries, or whose first entry differs by more
    than the name of the kernel.
seealso:
  - module: edgesec.hardening.boot_facts
  - module: edgesec.hardening.tpm_keyslot
"""

EXAMPLES = r"""
- name: Predict the boot state of an image that was already installed
  edgesec.hardening.boot_prediction:
  register: next_boot

- name: Predict the boot state of an image before it is installed
  edgesec.hardening.boot_prediction:
    replaced:
      - old: /boot/efi/EFI/BOOT/BOOTX64.EFI
        new: /var/lib/update/BOOTX64.EFI
  register: next_boot
"""

RETURN = r"""
pcr_values:
  description: The PCR values of the next boot.
  returned: success
  type: dict
  sample: {"4": "9f8e", "7": "65ca"}
running:
  description: The PCR values of this boot.
  returned: success
  type: dict
  sample: {"4": "3187", "7": "65ca"}
differs:
  description:
    - Whether any PCR value will change. If the module fails, V(true) means that a file has changed since the boot, and
      V(none) that nothing is known.
  returned: always
  type: bool
  sample: true
replaced:
  description:
    - The files that differ between the boots, with their digests, Authenticode for EFI images and SHA-256 for others.
      The digest of a file that no longer exists is empty.
  returned: success
  type: list
  elements: dict
  sample:
    - old: /boot/efi/EFI/BOOT/BOOTX64.EFI
      new: /var/lib/update/BOOTX64.EFI
      old_digest: 6131fa85
      new_digest: ac5b42fa
assumptions:
  description: Conditions, in words, under which the prediction is right.
  returned: success
  type: list
  elements: str
  sample: ["The firmware and its settings do not change; the firmware and any boot manager start the same entry."]
kernel:
  description: Release of the kernel that will boot. Empty if no file shows it.
  returned: success
  type: str
  sample: 6.12.57+deb13-cloud-amd64
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import BOOT, ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Unforeseen
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.pcr_selection import default_pcrs
from ansible_collections.edgesec.hardening.plugins.module_utils._measured_boot.next_boot import look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "boot_paths": BOOT,
            "pcrs": {"type": "list", "elements": "int", "default": []},
            "replaced": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"old": {"type": "path", "required": True}, "new": {"type": "path", "required": True}},
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    named = [(each["old"], each["new"]) for each in params["replaced"]]
    try:
        pcrs = params["pcrs"] or default_pcrs(params["root"])
        result = look(params["root"], pcrs, named, params["boot_paths"])
    except EdgesecError as error:
        module.fail_json(msg=str(error), differs=True if isinstance(error, Unforeseen) else None)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
