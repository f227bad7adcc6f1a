# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of a UEFI boot entry: the variable Boot####, which says what the firmware starts and from where.

Sources: UEFI 2.10 section 3.1.3 (EFI_LOAD_OPTION) and section 10.3.5 (hard drive and file path nodes).
"""

from __future__ import annotations

import struct
import uuid
from typing import NamedTuple, Optional

from .._base.errors import Malformed

_MEDIA, _HARD_DRIVE, _FILE, _END = 4, 1, 4, 0x7F
_GPT = 2


class LoadOption(NamedTuple):
    """A boot entry: its name, and what it starts. The path begins with a slash and is relative to the partition."""

    description: str
    partition: Optional[str]
    path: Optional[str]


def parse(value: bytes) -> LoadOption:
    """Parse a boot entry from a variable's value.

    :raises Malformed: the value is truncated.
    """
    if len(value) < 8:
        raise Malformed("the boot entry", f"is {len(value)} bytes long")
    _attributes, length = struct.unpack_from("<IH", value)
    at = 6
    while value[at : at + 2] not in (b"\0\0", b"", value[at : at + 1]):
        at += 2
    description = value[6:at].decode("utf-16-le", "replace")
    nodes = value[at + 2 : at + 2 + length]
    if len(nodes) < length:
        raise Malformed("the boot entry", f"has {len(nodes)} of the {length} bytes of its path")
    return LoadOption(description, *_followed(nodes))


def _followed(nodes: bytes) -> tuple[Optional[str], Optional[str]]:
    partition, path, at = None, "", 0
    while at + 4 <= len(nodes):
        kind, subtype, length = struct.unpack_from("<BBH", nodes, at)
        if length < 4 or kind == _END:
            break
        node = nodes[at + 4 : at + length]
        if (kind, subtype) == (_MEDIA, _HARD_DRIVE) and len(node) == 38 and node[37] == _GPT:
            partition = str(uuid.UUID(bytes_le=node[20:36]))
        if (kind, subtype) == (_MEDIA, _FILE):
            path += node.decode("utf-16-le", "replace").split("\0", 1)[0]
        at += length
    path = path.replace("\\", "/")
    return partition, ("/" + path.lstrip("/")) if path else None
