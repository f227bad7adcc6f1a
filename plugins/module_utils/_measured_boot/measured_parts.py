# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find the PCRs into which an event log says that kernel, initrd and command line were measured.

Sources: the GRUB manual ("Measured Boot"); systemd-boot(7) and systemd-stub(7) (PCRs 11 and 12); the kernel's EFI stub
(drivers/firmware/efi/libstub/efi-stub-helper.c, PCR 9); U-Boot (doc/usage/measured_boot.rst, boot/bootm.c).
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Sequence

from . import event_log as log
from .event_data import loaded, tag, text
from .event_log import Event
from .grub import COMMAND, KERNEL_COMMAND_LINE, PREFIXES

Parts = dict[str, set[int]]

_BANK = "sha256"
_CODE, _COMMANDS, _FILES, _STUB, _OPTIONS = 4, 8, 9, 11, 12
_LOADS_KERNEL = re.compile(re.escape(COMMAND) + r"linux(?:efi|16)? ")
_LOADS_INITRD = re.compile(re.escape(COMMAND) + r"initrd(?:efi|16)? (.*)", re.DOTALL)
_KERNEL_NAME = re.compile(r"vmlinu[xz]|bzimage|linux$|image$|kernel", re.IGNORECASE)
_UNIFIED = "/efi/linux/"
_DEVICE = re.compile(r"^\([^)]*\)")


def measured_parts(events: Sequence[Event]) -> Parts:
    """The PCRs into which C(kernel), C(initrd) and C(command_line) were measured.

    Without an initrd, C(initrd) has the PCRs into which its absence was measured. This proves nothing by itself: the
    log must also lead to the values in the PCRs.
    """
    found: Parts = {"kernel": set(), "initrd": set(), "command_line": set()}
    readers = (_by_grub, _by_kernel, _by_stub, _by_systemd_boot, _by_uboot)
    for each in (reader(events) for reader in readers):
        for part, pcrs in each.items():
            found[part] |= pcrs
    return found


def _by_grub(events: Sequence[Event]) -> Parts:
    commands = [text(event.data) for event in events if _is_command(event)]
    lines = [each[len(KERNEL_COMMAND_LINE) :] for each in commands if each.startswith(KERNEL_COMMAND_LINE)]
    if not lines:
        return {}
    start = next((at for at, event in enumerate(events) if _is_kernel_command(event)), len(events))
    images = {event.pcr for event in events[start:] if _is_image(event)}
    initrds = [file for each in commands for match in [_LOADS_INITRD.match(each)] if match for file in match[1].split()]
    return {
        "kernel": images | _read_by_grub(events, [line.split(" ")[0] for line in lines]),
        # GRUB measures every command, which also proves that it loaded no initrd.
        "initrd": _read_by_grub(events, initrds) if initrds else {_COMMANDS},
        "command_line": {_COMMANDS},
    }


def _read_by_grub(events: Sequence[Event], names: Sequence[str]) -> set[int]:
    """The PCR for files, if all the named files were measured."""
    read = {_plain(text(event.data)) for event in events if event.pcr == _FILES and event.type == log.IPL}
    return {_FILES} if {_plain(name) for name in names} <= read else set()


def _by_kernel(events: Sequence[Event]) -> Parts:
    """The kernel's EFI stub measures what the loader passed to it; firmware measured the kernel itself as an image."""
    tags = {tag(event.data): event.pcr for event in events if event.type == log.EVENT_TAG}
    parts = {"command_line": "LOADED_IMAGE::LoadOptions", "initrd": "Linux initrd"}
    return {part: {tags[name]} for part, name in parts.items() if name in tags}


def _by_stub(events: Sequence[Event]) -> Parts:
    """Firmware measures a unified kernel image whole; systemd-stub also measures its sections."""
    sections = {text(event.data) for event in events if event.pcr == _STUB and event.type == log.IPL}
    images = {event.pcr for event in events if _is_image(event)}
    return dict.fromkeys(("kernel", "initrd", "command_line"), images) if ".linux" in sections else {}


def _by_systemd_boot(events: Sequence[Event]) -> Parts:
    """Firmware measures the kernel, and systemd-boot the options of its entry."""
    images = [event for event in events if _is_image(event)]
    kernels = {event.pcr for event in images if _is_named_as_kernel(loaded(event.data).path or "")}
    options = {event.pcr for event in events if event.type == log.IPL and event.pcr == _OPTIONS}
    return {"kernel": kernels, "command_line": options if kernels else set()}


def _by_uboot(events: Sequence[Event]) -> Parts:
    hashes = {text(event.data): event.pcr for event in events if event.type == log.COMPACT_HASH}
    if "linux" not in hashes:
        return {}
    flags = {event.pcr for event in events if event.type == log.PLATFORM_CONFIG_FLAGS}
    # U-Boot measures an initrd wherever it loads one.
    return {"kernel": {hashes["linux"]}, "initrd": {hashes.get("initrd", hashes["linux"])}, "command_line": flags}


def _is_command(event: Event) -> bool:
    """Whether this is a measured command of GRUB: the digest covers the text without its prefix."""
    prefix, separator, command = text(event.data).partition(": ")
    digest = hashlib.sha256(command.encode("utf-8", "surrogateescape")).digest()
    return (
        event.pcr == _COMMANDS
        and event.type == log.IPL
        and prefix + separator in PREFIXES
        and event.digests.get(_BANK) == digest
    )


def _is_kernel_command(event: Event) -> bool:
    return _is_command(event) and _LOADS_KERNEL.match(text(event.data)) is not None


def _is_image(event: Event) -> bool:
    return event.pcr == _CODE and event.type == log.EFI_BOOT_SERVICES_APPLICATION


def _is_named_as_kernel(path: str) -> bool:
    return _UNIFIED in path.lower() or _KERNEL_NAME.search(posixpath.basename(path)) is not None


def _plain(name: str) -> str:
    return posixpath.normpath("/" + _DEVICE.sub("", name).lstrip("/"))
