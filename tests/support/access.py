# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access control lists and flags of files, set without further tools."""

from __future__ import annotations

import array
import fcntl
import os
import struct
from pathlib import Path

ACL = "system.posix_acl_access"


def give(path: Path, *, user: int, permissions: int, group_permissions: int = 0) -> None:
    """Let one more user in, as ``setfacl -m u:USER:PERMISSIONS`` does (linux/posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    mask = permissions | group_permissions
    owner = path.stat().st_mode >> 6 & 7
    entries = [
        (0x01, owner, nobody),
        (0x02, permissions, user),
        (0x04, group_permissions, nobody),
        (0x10, mask, nobody),
        (0x20, 0, nobody),
    ]
    os.setxattr(path, ACL, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


def set_immutable(path: Path, wanted: bool) -> bool:
    """As chattr does; return whether the file system has such a flag and this process may set it."""
    flag, read, write = 0x10, 0x80086601, 0x40086602
    descriptor = os.open(path, os.O_RDONLY)
    try:
        value = array.array("l", [0])
        fcntl.ioctl(descriptor, read, value, True)
        value[0] = value[0] | flag if wanted else value[0] & ~flag
        fcntl.ioctl(descriptor, write, value)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
