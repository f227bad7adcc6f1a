#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

DOCUMENTATION = r"""
module: storage_facts
short_description: Observe the volumes of a device
version_added: 1.0.0
description:
  - Reads, of each declared volume, what is written on its device, its LUKS header, mapping, mount, and its
    lines in fstab and crypttab.
  - Lists what else is written to in clear, swap, and where temporary files, core dumps and the journal go.
  - Only a declared device that is not open as a LUKS volume, or a declared swap device that is not encrypted yet, is
    shown to blkid and wipefs, and where no LUKS header says what it is, up to 16 MiB of it are read; everything else is
    read from files.
author:
  - "The edgesec.hardening contributors (@edgesec)"
extends_documentation_fragment:
  - edgesec.hardening.attributes
  - edgesec.hardening.attributes.facts_module
  - edgesec.hardening.observed.root
  - edgesec.hardening.observed.volumes
  - edgesec.hardening.observed.swap
seealso:
  - module: edgesec.hardening.compliance_facts
"""

EXAMPLES = r"""
- name: See what is on the data partition
  edgesec.hardening.storage_facts:
    volumes:
      - name: data
        device: /dev/disk/by-partlabel/data
        mount: /data
"""

RETURN = r"""
ansible_facts:
  description: What was observed. A value that could not be determined is V(none).
  returned: success
  type: dict
  contains:
    edgesec_storage:
      description:
        - The volumes in the order in which they were declared, mounts that are written to in clear, the swap that is in
          use, and that which is declared.
        - What reads each line of crypttab, and where temporary files, core dumps and the journal of systemd go.
      returned: success
      type: dict
      sample:
        volumes: [{"name": "data", "exists": true, "blank": true, "luks": null}]
        crypttab: [{"line": 1, "target": "data", "reader": "systemd-cryptsetup-generator", "ignored_options": []}]
        plain_writable_mounts: []
        swap: []
        declared_swap: [{"name": "swap", "mapped": true, "active": true, "at_boot": true}]
        temporary: [{"path": "/tmp", "memory": true, "encrypted": null, "writable": true, "reason": null}]
        core_dumps: {"pattern": "|/bin/false", "off": true}
        journal: {"path": "/var/log/journal", "memory": false, "encrypted": true, "writable": true, "off": false}
      contains:
        schema: {type: int, description: "Version of these facts. It grows when a field changes its meaning or goes."}
        volumes:
          description: The volumes, in the order in which they were declared.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            device: {type: str, description: "Device as it was declared."}
            exists: {type: bool, description: "Whether it is there."}
            realpath: {type: str, description: "The device with all links followed."}
            size_bytes: {type: int, description: "Size in bytes."}
            blank:
              description: Whether it has no signature, partition table, holder, mount or other use, nothing names it,
                and its sampled contents are those of an erased device.
              type: bool
            signatures:
              description: All that blkid, wipefs and this collection know on it. What lies behind LUKS is not shown.
              type: list
              elements: dict
              contains:
                type: {type: str, description: "Type, such as V(ext4)."}
                usage: {type: str, description: "Kind, such as V(filesystem)."}
                uuid: {type: str, description: "UUID."}
                label: {type: str, description: "Label."}
                offset: {type: int, description: "Where it stands, in bytes."}
                offsets: {type: list, elements: int, description: "Where each of its magic strings stands."}
                live: {type: bool, description: "Whether its own tool takes it. V(none): partly overwritten."}
            sample:
              description: What was sampled of its contents, V(none) where a LUKS header says what it is. Up to 16 MiB
                that is all, of a larger device less than 8 MiB.
              type: dict
              contains:
                erased: {type: bool, description: "Whether each piece of it is all zeros or all ones."}
                start_erased: {type: bool, description: "The same of the first MiB."}
                digest: {type: str, description: "Names the sampled contents. If not erased, a consent may give it."}
            named_by: {type: list, elements: str, description: "Lines and files of the configuration that name it."}
            parts_elsewhere:
              description: Which part of its file system lies on another device, V(none) where nothing does.
              type: str
            partition_table: {type: bool, description: "Whether it has a partition table."}
            partition_table_uuid: {type: str, description: "UUID of that table."}
            partitions_in_use: {type: list, elements: str, description: "What its partitions are used for."}
            holders: {type: list, elements: str, description: "Block devices that lie on it."}
            mounted_at: {type: list, elements: str, description: "Where it is mounted."}
            in_use_as: {type: list, elements: str, description: "Other uses, such as V(swap) or V(loop)."}
            interrupted: {type: bool, description: "Whether its encryption in place was interrupted before it began."}
            luks:
              description: Its LUKS header, V(none) where there is none.
              type: dict
              contains:
                version: {type: int, description: "Version."}
                uuid: {type: str, description: "UUID."}
                label: {type: str, description: "Label."}
                subsystem: {type: str, description: "Subsystem."}
                cipher: {type: str, description: "Cipher of the data."}
                sector_size: {type: int, description: "Size of a sector in bytes."}
                keyslots:
                  description: The keyslots.
                  type: list
                  elements: dict
                  contains:
                    id: {type: str, description: "Number."}
                    kdf: {type: str, description: "Key derivation."}
                    iterations: {type: int, description: "Iterations of pbkdf2."}
                    time: {type: int, description: "Passes of argon2."}
                    memory_kib: {type: int, description: "Memory of argon2 in KiB."}
                    cpus: {type: int, description: "Threads of argon2."}
                    key_size: {type: int, description: "Size of the volume key in bytes."}
                    area_cipher: {type: str, description: "Cipher of the keyslot."}
                    area_key_size: {type: int, description: "Size of its key in bytes."}
                    priority: {type: int, description: "V(0) ignore, V(1) normal, V(2) prefer."}
                tokens:
                  description: The tokens.
                  type: list
                  elements: dict
                  contains:
                    id: {type: str, description: "Number."}
                    type: {type: str, description: "Type."}
                    maker: {type: str, description: "Whose it is, where its type tells."}
                    keyslots: {type: list, elements: str, description: "The keyslots that it opens."}
                    pin: {type: bool, description: "Whether it asks for a PIN."}
                requirements:
                  description: What a program has to know to open it, such as a re-encryption under way.
                  type: list
                  elements: str
                flags: {type: list, elements: str, description: "Flags that are kept in the header."}
                json_bytes: {type: int, description: "Size of the area of metadata in bytes."}
                data_offset: {type: int, description: "Where the data begins, in bytes. V(0) in a detached header."}
            key_file:
              description: The key file on a token that opens it, V(none) where its header names none.
              type: dict
              contains:
                enrolled: {type: bool, description: "Whether keyslot and enrolment fit."}
                reason: {type: str, description: "Why not."}
                keyslot: {type: str, description: "Its keyslot."}
                file_system: {type: str, description: "UUID of the token's file system."}
                path: {type: str, description: "Path of the file there."}
                unlock_unit_enabled: {type: bool, description: "Whether its unit is enabled."}
                last_unlock:
                  description: How the last attempt of this boot ended, V(none) where there was none.
                  type: dict
                  contains:
                    reason: {type: str, description: "One word, V(ok) where it was opened."}
                    at: {type: int, description: "When, in seconds since 1970."}
                    approval: {type: str, description: "Id of the approval."}
            mapping:
              description: Its open mapping, V(none) where it is closed.
              type: dict
              contains:
                path: {type: str, description: "Path."}
                uuid: {type: str, description: "UUID of the mapping."}
            mount:
              description: What is mounted at the declared mount point, V(none) where nothing is.
              type: dict
              contains:
                path: {type: str, description: "The mount point."}
                source: {type: str, description: "What is mounted."}
                fstype: {type: str, description: "Type of the file system."}
                options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            fstab:
              description: The line of fstab for the mount point, V(none) where there is none.
              type: dict
              contains:
                source: {type: str, description: "What is to be mounted."}
                options: {type: list, elements: str, description: "Options."}
                line: {type: int, description: "Number of the line."}
            crypttab:
              description: Lines of crypttab that open the device or take its name.
              type: list
              elements: dict
              contains:
                line: {type: int, description: "Number."}
                target: {type: str, description: "Name of the mapping."}
                source: {type: str, description: "Device."}
                options: {type: list, elements: str, description: "Options."}
                opens_it: {type: bool, description: "Whether it opens this device."}
                early: {type: bool, description: "Whether the initramfs reads it."}
            reason: {type: str, description: "Why something could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        crypttab:
          description: Each line of crypttab.
          type: list
          elements: dict
          contains:
            line: {type: int, description: "Number."}
            target: {type: str, description: "Name of the mapping."}
            source: {type: str, description: "Device."}
            options: {type: list, elements: str, description: "Options."}
            reader:
              description: >-
                What reads it at boot, C(systemd-cryptsetup-generator), C(cryptsetup-initramfs) or
                C(dracut), or V(none) for nobody. What cryptsetup-initramfs reads for resuming from
                hibernation is not told apart.
              type: str
            ignored_options:
              description: The options that this one drops, V(none) where that is not known.
              type: list
              elements: str
        plain_writable_mounts:
          description: File systems that are written to, and are not known to lie on dm-crypt.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The mount point."}
            source: {type: str, description: "What is mounted."}
            fstype: {type: str, description: "Type of the file system."}
            encrypted: {type: bool, description: "V(false), or V(none) where it could not be followed to a device."}
        swap:
          description: The swap that is in use, but that in compressed memory.
          type: list
          elements: dict
          contains:
            device: {type: str, description: "Device or file."}
            encrypted: {type: bool, description: "Whether it lies on dm-crypt."}
        declared_swap:
          description: The swap that is declared.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            device: {type: str, description: "Device as it was declared."}
            mapped: {type: bool, description: "Whether it is mapped with a random key."}
            active: {type: bool, description: "Whether it is swapped to."}
            at_boot: {type: bool, description: "Whether it will be at the next boot."}
            contents: {type: dict, description: "What is on the device, as of a volume. V(none) where it is mapped."}
            wiping: {type: bool, description: "Whether the power was cut while its plain swap was overwritten."}
            fstab: {type: list, elements: int, description: "Lines of fstab that swap to the bare device."}
            resume: {type: str, description: "What resumes from it after hibernation, V(none) for nothing."}
            source: {type: list, elements: str, description: "Where it was read."}
        temporary:
          description: Where temporary files go.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The directory."}
            memory: {type: bool, description: "Whether it is in memory."}
            encrypted: {type: bool, description: "Whether it lies on dm-crypt."}
            writable: {type: bool, description: "Whether it is written to."}
            reason: {type: str, description: "Why one of them could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        core_dumps:
          description: Where core dumps go.
          type: dict
          contains:
            pattern: {type: str, description: "C(kernel.core_pattern)."}
            "off": {type: bool, description: "Whether there are none."}
            memory: {type: bool, description: "Whether they are kept in memory."}
            encrypted: {type: bool, description: "Whether they go to dm-crypt."}
            writable: {type: bool, description: "Whether they can be written."}
            collector: {type: bool, description: "Whether systemd-coredump is installed."}
            container: {type: bool, description: "Whether the pattern is that of a container's host."}
            reason: {type: str, description: "Why something could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        journal:
          description: Where the journal of systemd goes.
          type: dict
          contains:
            path: {type: str, description: "The directory."}
            memory: {type: bool, description: "Whether it is in memory."}
            encrypted: {type: bool, description: "Whether it lies on dm-crypt."}
            writable: {type: bool, description: "Whether it is written to."}
            present: {type: bool, description: "Whether there is one."}
            "off": {type: bool, description: "Whether it is switched off."}
            left_over: {type: bool, description: "Whether older files are in clear on the disk."}
            reason: {type: str, description: "Why something could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        source: {type: list, elements: str, description: "Where it was read."}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.arguments import (
    ROOT,
    SWAP,
    VOLUMES,
    swaps_of,
    volumes_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.run import run_module
from ansible_collections.edgesec.hardening.plugins.module_utils._facts.storage import collect


def run(module: AnsibleModule) -> dict[str, Any]:
    return {
        "ansible_facts": {
            "edgesec_storage": collect(
                module.params["root"], volumes_of(module.params["volumes"]), swaps_of(module.params["swap"])
            )
        }
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": ROOT,
            "volumes": VOLUMES,
            "swap": SWAP,
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
