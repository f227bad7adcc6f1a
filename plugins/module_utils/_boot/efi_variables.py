# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of UEFI variables as efivarfs shows them.

Source: Linux Documentation/filesystems/efivarfs.rst (four attribute bytes, then the value);
UEFI 2.10 section 3.3 (SecureBoot, SetupMode: one byte); systemd.io/BOOT_LOADER_INTERFACE (UTF-16 strings).
"""

from __future__ import annotations

from typing import NamedTuple

from .._base.errors import Malformed

GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
LOADER = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
# The vendor GUIDs of db and dbx, and of the copies that shim provides to the running system.
IMAGE_SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
SHIM = "605dab50-e046-4300-abb6-3dd810dd8b23"
DIRECTORY = "/sys/firmware/efi/efivars"


class Variable(NamedTuple):
    """A UEFI variable: its attribute bits and its value."""

    attributes: int
    value: bytes


def path_of(name: str, vendor: str) -> str:
    """The path of a variable in efivarfs."""
    return f"{DIRECTORY}/{name}-{vendor}"


def parse(data: bytes) -> Variable:
    """Split the contents of an efivarfs file.

    :raises Malformed: fewer than the four attribute bytes.
    """
    if len(data) < 4:
        raise Malformed("UEFI variable", f"is {len(data)} bytes long, shorter than its 4 attribute bytes")
    return Variable(int.from_bytes(data[:4], "little"), data[4:])


def flag(data: bytes) -> bool:
    """Parse a variable whose value is one byte, 0 or 1.

    :raises Malformed: any other value.
    """
    value = parse(data).value
    if value not in (b"\0", b"\1"):
        raise Malformed("UEFI variable", f"has the value {value[:8].hex() or '(empty)'}; expected one byte, 0 or 1")
    return value == b"\1"


def string(data: bytes) -> str:
    """Parse a variable whose value is a NUL-terminated UTF-16 string.

    :raises Malformed: an odd number of bytes.
    """
    value = parse(data).value
    if len(value) % 2:
        raise Malformed("UEFI variable", "has an odd number of bytes in a UTF-16 string")
    return value.decode("utf-16-le", "replace").split("\0", 1)[0]
