#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: boot_console
short_description: Close what the console gives to whoever stands before the device
version_added: 1.0.0
description:
  - Locks the editors of systemd-boot and GRUB, has a boot that fails reboot in place of giving a shell, masks
    C(debug-shell.service), takes its effect from Ctrl-Alt-Del, and has a kernel that panics reboot.
  - Every entry of GRUB keeps starting without a password. A menu in which one would ask is refused, and nothing is
    changed then.
  - A boot file system that is mounted read-only is made writable for the moment of the write, and read-only again.
  - The command line of a unified kernel image is signed with it, and is not changed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.observed.boot_paths
attributes:
  check_mode:
    support: full
    details:
      - What C(grub-mkconfig) makes of changed settings is seen, and checked, only when it is run.
  diff_mode:
    support: full
    details:
      - The script with the hash of GRUB's password, and C(grub.cfg), are not shown.
  idempotent:
    support: full
options:
  editor:
    description:
      - Whether to lock the editors of loader menus. C(editor no) goes into C(loader.conf). GRUB (that of Debian, with
        C(/boot/grub/grub.cfg)) gets a list of superusers, and C(--unrestricted) in every entry.
      - With V(false) GRUB's script is removed, and C(loader.conf) is left as it is.
    type: bool
    default: true
  grub_user:
    description:
      - Name of the one who may edit GRUB's entries, with O(grub_password_hash).
    type: str
    default: root
  grub_password_hash:
    description:
      - PBKDF2 hash of that one's password, as C(grub-mkpasswd-pbkdf2) or the filter
        P(edgesec.hardening.grub_password_hash#filter) make it. Without it, nobody may edit.
    type: str
  emergency:
    description:
      - What C(emergency.service) and C(rescue.service) do in place of giving a shell. With V(keep) they give one.
    type: str
    choices: [reboot, poweroff, keep]
    default: reboot
  emergency_delay:
    description:
      - Seconds before they do so.
    type: int
    default: 300
  debug_shell:
    description:
      - Whether C(debug-shell.service) is to be masked. With V(false) it is left as it is.
    type: bool
    default: true
  ctrl_alt_del:
    description:
      - Whether pressing Ctrl-Alt-Del more than seven times in two seconds is to have no effect, from the next boot on.
    type: bool
    default: true
  panic:
    description:
      - Seconds after which a kernel that panics, or oopses, reboots. With GRUB it goes into the command line as well,
        by which the initramfs reboots where it would give a shell.
      - With V(0) it is left alone, and what this module has written for it is removed.
    type: int
    default: 30
seealso:
  - module: edgesec.hardening.boot_facts
"""

EXAMPLES = r"""
- name: Close the console
  edgesec.hardening.boot_console:

- name: Leave GRUB's editor to those who know a password
  edgesec.hardening.boot_console:
    grub_user: field
    grub_password_hash: "{{ vault_grub_password | edgesec.hardening.grub_password_hash(inventory_hostname) }}"
"""

RETURN = r"""
steps:
  description: What is to be done, or was done, in order.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/grub.d/01_edgesec", "make /boot/grub/grub.cfg anew"]
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import BOOT
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._boot.close_console import KEEP, Wanted, look
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect

_USER = re.compile(r"[A-Za-z0-9_-]+")
_HASH = re.compile(r"grub\.pbkdf2\.sha512\.[1-9][0-9]{3,6}\.[0-9A-Fa-f]+\.[0-9A-Fa-f]{128}")


def wanted_of(params: dict[str, object]) -> Wanted:
    user, digest = str(params["grub_user"]), params["grub_password_hash"] or None
    if digest is not None and not (_USER.fullmatch(user) and _HASH.fullmatch(str(digest))):
        raise Refused(
            "grub_password_hash",
            "is no PBKDF2 hash of GRUB, or grub_user has other characters than letters, digits, _ and -",
            "Make it by the filter grub_password_hash",
        )
    return Wanted(
        editor=bool(params["editor"]),
        grub_password=(user, str(digest)) if digest is not None else None,
        emergency=str(params["emergency"]),
        delay=max(int(str(params["emergency_delay"])), 1),
        debug_shell=bool(params["debug_shell"]),
        ctrl_alt_del=bool(params["ctrl_alt_del"]),
        panic=max(int(str(params["panic"])), 0),
    )


def run(module: AnsibleModule) -> dict[str, Any]:
    editors = collect("/", module.params["boot_paths"])["console"]["editors"]
    loaders = [each["path"] for each in editors if each["loader"] == "systemd-boot"]
    plan = look(wanted_of(module.params), loaders)
    if plan.changed and not module.check_mode:
        plan.apply()
    return {"changed": plan.changed, "steps": plan.words, "diff": plan.diff()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "boot_paths": BOOT,
            "editor": {"type": "bool", "default": True},
            "grub_user": {"type": "str", "default": "root"},
            "grub_password_hash": {"type": "str", "no_log": True},
            "emergency": {"type": "str", "choices": ["reboot", "poweroff", KEEP], "default": "reboot"},
            "emergency_delay": {"type": "int", "default": 300},
            "debug_shell": {"type": "bool", "default": True},
            "ctrl_alt_del": {"type": "bool", "default": True},
            "panic": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
