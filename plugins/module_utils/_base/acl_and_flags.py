# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read a file's access control list (acl(5)) and its flags (ioctl_iflags(2)); parse modes."""

from __future__ import annotations

import array
import errno
import fcntl
import grp
import os
import platform
import pwd
import re
import struct
from typing import Optional, Union

from .errors import Malformed, Refused

_MODE = re.compile(r"0[0-7]{3}")

ACL = "system.posix_acl_access"
IMMUTABLE, APPEND_ONLY = "immutable", "append_only"
# linux/posix_acl_xattr.h: a version, then entries of (tag, permissions, id).
_VERSION = 2
_ENTRY = struct.Struct("<HHI")
_USER, _GROUP, _MASK = 0x02, 0x08, 0x10
_READ, _WRITE = 4, 2
_NO_ACL = (errno.ENODATA, errno.ENOTSUP)
_FLAGS = ((0x10, IMMUTABLE), (0x20, APPEND_ONLY))
# Some architectures encode the direction of an ioctl in three bits, the others in two (asm/ioctl.h).
_READS = 0x40000000 if platform.machine().startswith(("mips", "ppc", "sparc", "alpha", "parisc")) else 0x80000000
_FS_IOC_GETFLAGS = _READS | struct.calcsize("l") << 16 | ord("f") << 8 | 1


def parse_mode(path: str, mode: object) -> int:
    """Parse a mode such as "0640" into permission bits.

    :raises Refused: any other spelling. YAML reads an unquoted 0644 as the integer 420, and 600 is not 0600.
    """
    if not isinstance(mode, str):
        raise Refused(path, f"its mode is {mode!r}, not a string", 'Quote the mode in YAML: mode: "0600"')
    if not _MODE.fullmatch(mode):
        raise Refused(path, f"its mode {mode!r} is not a 0 and three octal digits", 'Write it like mode: "0600"')
    return int(mode, 8)


def read_acl(file: Union[int, str]) -> bytes:
    """Read a file's access control list in the kernel's binary form; empty if it has none.

    :param file: a descriptor, or a path. A symbolic link at the end of the path is not followed.
    :raises OSError: it cannot be read.
    """
    try:
        return os.getxattr(file, ACL) if isinstance(file, int) else os.getxattr(file, ACL, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_ACL:
            return b""
        raise


def let_in(acl: bytes) -> list[str]:
    """List the further users and groups that an ACL lets read or write the file, spelled as setfacl does.

    :raises Malformed: it is not an access control list.
    """
    if not acl:
        return []
    if len(acl) < 4 or (len(acl) - 4) % _ENTRY.size or int.from_bytes(acl[:4], "little") != _VERSION:
        raise Malformed("the access control list", "has an unknown format")
    entries = list(_ENTRY.iter_unpack(acl[4:]))
    mask = next((permissions for tag, permissions, _id in entries if tag == _MASK), 7)
    found = []
    for tag, permissions, number in entries:
        if tag in (_USER, _GROUP) and permissions & mask & (_READ | _WRITE):
            name = f"user:{user_name(number)}" if tag == _USER else f"group:{group_name(number)}"
            found.append(f"{name}:{_letters(permissions & mask)}")
    return found


def readers(mode: int, uid: int, gid: int, acl: bytes) -> list[str]:
    """List who can read a file besides its owner and root: C(group:NAME), C(user:NAME), C(everyone).

    :raises Malformed: the ACL has an unknown format.
    """
    found = []
    if mode & 0o040:
        found.append(f"group:{group_name(gid)}")
    found += [entry.rpartition(":")[0] for entry in let_in(acl) if entry.rpartition(":")[2].startswith("r")]
    if mode & 0o004:
        found.append("everyone")
    return [each for each in found if each != f"user:{user_name(uid)}"]


def flags_of(descriptor: int) -> Optional[list[str]]:
    """List the flags that protect an open file from changes; None if the file system does not report flags."""
    value = array.array("l", [0])
    try:
        fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, value, True)
    except OSError:
        return None
    return [name for bit, name in _FLAGS if value[0] & bit]


def user_name(uid: int) -> str:
    """The name of a user, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The name of a group, or its number if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _letters(permissions: int) -> str:
    return "".join(letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
