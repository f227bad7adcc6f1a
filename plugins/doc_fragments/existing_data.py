# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options for data that is already on a device. Private to the collection."""

    DOCUMENTATION = r"""
options:
  on_existing_data:
    description:
      - What to do with data that is already on the device.
      - V(refuse) changes nothing. V(encrypt_in_place) keeps an ext4, XFS or btrfs file system, and encrypts it where it
        is. V(adopt) keeps a LUKS volume, and makes its header conform to policy. V(erase) destroys the data.
      - All but V(refuse) need O(consent).
    type: str
    choices: [refuse, encrypt_in_place, adopt, erase]
    default: refuse
  consent:
    description:
      - UUID or label of the data on the device, as the plan prints it. The action applies to this data and to nothing
        else. For data that no tool recognises it is the digest of a sample.
    type: str
    default: ""
  services:
    description:
      - Systemd units that use the file system. Encryption in place unmounts it for some seconds, and may stop these
        units meanwhile.
    type: list
    elements: str
    default: []
"""
