# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the facts modules. Private to the collection."""

    ROOT = r"""
options:
  root:
    description:
      - Directory to read as the root of the device. Use it for a captured tree.
    type: path
    default: /
"""

    VOLUMES = r"""
options:
  volumes:
    description:
      - The encrypted volumes, existing or planned.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the volume, and of its device-mapper device.
        type: str
        required: true
      device:
        description: Path of the block device or file that holds the volume.
        type: path
        required: true
      mount:
        description: Directory to mount the volume on. Without one, the volume is opened but not mounted.
        type: path
      mount_options:
        description: Mount options of the volume. Not used here.
        type: list
        elements: str
      on_existing_data:
        description: What to do with data that is already on the device, as in M(edgesec.hardening.luks_volume).
        type: str
        choices: [refuse, encrypt_in_place, adopt, erase]
        default: refuse
      consent:
        description: UUID or label of the data on the device.
        type: str
        default: ""
      services:
        description: Systemd units that may be stopped while the device is not mounted.
        type: list
        elements: str
        default: []
      adopt_key_file:
        description: File on the controller with a key that opens a volume to adopt. Not used here.
        type: str
      retire_keyslots:
        description: Numbers of foreign keyslots that are no longer needed.
        type: list
        elements: str
        default: []
"""

    SWAP = r"""
options:
  swap:
    description:
      - The swap devices encrypted with a random key, existing or planned.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the device-mapper device.
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
        description: Absolute path, or shell pattern of absolute paths. If several match a file, the last one applies.
        type: str
        required: true
      owner:
        description: Name or number of the user who must own the file.
        type: str
        default: root
      group:
        description: Name or number of the group that must own the file.
        type: str
        default: root
      mode:
        description: Permissions that the file must have, as a quoted string of a zero and three octal digits.
        type: raw
        default: "0600"
      required:
        description: Whether the device fails if no such file exists.
        type: bool
        default: false
"""

    DISCOVER = r"""
options:
  discover:
    description:
      - Search for private keys, passwords and tokens that nobody declared. The search takes time, and runs only on
        request.
      - It never enters the kernel's own file systems (C(proc), C(sysfs) and the like), and never opens files with the
        names of programs, pictures, archives and packages.
      - It reads text files to the end, also in UTF-16, and decodes base64, JSON escapes and XML entities as many times
        as formats in use need it. It recognises other binary files by their beginning only, so it does not find keys
        inside programs, archives and disk images.
    type: dict
    suboptions:
      paths:
        description: Absolute paths of the directories to search.
        type: list
        elements: str
        default: [/]
      exclude:
        description: Shell patterns of absolute paths to leave out, with everything below. V(*) also matches V(/).
        type: list
        elements: str
        default: []
      exclude_file_systems:
        description: Types of file systems not to enter.
        type: list
        elements: str
        default: [9p, ceph, cifs, fuse.sshfs, glusterfs, nfs, nfs4, smb3]
      cross_file_systems:
        description: Whether to enter file systems that are mounted below the paths. Skipped ones are listed.
        type: bool
        default: false
      thorough:
        description:
          - Whether to open sources of programs, documents and lists of checksums, too. They are most of the text on a
            device, and seldom contain secrets.
        type: bool
        default: false
      max_seconds:
        description: Number of seconds after which the search stops and returns a cursor.
        type: int
        default: 60
      max_files:
        description: Number of files after which the search stops and returns a cursor.
        type: int
        default: 1000000
      max_size:
        description:
          - Size in bytes above which files are not searched. They are counted, and the search is then not complete.
          - Large files are read in pieces, so a higher limit costs time but not memory.
        type: int
        default: 268435456
      cursor:
        description: Where to continue, as returned by an earlier search of the same paths.
        type: str
"""

    SEALED = r"""
options:
  sealed:
    description:
      - Service secrets sealed to the TPM, existing or planned, as for M(edgesec.hardening.systemd_credential).
    type: list
    elements: dict
    default: []
    suboptions:
      unit:
        description: Name of the service, including C(.service).
        type: str
        required: true
      name:
        description: Name of the credential.
        type: str
        required: true
      source:
        description: Path of the plaintext file.
        type: str
        required: true
      link:
        description: Whether a symbolic link to the credential replaces the file.
        type: bool
        default: false
      environment:
        description: Environment variable of the service that is set to the path of the credential. Empty for none.
        type: str
        default: ""
      proof:
        description: Program and arguments that exit with 0 if the service works.
        type: list
        elements: str
        default: []
      with_key:
        description: Whether the TPM's key encrypts the credential alone, or together with a key on the disk.
        type: str
        choices: [tpm2, host+tpm2]
        default: tpm2
      pcrs:
        description: PCRs that must keep their present values. If empty, the credential is bound to the TPM alone.
        type: list
        elements: int
        default: []
"""

    IDENTITY = r"""
options:
  identity:
    description:
      - Location of the device's key and certificate, as in M(edgesec.hardening.identity_certificate).
    type: dict
    default: {}
    suboptions:
      library:
        description: Absolute path of the PKCS#11 library. Empty if the device needs no identity.
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
        description: Path of the file with the PIN, for O(identity.probe).
        type: str
        default: /etc/edgesec/identity/pin
      probe:
        description:
          - Whether to log in to the token, read the attributes of the key, and make it sign. A wrong PIN is tried once
            each time.
        type: bool
        default: false
      greengrass_root:
        description: Root directory of AWS IoT Greengrass, for the classic nucleus.
        type: path
        default: /greengrass/v2
"""

    BOOT_PATHS = r"""
options:
  boot_paths:
    description:
      - Directories where boot file systems may be mounted. The default directories are always checked as well.
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
      - How tpm2-tools reach the TPM, as in E(TPM2TOOLS_TCTI).
      - By default the resource manager of the kernel.
    type: str
"""
