# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options that all modules that change a volume share. Private to the collection."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the volume, and of its device-mapper device.
      - Letters, digits and the characters C(_.-).
    type: str
    required: true
  device:
    description:
      - Absolute path of the device. Prefer a persistent name, such as C(/dev/disk/by-partlabel/data).
    type: path
    required: true
  recovery_key:
    description:
      - The recovery key of the volume. The controller takes it from the fleet store; do not set it in a playbook.
      - It is sent only to a device that needs it, and only when pipelining keeps it off the device's disk.
    type: str
"""
