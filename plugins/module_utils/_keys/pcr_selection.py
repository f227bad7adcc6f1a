# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Choose the PCRs to seal to, by how the device booted, and list those that may be the latch."""

from __future__ import annotations

from collections.abc import Mapping

from .._base.tree import names_in

# PCRs that a boot of each kind measures, and that no longer change once the unlocker runs
# (UEFI PC Client Platform Firmware Profile, table 1; systemd-stub(7); shim README.tpm; GRUB manual "Measured Boot").
DEFAULT_PCRS: Mapping[str, tuple[int, ...]] = {"uki": (4, 7), "shim-grub": (4, 7, 8, 9, 14), "other": (4, 7, 9)}
# Never 16 or 23, which software can reset.
LATCH_CANDIDATES = (15, 14, 13)
_EFIVARS = "/sys/firmware/efi/efivars"
_LOADER_VENDOR = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
_SHIM_VENDOR = "605dab50-e046-4300-abb6-3dd810dd8b23"


def default_pcrs(root: str) -> tuple[int, ...]:
    """The PCRs to seal to by default, by how the device booted."""
    return DEFAULT_PCRS[boot_type_of(root)]


def boot_type_of(root: str) -> str:
    """What started the kernel: a key of :data:`DEFAULT_PCRS`."""
    names = names_in(root, _EFIVARS)
    if f"StubInfo-{_LOADER_VENDOR}" in names:
        return "uki"
    return "shim-grub" if any(name.endswith(f"-{_SHIM_VENDOR}") for name in names) else "other"
