#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_facts
short_description: Observe how a device boots
version_added: 1.0.0
description:
  - Reads the boot mounts as they are and as fstab has them, who may make them writable and does so now, the loader,
    the firmware and the keys that it trusts,
    whether the boot was measured, what can write to boot files, how the root file system is verified, and what the
    console gives to whoever stands before the device.
  - No program is run, and of images only the headers are read.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.boot_paths
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See how the device boots
  edgesec.hardening.boot_facts:
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_boot:
      description: Boot mounts, firmware, Secure Boot state, event log, root file system and kernel lockdown.
      returned: success
      type: dict
      sample: {"firmware": "uefi", "secure_boot": true, "setup_mode": false, "uki": true, "separate": true}
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        mounts:
          description: The boot file systems that are mounted or in fstab.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The mount point."}
            runtime:
              description: As it is mounted, V(none) where it is not.
              type: dict
              contains:
                source: {type: str, description: "What is mounted."}
                fstype: {type: str, description: "Type of the file system."}
                options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            fstab:
              description: Its line in fstab, V(none) where there is none.
              type: dict
              contains:
                source: {type: str, description: "What is to be mounted."}
                options: {type: list, elements: str, description: "Options."}
                line: {type: int, description: "Number of the line."}
        windows:
          description: Who may make read-only boot file systems writable, and does so now.
          type: dict
          contains:
            paths: {type: list, elements: str, description: "The mount points that C(boot-window) governs."}
            program: {type: bool, description: "Whether that program is installed."}
            hooks:
              description: The hooks of the tools on the device that write to boot file systems.
              type: list
              elements: dict
              contains:
                tool: {type: str, description: "Name of the tool."}
                path: {type: str, description: "File of the hook."}
                installed: {type: bool, description: "Whether the hook is there as this version has it."}
                lacks:
                  description: The package without which the tool does not read the hook, V(none) where it does.
                  type: str
            open:
              description: Whether a window is open; V(none) where this user may not know.
              type: bool
            holders: {type: list, elements: str, description: "Who needs the window."}
            refused: {type: list, elements: str, description: "Why the window could not be closed yet."}
            source: {type: list, elements: str, description: "Where it was read."}
        separate: {type: bool, description: "Whether boot files have a file system of their own."}
        firmware: {type: str, description: "V(uefi), V(devicetree) or V(bios)."}
        secure_boot: {type: bool, description: "Whether Secure Boot is on."}
        setup_mode: {type: bool, description: "Whether anybody may enrol keys of Secure Boot."}
        uki: {type: bool, description: "Whether the running kernel came out of a unified kernel image."}
        stub: {type: str, description: "The stub of that image."}
        cmdline: {type: str, description: "Command line of the kernel."}
        event_log: {type: bool, description: "Whether there is an event log of what was measured."}
        root:
          description: The root file system.
          type: dict
          contains:
            source: {type: str, description: "What is mounted."}
            fstype: {type: str, description: "Type of the file system."}
            options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            verified: {type: str, description: "C(dm-verity), or C(none) where it is not verified."}
        lockdown: {type: str, description: "The kernel's lockdown, C(none), C(integrity) or C(confidentiality)."}
        source: {type: list, elements: str, description: "Where it was read."}
        layout:
          description: The loaders that were found, each with its C(kind) (V(uki), V(systemd-boot), V(grub),
            V(raspberry-pi), V(extlinux) or V(u-boot)), the C(path) that shows it, and whether that lies C(on_root), the
            file system of C(/). Empty where none was found.
          type: list
          elements: dict
          sample: [{"kind": "grub", "path": "/boot/grub/grub.cfg", "on_root": true}]
        on_root:
          description: Whether boot files and applications share a file system.
          type: bool
          sample: false
        file_systems:
          description: The file systems for boot files, each with what it was C(found_by) (V(mount table), V(fstab) or
            V(firmware), which names the partition it booted from).
          type: list
          elements: dict
          sample: [{"path": "/boot/efi", "found_by": ["firmware", "mount table"], "source": "/dev/vda1"}]
        firmware_keys:
          description: C(PK), C(KEK), C(db) and C(dbx), each with whether it is C(present), its size in C(bytes), its
            C(certificates) (subject, SHA-256, owner, and whether its name is that of a C(test_key)), and how many
            C(hashes) and C(others) it holds; C(audit_mode) and C(deployed_mode). V(none) where the firmware shows no
            variables.
          type: dict
          sample: {"audit_mode": false, "deployed_mode": true}
        shim:
          description: Whether shim ran (C(present)), whether its validation is off (C(validation_disabled)), its
            C(machine_owner_keys), and its C(sbat_level). V(none) where the firmware shows no variables.
          type: dict
          sample: {"present": true, "validation_disabled": false, "sbat_level": "2023012900"}
        images:
          description: What the firmware started, and the unified kernel image. C(signers) are the certificates in its
            signatures. Whether these hold was looked at by the firmware alone, and only with Secure Boot on.
          type: list
          elements: dict
          sample: [{"role": "firmware entry", "path": "/boot/efi/EFI/debian/shimx64.efi", "signed": true}]
        measured:
          description: Whether there is an event C(log), and the PCRs of the SHA-256 bank to which it leads (C(agree))
            and does not (C(differ)). Both are V(none) where that could not be told, with the C(reason).
          type: dict
          sample: {"log": true, "agree": [0, 1, 2, 3, 4, 5, 6, 7, 9], "differ": [11], "reason": null}
        dangers:
          description: The options of the command line that undo a protection or ask for a shell, each with why.
          type: list
          elements: dict
          sample: [{"option": "mitigations=off", "why": "leaves holes of the processor open"}]
        ima_appraises:
          description: Whether IMA refuses files that were changed.
          type: bool
          sample: false
        emmc:
          description: The boot partitions of eMMC chips, C(read_only), C(force_ro) and C(locked_until_power_on).
          type: list
          elements: dict
          sample: [{"name": "mmcblk0boot0", "read_only": true, "force_ro": true, "locked_until_power_on": false}]
        flash:
          description: Raw flash (MTD), and whether the kernel lets it be written.
          type: list
          elements: dict
          sample: [{"device": "mtd0", "name": "u-boot", "writable": false}]
        partition_bits:
          description: Whether the partition table marks a boot partition as read-only (bit 60 of GPT attributes).
          type: list
          elements: dict
          sample: [{"partition": "vda1", "read_only": false}]
        uboot_environment:
          description: Where C(/etc/fw_env.config) says that the variables of U-Boot are.
          type: list
          elements: dict
          sample: [{"device": "/dev/mmcblk0", "offset": "0x400000", "size": "0x4000"}]
        console:
          description: C(editors) of loader menus, and whether they are C(open); C(shells), which of the units for a
            boot that failed give one; C(debug_shell_masked), C(ctrl_alt_del_burst), C(panic_seconds) and
            C(panic_on_oops). In a C(container) it is that of the host.
          type: dict
          sample: {"container": false, "debug_shell_masked": true, "ctrl_alt_del_burst": "none", "panic_seconds": 30}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._arguments import BOOT, ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._boot import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "boot_paths": BOOT,
        },
        supports_check_mode=True,
    )
    try:
        observed = collect(module.params["root"], module.params["boot_paths"])
    except EdgesecError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"edgesec_boot": observed})


if __name__ == "__main__":
    main()
