# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices that are up within seconds: copies of one that was booted once and is kept in the cache."""

from __future__ import annotations

from pathlib import Path

from . import accelerator, cache, image
from .copies import replace_directory
from .device import Device

CLEAN = "clean"


def boot(name: str, suite: str = "trixie", *, layout: str = "uki", host: str | None = None) -> Device:
    """Make the device `name` anew and return it running, as its image is right after its first boot.

    With GRUB it is the second: GRUB and its menu are installed in the first.

    Its snapshot CLEAN leads back there.
    """
    device = Device(name, host)
    device.copy(origin(suite, layout))
    device.restore(CLEAN)
    return device


def origin(suite: str = "trixie", layout: str = "uki") -> Path:
    """The directory of the device that `boot` copies; its name changes with all that it was made from."""
    # a snapshot of a running machine is for the QEMU and the processor that it was taken on
    made_by = cache.sources("qemu.py", "state.py", "tpm.py")
    key = cache.key(image.build(suite, layout).name, accelerator.fingerprint(), made_by)

    def make(directory: Path) -> None:
        first = Device(f"first-{key}")
        try:
            first.build(suite, layout=layout, fresh=True)
            first.start()
            if layout == "grub":
                first.reboot()
            first.snapshot(CLEAN)
            first.power_cut()
            replace_directory(first.directory, directory)
        finally:
            first.destroy()

    return cache.build_once("booted", key, make)
