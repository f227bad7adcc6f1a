# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What may become of the data that is on a device already. Private to the collection."""

    DOCUMENTATION = r"""
options:
  on_existing_data:
    description:
      - What may be done when the device holds something.
      - V(refuse) changes nothing. V(encrypt_in_place) keeps an ext4, XFS or btrfs file system, and encrypts it where it
        is. V(adopt) keeps a LUKS volume, and brings its header to policy. V(erase) destroys what is there.
      - All but the first need the O(consent).
    type: str
    choices: [refuse, encrypt_in_place, adopt, erase]
    default: refuse
  consent:
    description:
      - UUID or label of what is on the device, as the plan prints it. It says that this, and nothing else, is meant.
        For data that no tool recognises it is the digest of what was sampled of it.
    type: str
    default: ""
  services:
    description:
      - Units of systemd that use the file system, and may be stopped for the seconds in which it is not mounted while
        it is encrypted in place.
    type: list
    elements: str
    default: []
"""
