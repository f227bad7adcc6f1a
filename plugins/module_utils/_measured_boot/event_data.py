# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Parse the data of events in the firmware's log, which describe what was measured.

Sources: TCG PC Client Platform Firmware Profile 1.06, section 10.2 (UEFI_IMAGE_LOAD_EVENT, UEFI_VARIABLE_DATA,
TCG_PCClientTaggedEvent); UEFI 2.10 section 10.3 (device paths). Only the digest counts: none of this is trusted.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Optional

_MEDIA = 4
_FILE, _FIRMWARE_FILE, _FIRMWARE_VOLUME = 4, 6, 7
_END = 0x7F
_DEVICE_PATH_AT = 32


class Loaded(NamedTuple):
    """Where an EFI image was loaded from: a path on a file system, or the firmware itself."""

    path: Optional[str]
    firmware: bool


def loaded(data: bytes) -> Loaded:
    """Parse an EFI_BOOT_SERVICES_APPLICATION event; an event that is malformed or names no source gives no path."""
    path, firmware, at = "", False, _DEVICE_PATH_AT
    while at + 4 <= len(data):
        kind, subtype, length = struct.unpack_from("<BBH", data, at)
        if length < 4 or kind == _END:
            break
        if kind == _MEDIA and subtype == _FILE:
            path += _utf16(data[at + 4 : at + length])
        firmware = firmware or (kind == _MEDIA and subtype in (_FIRMWARE_FILE, _FIRMWARE_VOLUME))
        at += length
    return Loaded(path.replace("\\", "/") or None, firmware)


def variable(data: bytes) -> bytes:
    """The value in an event of a UEFI variable; empty if the event is malformed."""
    if len(data) < 32:
        return b""
    name, size = struct.unpack_from("<QQ", data, 16)
    return data[32 + 2 * name : 32 + 2 * name + size]


def text(data: bytes) -> str:
    """The description that a loader added to a measurement: UTF-16 (systemd) or UTF-8 (GRUB, shim)."""
    if len(data) >= 4 and len(data) % 2 == 0 and data[1] == 0 and data[-2:] == b"\0\0":
        return _utf16(data)
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def tag(data: bytes) -> str:
    """The name in an EVENT_TAG event, such as C(Linux initrd)."""
    return data[8:].split(b"\0", 1)[0].decode("utf-8", "replace")


def _utf16(field: bytes) -> str:
    return field.decode("utf-16-le", "replace").split("\0", 1)[0]
