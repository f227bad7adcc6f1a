# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual edge device: a Debian machine with UEFI Secure Boot and a TPM 2.0, in QEMU."""

from __future__ import annotations

from .device import Device
from .errors import LabError

__all__ = ["Device", "LabError"]
