# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What the facts modules are told of the device. Private to the collection."""

    ROOT = r"""
options:
  root:
    description:
      - Directory that is taken for the root of the device, so that a captured tree can be looked at.
    type: path
    default: /
"""

    VOLUMES = r"""
options:
  volumes:
    description:
      - The volumes that are, or are to be, encrypted.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the volume, and of its device-mapper device.
        type: str
        required: true
      device:
        description: Path of the block device or file that holds it.
        type: path
        required: true
      mount:
        description: Directory that it is mounted on. Without one, the volume is opened and left at that.
        type: path
      mount_options:
        description: Mount options that it is to have. It is not looked at.
        type: list
        elements: str
      on_existing_data:
        description: What may be done when the device holds something, as in M(edgesec.hardening.luks_volume).
        type: str
        choices: [refuse, encrypt_in_place, adopt, erase]
        default: refuse
      consent:
        description: UUID or label of what is on the device.
        type: str
        default: ""
      services:
        description: Units that may be stopped while the device is not mounted.
        type: list
        elements: str
        default: []
      adopt_key_file:
        description: File on the controller with a key that opens a volume which is to be adopted. It is not looked at.
        type: str
      retire_keyslots:
        description: Keyslots of others that nobody needs any more, by their numbers.
        type: list
        elements: str
        default: []
"""

    SWAP = r"""
options:
  swap:
    description:
      - The swap devices that are, or are to be, encrypted with a random key.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of its device-mapper device.
        type: str
        required: true
      device:
        description: Path of the block device.
        type: path
        required: true
"""

    CREDENTIAL_FILES = r"""
options:
  credential_files:
    description:
      - The files that hold credentials. Their contents are never read.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path, or shell pattern of such paths. Where several match a file, the last one holds.
        type: str
        required: true
      owner:
        description: Name or number of the user that the file is to belong to.
        type: str
        default: root
      group:
        description: Name or number of the group that the file is to belong to.
        type: str
        default: root
      mode:
        description: Permissions that the file is to have, as a quoted string of a zero and three octal digits.
        type: raw
        default: "0600"
      required:
        description: Whether the device is at fault when there is no such file.
        type: bool
        default: false
"""

    DISCOVER = r"""
options:
  discover:
    description:
      - Search for private keys, passwords and tokens that nobody declared. That takes time, and is done on request.
      - The kernel's own file systems (C(proc), C(sysfs) and the like) are never entered, and files with the names of
        programs, pictures, archives and packages never opened.
      - A text is read to its end, in UTF-16 as well. What is encoded in it (base64, escapes of JSON, entities of XML)
        is decoded, as often as formats in use need it. Of another binary file only the beginning tells what it is, so
        keys inside of programs, archives and images of disks are not found.
    type: dict
    suboptions:
      paths:
        description: Absolute paths of the directories to search.
        type: list
        elements: str
        default: [/]
      exclude:
        description: Shell patterns of absolute paths to leave out, with all that is below them. V(*) matches V(/), too.
        type: list
        elements: str
        default: []
      exclude_file_systems:
        description: Types of file systems that are not entered.
        type: list
        elements: str
        default: [9p, ceph, cifs, fuse.sshfs, glusterfs, nfs, nfs4, smb3]
      cross_file_systems:
        description: Whether file systems that are mounted below the paths are entered. Those left out are listed.
        type: bool
        default: false
      thorough:
        description:
          - Whether sources of programs and documents are opened, too. They are most of the text on a device, and seldom
            a place of secrets.
        type: bool
        default: false
      max_seconds:
        description: After so many seconds the search stops, with a cursor.
        type: int
        default: 60
      max_files:
        description: After so many files the search stops, with a cursor.
        type: int
        default: 1000000
      max_size:
        description:
          - Files with more bytes are not searched. They are counted, and the search is not complete.
          - Large files are read in pieces, so that this costs time and not memory.
        type: int
        default: 268435456
      cursor:
        description: Where to go on, as an earlier search of the same paths returned it.
        type: str
"""

    SEALED = r"""
options:
  sealed:
    description:
      - Secrets of services that are, or are to be, sealed to the TPM, as for M(edgesec.hardening.systemd_credential).
    type: list
    elements: dict
    default: []
    suboptions:
      unit:
        description: The service, with C(.service) at its end.
        type: str
        required: true
      name:
        description: Name of the credential.
        type: str
        required: true
      source:
        description: The plaintext file.
        type: str
        required: true
      link:
        description: Whether a symbolic link to the credential takes the place of the file.
        type: bool
        default: false
      environment:
        description: Variable of the service that is set to the path of the credential. Empty for none.
        type: str
        default: ""
      proof:
        description: Program and arguments that end with 0 when the service works.
        type: list
        elements: str
        default: []
      with_key:
        description: Whether the key of the TPM alone encrypts it, or together with a key on the disk.
        type: str
        choices: [tpm2, host+tpm2]
        default: tpm2
      pcrs:
        description: PCRs that must have the values of now. With none, it is bound to the TPM alone.
        type: list
        elements: int
        default: []
"""

    IDENTITY = r"""
options:
  identity:
    description:
      - Where the key and the certificate of the device are, as in M(edgesec.hardening.identity_certificate).
    type: dict
    default: {}
    suboptions:
      library:
        description: Absolute path of the PKCS#11 library. Empty where the device is to have no identity.
        type: str
        default: ""
      environment:
        description: Variables that the library reads.
        type: dict
        default: {}
      token:
        description: Label of the token.
        type: str
        default: edgesec
      key:
        description: Label of the key pair.
        type: str
        default: device
      certificate:
        description: Path of the certificate.
        type: path
        default: /etc/edgesec/identity/device.pem
      pin_file:
        description: Path of the PIN, for O(identity.probe).
        type: str
        default: /etc/edgesec/identity/pin
      probe:
        description:
          - Whether to log in to the token, read the attributes of the key, and have it sign. A wrong PIN is tried once
            each time.
        type: bool
        default: false
      greengrass_root:
        description: The root of AWS IoT Greengrass, where it is the classic nucleus.
        type: path
        default: /greengrass/v2
"""

    BOOT_PATHS = r"""
options:
  boot_paths:
    description:
      - Where boot file systems may be mounted. The places of the default are looked at in any case.
    type: list
    elements: path
    default:
      - /boot
      - /boot/efi
      - /efi
      - /boot/firmware
"""

    TCTI = r"""
options:
  tcti:
    description:
      - How tpm2-tools reach the TPM, as E(TPM2TOOLS_TCTI) has it.
      - Where it is left out, the resource manager of the kernel is used.
    type: str
"""
