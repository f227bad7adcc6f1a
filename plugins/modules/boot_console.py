#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_console
short_description: Lock the boot console against a person at the device
version_added: 1.0.0
description:
  - Locks the editors of systemd-boot and GRUB, makes a failed boot reboot instead of giving a shell, masks
    C(debug-shell.service), ignores repeated Ctrl-Alt-Del, and makes a kernel that panics reboot.
  - Every GRUB entry still starts without a password. A menu in which an entry would ask for one is refused, and nothing
    is changed.
  - A boot file system that is mounted read-only is made writable for the write only.
  - The command line of a unified kernel image is part of the signed image, and is not changed.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.observed.boot_paths
attributes:
  check_mode:
    support: full
    details:
      - The output of C(grub-mkconfig) for changed settings is known, and checked, only when it runs.
  diff_mode:
    support: full
    details:
      - C(grub.cfg) and the script with the hash of GRUB's password are not shown.
  idempotent:
    support: full
options:
  editor:
    description:
      - Whether to lock the editors of loader menus. C(loader.conf) gets C(editor no). Debian's GRUB
        (C(/boot/grub/grub.cfg)) gets a list of superusers, and C(--unrestricted) in every entry.
      - V(false) removes GRUB's script and leaves C(loader.conf) as it is.
    type: bool
    default: true
  grub_user:
    description:
      - Name of the GRUB user who may edit entries, with O(grub_password_hash).
    type: str
    default: root
  grub_password_hash:
    description:
      - PBKDF2 hash of the password of O(grub_user), made by C(grub-mkpasswd-pbkdf2) or by the filter
        P(edgesec.hardening.grub_password_hash#filter). Without a hash nobody may edit.
    type: str
  emergency:
    description:
      - What C(emergency.service) and C(rescue.service) do instead of giving a shell. V(keep) gives the shell.
    type: str
    choices: [reboot, poweroff, keep]
    default: reboot
  emergency_delay:
    description:
      - Seconds that C(emergency.service) and C(rescue.service) wait before they reboot or power off.
    type: int
    default: 300
  debug_shell:
    description:
      - Whether to mask C(debug-shell.service). V(false) leaves it as it is.
    type: bool
    default: true
  ctrl_alt_del:
    description:
      - Whether to ignore Ctrl-Alt-Del pressed more than seven times in two seconds, from the next boot on.
    type: bool
    default: true
  panic:
    description:
      - Seconds after which a kernel that panics or oopses reboots. With GRUB the value also goes on the kernel command
        line, which makes the initramfs reboot instead of giving a shell.
      - V(0) leaves the kernel's own setting and removes this module's.
    type: int
    default: 30
seealso:
  - module: edgesec.hardening.boot_facts
"""

EXAMPLES = r"""
- name: Lock the boot console
  edgesec.hardening.boot_console:

- name: Open GRUB's editor only to those who know a password
  edgesec.hardening.boot_console:
    grub_user: field
    grub_password_hash: "{{ vault_grub_password | edgesec.hardening.grub_password_hash(inventory_hostname) }}"
"""

RETURN = r"""
steps:
  description: The changes, in order. In check mode, the changes that a run would make.
  returned: success
  type: list
  elements: str
  sample: ["write /etc/grub.d/01_edgesec", "make /boot/grub/grub.cfg anew"]
"""

import re
from typing import Any

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
            "is not a PBKDF2 hash of GRUB, or grub_user has characters other than letters, digits, _ and -",
            "Make the hash with the filter grub_password_hash",
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
