#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

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
        windows:
          description: How tools make the boot file systems writable for as long as they need to, and who does so now.
          type: dict
          contains:
            paths: {type: list, elements: str, description: "The mount points that may be made writable."}
            program: {type: bool, description: "Whether the program that opens a boot window is there."}
            hooks:
              description: The hooks that the tools of this device need.
              type: list
              elements: dict
              contains:
                tool: {type: str, description: "The tool."}
                path: {type: str, description: "Where its hook belongs."}
                installed: {type: bool, description: "Whether the hook is there as this version has it."}
                lacks: {type: str, description: "A package that is missing, without which it does nothing."}
            open: {type: bool, description: "Whether a window is open, V(none) where that cannot be seen."}
            holders: {type: list, elements: str, description: "Who holds it open."}
            refused: {type: list, elements: str, description: "Why what nobody holds is still writable."}
            source: {type: list, elements: str, description: "Where it was read."}
        source: {type: list, elements: str, description: "Where it was read."}
        layout:
          description: The loaders that were found, in the order in which they would start each other.
          type: list
          elements: dict
          sample: [{"kind": "grub", "path": "/boot/grub/grub.cfg", "on_root": true}]
          contains:
            kind:
              description: >-
                V(uki), V(systemd-boot), V(grub), V(raspberry-pi), V(extlinux) or V(u-boot).
              type: str
            path: {type: str, description: "The file that shows it, V(none) where firmware or loader alone say so."}
            on_root: {type: bool, description: "Whether that lies on the file system of C(/)."}
        on_root:
          description: Whether boot files and applications share a file system.
          type: bool
          sample: false
        file_systems:
          description: The file systems for boot files.
          type: list
          elements: dict
          sample: [{"path": "/boot/efi", "found_by": ["firmware", "mount table"], "source": "/dev/vda1"}]
          contains:
            path: {type: str, description: "The mount point."}
            found_by:
              description: >-
                What tells that it is one: V(mount table), V(fstab), V(partition type), V(contents), or V(firmware),
                which names the partition that it booted from.
              type: list
              elements: str
            source: {type: str, description: "What is mounted, V(none) where nothing is."}
        firmware_keys:
          description: The keys of Secure Boot, V(none) where the firmware shows no variables.
          type: dict
          sample: {"audit_mode": false, "deployed_mode": true}
          contains:
            PK:
              description: The platform key.
              type: dict
              contains:
                present: {type: bool, description: "Whether it holds anything, V(none) where it cannot be read."}
                bytes: {type: int, description: "Its size."}
                certificates:
                  description: Its certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) where it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name is that of a key made for tests."}
                    owner: {type: str, description: "GUID of who enrolled it."}
                hashes: {type: int, description: "How many SHA-256 hashes it holds."}
                others: {type: int, description: "How many entries of other types it holds."}
                reason: {type: str, description: "Why it cannot be read."}
            KEK:
              description: Keys that may change the two lists below.
              type: dict
              contains:
                present: {type: bool, description: "Whether it holds anything, V(none) where it cannot be read."}
                bytes: {type: int, description: "Its size."}
                certificates:
                  description: Its certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) where it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name is that of a key made for tests."}
                    owner: {type: str, description: "GUID of who enrolled it."}
                hashes: {type: int, description: "How many SHA-256 hashes it holds."}
                others: {type: int, description: "How many entries of other types it holds."}
                reason: {type: str, description: "Why it cannot be read."}
            db:
              description: What may be started.
              type: dict
              contains:
                present: {type: bool, description: "Whether it holds anything, V(none) where it cannot be read."}
                bytes: {type: int, description: "Its size."}
                certificates:
                  description: Its certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) where it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name is that of a key made for tests."}
                    owner: {type: str, description: "GUID of who enrolled it."}
                hashes: {type: int, description: "How many SHA-256 hashes it holds."}
                others: {type: int, description: "How many entries of other types it holds."}
                reason: {type: str, description: "Why it cannot be read."}
            dbx:
              description: What may not be started.
              type: dict
              contains:
                present: {type: bool, description: "Whether it holds anything, V(none) where it cannot be read."}
                bytes: {type: int, description: "Its size."}
                certificates:
                  description: Its certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) where it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name is that of a key made for tests."}
                    owner: {type: str, description: "GUID of who enrolled it."}
                hashes: {type: int, description: "How many SHA-256 hashes it holds."}
                others: {type: int, description: "How many entries of other types it holds."}
                reason: {type: str, description: "Why it cannot be read."}
            audit_mode: {type: bool, description: "Whether images are started whatever their signatures."}
            deployed_mode: {type: bool, description: "Whether Secure Boot is in its most restricted mode."}
            source: {type: str, description: "Where it was read."}
        shim:
          description: What shim mirrors of its state, V(none) where the firmware shows no variables.
          type: dict
          sample: {"present": true, "validation_disabled": false, "sbat_level": "2023012900"}
          contains:
            present: {type: bool, description: "Whether shim ran."}
            validation_disabled: {type: bool, description: "Whether it starts images whatever their signatures."}
            machine_owner_keys:
              description: What shim lets start besides, V(none) where it did not run.
              type: dict
              contains:
                present: {type: bool, description: "Whether it holds anything, V(none) where it cannot be read."}
                bytes: {type: int, description: "Its size."}
                certificates:
                  description: Its certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) where it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name is that of a key made for tests."}
                    owner: {type: str, description: "GUID of who enrolled it."}
                hashes: {type: int, description: "How many SHA-256 hashes it holds."}
                others: {type: int, description: "How many entries of other types it holds."}
                reason: {type: str, description: "Why it cannot be read."}
            sbat_level: {type: str, description: "Date of the SBAT level."}
            source: {type: str, description: "Where it was read."}
        images:
          description: >-
            What the firmware started, and the unified kernel image. Whether their signatures hold was looked at by the
            firmware alone, and only with Secure Boot on.
          type: list
          elements: dict
          sample: [{"role": "firmware entry", "path": "/boot/efi/EFI/debian/shimx64.efi", "signed": true}]
          contains:
            role: {type: str, description: "V(firmware entry) or V(unified kernel image)."}
            path: {type: str, description: "The file, V(none) where its partition is not mounted."}
            partition: {type: str, description: "UUID of the partition that it lies on."}
            signed: {type: bool, description: "Whether it has a signature, V(none) where it cannot be read."}
            signers:
              description: The certificates in its signatures.
              type: list
              elements: dict
              contains:
                subject: {type: str, description: "Subject."}
                issuer: {type: str, description: "Issuer."}
            reason: {type: str, description: "Why it could not be read."}
        measured:
          description: Whether the event log of the firmware leads to the PCRs of the SHA-256 bank as they are.
          type: dict
          sample: {"log": true, "agree": [0, 1, 2, 3, 4, 5, 6, 7, 9], "differ": [11], "kernel": [4], "reason": null}
          contains:
            log: {type: bool, description: "Whether there is a log, V(none) where there is one that cannot be read."}
            agree: {type: list, elements: int, description: "PCRs that it leads to, V(none) where that is not known."}
            differ: {type: list, elements: int, description: "PCRs that are otherwise, V(none) where not known."}
            kernel: {type: list, elements: int, description: "PCRs into which the log has the kernel."}
            initrd: {type: list, elements: int, description: "The same of the initrd, or of the words that load none."}
            command_line: {type: list, elements: int, description: "The same of the kernel's command line."}
            reason: {type: str, description: "Why that cannot be told."}
            source: {type: str, description: "Where it was read."}
        dangers:
          description: The options of the command line that undo a protection or ask for a shell.
          type: list
          elements: dict
          sample: [{"option": "mitigations=off", "why": "leaves holes of the processor open"}]
          contains:
            option: {type: str, description: "The option."}
            why: {type: str, description: "What it does."}
        ima_appraises:
          description: Whether IMA refuses files that were changed, V(none) where its policy cannot be read.
          type: bool
          sample: false
        emmc:
          description: The boot partitions of eMMC chips.
          type: list
          elements: dict
          sample: [{"name": "mmcblk0boot0", "read_only": true, "force_ro": true, "locked_until_power_on": false}]
          contains:
            name: {type: str, description: "Name of the block device."}
            read_only: {type: bool, description: "Whether the block device is read-only."}
            force_ro: {type: bool, description: "Whether the kernel refuses to write, until root lets it."}
            locked_until_power_on: {type: bool, description: "Whether the chip refuses to write until power is cut."}
        flash:
          description: Raw flash (MTD).
          type: list
          elements: dict
          sample: [{"device": "mtd0", "name": "u-boot", "writable": false}]
          contains:
            device: {type: str, description: "Device."}
            name: {type: str, description: "Name of the partition."}
            writable: {type: bool, description: "Whether the kernel lets it be written."}
        partition_bits:
          description: What the partition table says of the partitions with boot files.
          type: list
          elements: dict
          sample: [{"partition": "vda1", "read_only": false}]
          contains:
            partition: {type: str, description: "The partition."}
            read_only:
              description: >-
                Whether it is marked as read-only (bit 60 of GPT attributes), V(none) where there is no GPT to be read.
              type: bool
        uboot_environment:
          description: Where C(/etc/fw_env.config) says that the variables of U-Boot are.
          type: list
          elements: dict
          sample: [{"device": "/dev/mmcblk0", "offset": "0x400000", "size": "0x4000"}]
          contains:
            device: {type: str, description: "Device."}
            offset: {type: str, description: "Offset on it, as the file has it."}
            size: {type: str, description: "Size, as the file has it."}
        console:
          description: What the console gives to whoever stands before the device.
          type: dict
          sample: {"container": false, "debug_shell_masked": true, "ctrl_alt_del_burst": "none", "panic_seconds": 30}
          contains:
            container: {type: bool, description: "Whether this is a container, whose console is that of its host."}
            editors:
              description: The menus of loaders that have an editor of the command line.
              type: list
              elements: dict
              contains:
                loader: {type: str, description: "V(systemd-boot) or V(grub)."}
                path: {type: str, description: "Its configuration."}
                open: {type: bool, description: "Whether anybody may edit, V(none) where it cannot be read."}
                restricted_entries:
                  description: Entries of a locked menu that ask for a password before they start.
                  type: list
                  elements: str
            shells:
              description: >-
                For C(emergency.service) and C(rescue.service), whether the unit gives a shell or asks for a password;
                V(none) where there is no such unit.
              type: dict
            debug_shell_masked:
              description: Whether C(debug-shell.service) cannot be started, V(none) where there is no such unit.
              type: bool
            ctrl_alt_del_burst: {type: str, description: "What many presses of Ctrl-Alt-Del do."}
            dracut: {type: bool, description: "Whether dracut is installed, which makes the initramfs."}
            panic_seconds: {type: int, description: "C(kernel.panic), seconds from a panic to the reboot."}
            panic_on_oops: {type: int, description: "C(kernel.panic_on_oops)."}
            source: {type: list, elements: str, description: "Where it was read."}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import BOOT, ROOT
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.boot import collect


def run(module: AnsibleModule) -> dict[str, Any]:
    return {"ansible_facts": {"edgesec_boot": collect(module.params["root"], module.params["boot_paths"])}}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "boot_paths": BOOT,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
