#!/usr/bin/python
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: storage_facts
short_description: Observe the volumes of a device
version_added: 1.0.0
description:
  - Reads the contents, the LUKS header, the mapping, the mount, and the lines in fstab and crypttab of each declared
    volume.
  - Lists other file systems that are written in plaintext, swap, and where temporary files, core dumps and the journal
    go.
  - Runs blkid and wipefs only on a declared device that is not open as a LUKS volume, and on a declared swap device
    that is not encrypted yet. Without a LUKS header it reads up to 16 MiB of such a device. Everything else is read
    from files.
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
- name: Observe the data partition
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
        - The volumes in the order in which they were declared, mounts that are written in plaintext, the swap in use,
          and the declared swap.
        - Which program reads each line of crypttab, and where temporary files, core dumps and systemd's journal go.
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
        schema: {type: int, description: "Version of these facts. Increases when a field changes meaning or goes away."}
        volumes:
          description: The volumes, in the order in which they were declared.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            device: {type: str, description: "Device as declared."}
            exists: {type: bool, description: "Whether the device exists."}
            realpath: {type: str, description: "The device with all links followed."}
            size_bytes: {type: int, description: "Size in bytes."}
            blank:
              description: Whether it has no signature, partition table, holder, mount or other use, no configuration
                names it, and its sampled contents are those of an erased device.
              type: bool
            signatures:
              description: Everything that blkid, wipefs and this collection recognise, except data behind LUKS.
              type: list
              elements: dict
              contains:
                type: {type: str, description: "Type, such as V(ext4)."}
                usage: {type: str, description: "Kind, such as V(filesystem)."}
                uuid: {type: str, description: "UUID."}
                label: {type: str, description: "Label."}
                offset: {type: int, description: "Offset in bytes."}
                offsets: {type: list, elements: int, description: "Offset of each of its magic strings."}
                live: {type: bool, description: "Whether its own tool accepts it. V(none): partly overwritten."}
            sample:
              description: A sample of its contents, V(none) if a LUKS header identifies it. Up to 16 MiB the sample is
                the whole device, of a larger device it is less than 8 MiB.
              type: dict
              contains:
                erased: {type: bool, description: "Whether each piece of the sample is all zeros or all ones."}
                start_erased: {type: bool, description: "Whether the first MiB is all zeros or all ones."}
                digest: {type: str, description: "Digest of the sample. A consent may give it if not erased."}
            named_by: {type: list, elements: str, description: "Lines and files of the configuration that name it."}
            parts_elsewhere:
              description: The part of its file system that is on another device, V(none) if there is none.
              type: str
            partition_table: {type: bool, description: "Whether it has a partition table."}
            partition_table_uuid: {type: str, description: "UUID of the partition table."}
            partitions_in_use: {type: list, elements: str, description: "Uses of its partitions."}
            holders: {type: list, elements: str, description: "Block devices on top of it."}
            mounted_at: {type: list, elements: str, description: "Its mount points."}
            in_use_as: {type: list, elements: str, description: "Other uses, such as V(swap) or V(loop)."}
            interrupted: {type: bool, description: "Whether encryption in place was interrupted before data changed."}
            luks:
              description: The LUKS header, V(none) if there is none.
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
                    area_key_size: {type: int, description: "Size of the keyslot's own key in bytes."}
                    priority: {type: int, description: "V(0) ignore, V(1) normal, V(2) prefer."}
                tokens:
                  description: The tokens.
                  type: list
                  elements: dict
                  contains:
                    id: {type: str, description: "Number."}
                    type: {type: str, description: "Type."}
                    maker: {type: str, description: "Program that made it, if the type shows that."}
                    keyslots: {type: list, elements: str, description: "Keyslots that the token opens."}
                    pin: {type: bool, description: "Whether it needs a PIN."}
                requirements:
                  description: Features that a program needs to open it, such as a running re-encryption.
                  type: list
                  elements: str
                flags: {type: list, elements: str, description: "Flags in the header."}
                json_bytes: {type: int, description: "Size of the metadata area in bytes."}
                data_offset: {type: int, description: "Offset of the data in bytes. V(0) in a detached header."}
            key_file:
              description: The key file on a token that opens the volume, V(none) if the header names none.
              type: dict
              contains:
                enrolled: {type: bool, description: "Whether keyslot and enrolment match."}
                reason: {type: str, description: "Reason why they do not match."}
                keyslot: {type: str, description: "The keyslot of the key file."}
                file_system: {type: str, description: "UUID of the token's file system."}
                path: {type: str, description: "Path of the file on the token."}
                unlock_unit_enabled: {type: bool, description: "Whether the unlock unit is enabled."}
                last_unlock:
                  description: Result of the last attempt in this boot, V(none) if there was none.
                  type: dict
                  contains:
                    reason: {type: str, description: "Outcome in one word, V(ok) if it was opened."}
                    at: {type: int, description: "Time in seconds since 1970."}
                    approval: {type: str, description: "Id of the approval."}
            mapping:
              description: The open mapping, V(none) if the volume is closed.
              type: dict
              contains:
                path: {type: str, description: "Path."}
                uuid: {type: str, description: "UUID of the mapping."}
            mount:
              description: The mount at the declared mount point, V(none) if nothing is mounted.
              type: dict
              contains:
                path: {type: str, description: "The mount point."}
                source: {type: str, description: "Mounted source."}
                fstype: {type: str, description: "Type of the file system."}
                options: {type: list, elements: str, description: "Options of the mount and of the file system."}
            fstab:
              description: The line of fstab for the mount point, V(none) if there is none.
              type: dict
              contains:
                source: {type: str, description: "Source to mount."}
                options: {type: list, elements: str, description: "Options."}
                line: {type: int, description: "Number of the line."}
            crypttab:
              description: Lines of crypttab that open the device or use the name of its mapping.
              type: list
              elements: dict
              contains:
                line: {type: int, description: "Number."}
                target: {type: str, description: "Name of the mapping."}
                source: {type: str, description: "Device."}
                options: {type: list, elements: str, description: "Options."}
                opens_it: {type: bool, description: "Whether it opens this device."}
                early: {type: bool, description: "Whether the initramfs reads it."}
            reason: {type: str, description: "Reason why something could not be determined."}
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
                Program that reads the line at boot, C(systemd-cryptsetup-generator),
                C(cryptsetup-initramfs) or C(dracut), or V(none) if there is none. Lines that
                cryptsetup-initramfs reads only to resume from hibernation are not told apart.
              type: str
            ignored_options:
              description: The options that this program ignores, V(none) if that is unknown.
              type: list
              elements: str
        plain_writable_mounts:
          description: File systems that are written to, and are not known to be on dm-crypt.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The mount point."}
            source: {type: str, description: "Mounted source."}
            fstype: {type: str, description: "Type of the file system."}
            encrypted: {type: bool, description: "V(false), or V(none) if its device could not be found."}
        swap:
          description: The swap in use, except in compressed memory.
          type: list
          elements: dict
          contains:
            device: {type: str, description: "Device or file."}
            encrypted: {type: bool, description: "Whether it is on dm-crypt."}
        declared_swap:
          description: The declared swap.
          type: list
          elements: dict
          contains:
            name: {type: str, description: "Name."}
            device: {type: str, description: "Device as declared."}
            mapped: {type: bool, description: "Whether it is mapped with a random key."}
            active: {type: bool, description: "Whether it is used as swap."}
            at_boot: {type: bool, description: "Whether the next boot will use it as swap."}
            contents: {type: dict, description: "Contents of the device, as for a volume. V(none) if it is mapped."}
            wiping: {type: bool, description: "Whether a power cut interrupted the overwriting of its plain swap."}
            fstab: {type: list, elements: int, description: "Lines of fstab that swap to the bare device."}
            resume: {type: str, description: "What resumes from it after hibernation, V(none) if nothing does."}
            source: {type: list, elements: str, description: "Where it was read."}
        temporary:
          description: Where temporary files go.
          type: list
          elements: dict
          contains:
            path: {type: str, description: "The directory."}
            memory: {type: bool, description: "Whether it is in memory."}
            encrypted: {type: bool, description: "Whether it is on dm-crypt."}
            writable: {type: bool, description: "Whether it is written to."}
            reason: {type: str, description: "Reason why a value could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        core_dumps:
          description: Where core dumps go.
          type: dict
          contains:
            pattern: {type: str, description: "C(kernel.core_pattern)."}
            "off": {type: bool, description: "Whether no core dumps are written."}
            memory: {type: bool, description: "Whether they are kept in memory."}
            encrypted: {type: bool, description: "Whether they go to dm-crypt."}
            writable: {type: bool, description: "Whether they can be written."}
            collector: {type: bool, description: "Whether systemd-coredump is installed."}
            container: {type: bool, description: "Whether this is a container, and the pattern is its host's."}
            reason: {type: str, description: "Reason why something could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        journal:
          description: Where the journal of systemd goes.
          type: dict
          contains:
            path: {type: str, description: "The directory."}
            memory: {type: bool, description: "Whether it is in memory."}
            encrypted: {type: bool, description: "Whether it is on dm-crypt."}
            writable: {type: bool, description: "Whether it is written to."}
            present: {type: bool, description: "Whether there is a journal."}
            "off": {type: bool, description: "Whether it is switched off."}
            left_over: {type: bool, description: "Whether older files are in plaintext on the disk."}
            reason: {type: str, description: "Reason why something could not be determined."}
            source: {type: list, elements: str, description: "Where it was read."}
        source: {type: list, elements: str, description: "Where it was read."}
"""

from typing import Any

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
