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
  - Reads the boot mounts and their lines in fstab, the programs that may make them writable or do so now, the loader,
    the firmware and its trusted keys, whether the boot was measured, what can write to boot files, how the root file
    system is verified, and what the console allows a person at the device to do.
  - Runs no program, and reads only the headers of images.
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
- name: Observe how the device boots
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
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        mounts:
          description: The boot file systems that are mounted or in fstab.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The mount point."}
            runtime:
              description: The mount, V(none) if it is not mounted.
              type: dict
              contains:
                source: {type: str, description: "Mounted source."}
                fstype: {type: str, description: "Type of the file system."}
                options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            fstab:
              description: The line in fstab, V(none) if there is none.
              type: dict
              contains:
                source: {type: str, description: "Source to mount."}
                options: {type: list, elements: str, description: "Options."}
                line: {type: int, description: "Number of the line."}
        separate: {type: bool, description: "Whether boot files are on a separate file system."}
        firmware: {type: str, description: "V(uefi), V(devicetree) or V(bios)."}
        secure_boot: {type: bool, description: "Whether Secure Boot is on."}
        setup_mode: {type: bool, description: "Whether anybody may enrol keys of Secure Boot."}
        uki: {type: bool, description: "Whether the running kernel came from a unified kernel image."}
        stub: {type: str, description: "The stub of the unified kernel image."}
        cmdline: {type: str, description: "Command line of the kernel."}
        event_log: {type: bool, description: "Whether there is an event log of the measurements."}
        root:
          description: The root file system.
          type: dict
          contains:
            source: {type: str, description: "Mounted source."}
            fstype: {type: str, description: "Type of the file system."}
            options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            verified: {type: str, description: "C(dm-verity), or C(none) if it is not verified."}
        lockdown: {type: str, description: "The kernel's lockdown, C(none), C(integrity) or C(confidentiality)."}
        windows:
          description: How tools make the boot file systems writable while they run, and which do so now.
          type: dict
          contains:
            paths: {type: list, elements: str, description: "The mount points that may be made writable."}
            program: {type: bool, description: "Whether the program that opens a boot window is installed."}
            hooks:
              description: The hooks that the tools of this device need.
              type: list
              elements: dict
              contains:
                tool: {type: str, description: "The tool."}
                path: {type: str, description: "Path of the hook."}
                installed: {type: bool, description: "Whether this version's hook is installed."}
                lacks: {type: str, description: "A missing package that the hook needs."}
            open: {type: bool, description: "Whether a window is open, V(none) if that is unknown."}
            holders: {type: list, elements: str, description: "Processes and reasons that hold the window open."}
            refused: {type: list, elements: str, description: "Reasons why file systems without a holder are writable."}
            source: {type: list, elements: str, description: "Where it was read."}
        source: {type: list, elements: str, description: "Where it was read."}
        layout:
          description: The loaders, in the order in which they would start each other.
          type: list
          elements: dict
          sample: [{"kind": "grub", "path": "/boot/grub/grub.cfg", "on_root": true}]
          contains:
            kind:
              description: >-
                V(uki), V(systemd-boot), V(grub), V(raspberry-pi), V(extlinux) or V(u-boot).
              type: str
            path: {type: str, description: "The file that shows it, V(none) if only firmware or loader report it."}
            on_root: {type: bool, description: "Whether that file is on the file system of C(/)."}
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
                What identifies it: V(mount table), V(fstab), V(partition type), V(contents), or V(firmware), which
                names the partition that it booted from.
              type: list
              elements: str
            source: {type: str, description: "Mounted source, V(none) if nothing is mounted."}
        firmware_keys:
          description: The keys of Secure Boot, V(none) if the firmware shows no variables.
          type: dict
          sample: {"audit_mode": false, "deployed_mode": true}
          contains:
            PK:
              description: The platform key.
              type: dict
              contains:
                present: {type: bool, description: "Whether the list has entries, V(none) if it cannot be read."}
                bytes: {type: int, description: "Size in bytes."}
                certificates:
                  description: The certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) if it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name marks a test key."}
                    owner: {type: str, description: "GUID of the owner that enrolled the certificate."}
                hashes: {type: int, description: "Number of SHA-256 hashes."}
                others: {type: int, description: "Number of entries of other types."}
                reason: {type: str, description: "Reason why it cannot be read."}
            KEK:
              description: Key exchange keys, which may change C(db) and C(dbx).
              type: dict
              contains:
                present: {type: bool, description: "Whether the list has entries, V(none) if it cannot be read."}
                bytes: {type: int, description: "Size in bytes."}
                certificates:
                  description: The certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) if it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name marks a test key."}
                    owner: {type: str, description: "GUID of the owner that enrolled the certificate."}
                hashes: {type: int, description: "Number of SHA-256 hashes."}
                others: {type: int, description: "Number of entries of other types."}
                reason: {type: str, description: "Reason why it cannot be read."}
            db:
              description: Certificates and hashes of images that may be started.
              type: dict
              contains:
                present: {type: bool, description: "Whether the list has entries, V(none) if it cannot be read."}
                bytes: {type: int, description: "Size in bytes."}
                certificates:
                  description: The certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) if it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name marks a test key."}
                    owner: {type: str, description: "GUID of the owner that enrolled the certificate."}
                hashes: {type: int, description: "Number of SHA-256 hashes."}
                others: {type: int, description: "Number of entries of other types."}
                reason: {type: str, description: "Reason why it cannot be read."}
            dbx:
              description: Certificates and hashes of images that may not be started.
              type: dict
              contains:
                present: {type: bool, description: "Whether the list has entries, V(none) if it cannot be read."}
                bytes: {type: int, description: "Size in bytes."}
                certificates:
                  description: The certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) if it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name marks a test key."}
                    owner: {type: str, description: "GUID of the owner that enrolled the certificate."}
                hashes: {type: int, description: "Number of SHA-256 hashes."}
                others: {type: int, description: "Number of entries of other types."}
                reason: {type: str, description: "Reason why it cannot be read."}
            audit_mode: {type: bool, description: "Whether images are started whatever their signatures."}
            deployed_mode: {type: bool, description: "Whether Secure Boot is in its most restricted mode."}
            source: {type: str, description: "Where it was read."}
        shim:
          description: The state that shim reports, V(none) if the firmware shows no variables.
          type: dict
          sample: {"present": true, "validation_disabled": false, "sbat_level": "2023012900"}
          contains:
            present: {type: bool, description: "Whether shim ran."}
            validation_disabled: {type: bool, description: "Whether it starts images whatever their signatures."}
            machine_owner_keys:
              description: Further keys and hashes that shim accepts, V(none) if shim did not run.
              type: dict
              contains:
                present: {type: bool, description: "Whether the list has entries, V(none) if it cannot be read."}
                bytes: {type: int, description: "Size in bytes."}
                certificates:
                  description: The certificates.
                  type: list
                  elements: dict
                  contains:
                    subject: {type: str, description: "Subject, V(none) if it cannot be read."}
                    sha256: {type: str, description: "SHA-256 of the certificate."}
                    test_key: {type: bool, description: "Whether its name marks a test key."}
                    owner: {type: str, description: "GUID of the owner that enrolled the certificate."}
                hashes: {type: int, description: "Number of SHA-256 hashes."}
                others: {type: int, description: "Number of entries of other types."}
                reason: {type: str, description: "Reason why it cannot be read."}
            sbat_level: {type: str, description: "Date of the SBAT level."}
            source: {type: str, description: "Where it was read."}
        images:
          description: >-
            The image that the firmware started, and the unified kernel image. Only the firmware verified their
            signatures, and only with Secure Boot on.
          type: list
          elements: dict
          sample: [{"role": "firmware entry", "path": "/boot/efi/EFI/debian/shimx64.efi", "signed": true}]
          contains:
            role: {type: str, description: "V(firmware entry) or V(unified kernel image)."}
            path: {type: str, description: "The file, V(none) if its partition is not mounted."}
            partition: {type: str, description: "UUID of its partition."}
            signed: {type: bool, description: "Whether it has a signature, V(none) if it cannot be read."}
            signers:
              description: The certificates in its signatures.
              type: list
              elements: dict
              contains:
                subject: {type: str, description: "Subject."}
                issuer: {type: str, description: "Issuer."}
            reason: {type: str, description: "Reason why it could not be read."}
        measured:
          description: Whether a replay of the firmware's event log produces the present PCRs of the SHA-256 bank.
          type: dict
          sample: {"log": true, "agree": [0, 1, 2, 3, 4, 5, 6, 7, 9], "differ": [11], "kernel": [4], "reason": null}
          contains:
            log: {type: bool, description: "Whether there is a log, V(none) if it exists but cannot be read."}
            agree: {type: list, elements: int, description: "PCRs that the replay produces, V(none) if unknown."}
            differ: {type: list, elements: int, description: "PCRs with another value, V(none) if unknown."}
            kernel: {type: list, elements: int, description: "PCRs into which the log measures the kernel."}
            initrd: {type: list, elements: int, description: "PCRs of the initrd, or of the command that loads it."}
            command_line: {type: list, elements: int, description: "PCRs of the kernel's command line."}
            reason: {type: str, description: "Reason why this is unknown."}
            source: {type: str, description: "Where it was read."}
        dangers:
          description: Options on the command line that disable a protection or ask for a shell.
          type: list
          elements: dict
          sample: [{"option": "mitigations=off", "why": "leaves holes of the processor open"}]
          contains:
            option: {type: str, description: "The option."}
            why: {type: str, description: "Its effect."}
        ima_appraises:
          description: Whether IMA refuses changed files, V(none) if its policy cannot be read.
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
            force_ro: {type: bool, description: "Whether the kernel refuses to write until root allows it."}
            locked_until_power_on: {type: bool, description: "Whether the chip refuses to write until power is cut."}
        flash:
          description: Raw flash (MTD).
          type: list
          elements: dict
          sample: [{"device": "mtd0", "name": "u-boot", "writable": false}]
          contains:
            device: {type: str, description: "Device."}
            name: {type: str, description: "Name of the partition."}
            writable: {type: bool, description: "Whether the kernel allows writes."}
        partition_bits:
          description: The read-only bits of the partitions with boot files, from the partition table.
          type: list
          elements: dict
          sample: [{"partition": "vda1", "read_only": false}]
          contains:
            partition: {type: str, description: "The partition."}
            read_only:
              description: >-
                Whether it is marked as read-only (bit 60 of GPT attributes), V(none) if there is no readable GPT.
              type: bool
        uboot_environment:
          description: Where U-Boot's variables are, according to C(/etc/fw_env.config).
          type: list
          elements: dict
          sample: [{"device": "/dev/mmcblk0", "offset": "0x400000", "size": "0x4000"}]
          contains:
            device: {type: str, description: "Device."}
            offset: {type: str, description: "Offset on the device, as written in the file."}
            size: {type: str, description: "Size, as written in the file."}
        console:
          description: What the console allows a person at the device to do.
          type: dict
          sample: {"container": false, "debug_shell_masked": true, "ctrl_alt_del_burst": "none", "panic_seconds": 30}
          contains:
            container: {type: bool, description: "Whether this is a container, whose console is that of its host."}
            editors:
              description: Loader menus in which the command line can be edited.
              type: list
              elements: dict
              contains:
                loader: {type: str, description: "V(systemd-boot) or V(grub)."}
                path: {type: str, description: "Path of the configuration."}
                open: {type: bool, description: "Whether everybody may edit, V(none) if it cannot be read."}
                restricted_entries:
                  description: Entries of a locked menu that ask for a password before they start.
                  type: list
                  elements: str
            shells:
              description: >-
                For C(emergency.service) and C(rescue.service), whether the unit gives a shell or asks for a password.
                V(none) if there is no such unit.
              type: dict
            debug_shell_masked:
              description: Whether C(debug-shell.service) cannot be started, V(none) if there is no such unit.
              type: bool
            ctrl_alt_del_burst: {type: str, description: "Effect of repeated Ctrl-Alt-Del."}
            dracut: {type: bool, description: "Whether dracut, which makes the initramfs, is installed."}
            panic_seconds: {type: int, description: "C(kernel.panic), seconds from a panic to the reboot."}
            panic_on_oops: {type: int, description: "C(kernel.panic_on_oops)."}
            source: {type: list, elements: str, description: "Where it was read."}
"""

from typing import Any

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
