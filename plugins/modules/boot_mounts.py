#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_mounts
short_description: Restrict the boot file systems, now and after a reboot
version_added: 1.0.0
description:
  - Sets mount options of all boot file systems in fstab, and gives them to the running ones by a remount.
  - Only the option field of a line changes. What the options lift (V(rw), V(suid), V(dev), V(exec), V(defaults)) is
    taken out, everything else stays as it is written.
  - A path that is neither a file system of its own nor in fstab is left out. One that is mounted without a line in
    fstab (by systemd-gpt-auto-generator, for one) gets a line with its C(PARTUUID) or C(UUID).
  - C(findmnt --verify) must find no new error in the edited fstab before it is put in place. It is replaced whole, so
    after a power cut there is the old or the new one.
  - When a remount fails, fstab and the file systems that were remounted already are put back as they were.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
attributes:
  check_mode:
    support: full
    details:
      - An automount that has no line in fstab is looked into, since what it mounts cannot be known otherwise.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  paths:
    description:
      - Directories where boot file systems may be mounted.
    type: list
    elements: path
    default: [/boot, /boot/efi, /efi, /boot/firmware]
  options:
    description:
      - The restrictions.
    type: list
    elements: str
    choices: [ro, nosuid, nodev, noexec]
    default: [ro, nosuid, nodev, noexec]
  fstab:
    description:
      - The fstab to edit. A symbolic link is followed.
    type: path
    default: /etc/fstab
  remount:
    description:
      - Whether running file systems are remounted when their options differ. With V(false) the next boot does it.
    type: bool
    default: true
  emmc:
    description:
      - Whether the boot partitions of eMMC chips that may be written are made read-only (C(force_ro)). The kernel does
        so at each boot; what writes a bootloader there lifts it, and may have left it so.
    type: bool
    default: true
notes:
  - The bootloader and kernel updates write to boot file systems. M(edgesec.hardening.boot_window) makes them writable
    for those. What a window keeps writable while this module runs is left so, with a warning; it is made read-only
    when the window closes.
seealso:
  - module: edgesec.hardening.boot_window
  - module: edgesec.hardening.boot_facts
"""

EXAMPLES = r"""
- name: Mount every boot file system read-only
  edgesec.hardening.boot_mounts:

- name: Restrict them at the next boot only
  edgesec.hardening.boot_mounts:
    remount: false

- name: Leave the ESP writable for the bootloader's random seed
  edgesec.hardening.boot_mounts:
    paths: [/boot/efi]
    options: [nosuid, nodev, noexec]
"""

RETURN = r"""
mounts:
  description: The boot file systems that were found.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is mounted.
      type: str
      sample: /boot/efi
    source:
      description: What fstab mounts there, once this module has run.
      type: str
      sample: UUID=1C2D-3E4F
    fstab:
      description: Options in fstab, RV(ignore:before) and RV(ignore:after). V(none) where there was no line.
      type: dict
      sample: {"before": ["umask=0077"], "after": ["umask=0077", "ro", "nosuid", "nodev", "noexec"]}
    runtime:
      description: Options of the running file system, RV(ignore:before) and RV(ignore:after). V(none) where none is
        mounted.
      type: dict
      sample: {"before": ["rw", "relatime"], "after": ["ro", "nosuid", "nodev", "noexec", "relatime"]}
    changed:
      description: Whether fstab or the running options changed, or would in check mode.
      type: bool
      sample: true
emmc:
  description: The boot partitions of eMMC chips that were made read-only, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [mmcblk0boot0]
boot_separate:
  description: Whether at least one of the paths is a mounted file system of its own.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tree import json_clean
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.mounts import RESTRICTIONS, look
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot_write_protection import (
    make_emmc_read_only,
    writable_emmc,
)


def run(module: AnsibleModule) -> dict[str, object]:
    params = module.params
    plan = look(params["paths"], params["options"], params["fstab"], remount=params["remount"])
    for warning in plan.warnings:
        module.warn(warning)
    emmc = writable_emmc("/") if params["emmc"] else []
    if plan.changed and not module.check_mode:
        plan.apply()
    for name in emmc if not module.check_mode else ():
        make_emmc_read_only(name)
    return {
        "changed": plan.changed or bool(emmc),
        "emmc": emmc,
        "mounts": json_clean([mount.facts() for mount in plan.mounts]),
        "boot_separate": any(mount.mount is not None for mount in plan.mounts),
        "diff": plan.diff(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "paths": {"type": "list", "elements": "path", "default": ["/boot", "/boot/efi", "/efi", "/boot/firmware"]},
            "options": {
                "type": "list",
                "elements": "str",
                "choices": list(RESTRICTIONS),
                "default": list(RESTRICTIONS),
            },
            "fstab": {"type": "path", "default": "/etc/fstab"},
            "remount": {"type": "bool", "default": True},
            "emmc": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
