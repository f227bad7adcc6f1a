# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of EFI signature lists, the format of db, dbx, KEK, PK and shim's lists.

Source: UEFI 2.10 section 32.4.1 (EFI_SIGNATURE_LIST: type, sizes of the list, its header and each signature, then
the signatures, each with its owner). Nothing is verified here: the firmware decides what it trusts.
"""

from __future__ import annotations

import struct
import uuid
from typing import NamedTuple

from .._base.errors import Malformed

X509 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"
SHA256 = "c1c41626-504c-4092-aca9-41f936934328"

_HEADER = struct.Struct("<16sIII")
_OWNER = 16


class Signature(NamedTuple):
    """One signature: the type of its list, its owner, and a certificate in DER or a digest."""

    type: str
    owner: str
    data: bytes


def parse(data: bytes) -> tuple[Signature, ...]:
    """Parse the signatures of consecutive lists.

    :raises Malformed: a size is inconsistent.
    """
    found: list[Signature] = []
    at = 0
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise Malformed("the signature list", f"is truncated at byte {at}")
        kind, size, header, each = _HEADER.unpack_from(data, at)
        begin, end = at + _HEADER.size + header, at + size
        if not begin <= end <= len(data) or each <= _OWNER or (end - begin) % each:
            raise Malformed("the signature list", f"has inconsistent sizes at byte {at}")
        for entry in range(begin, end, each):
            owner = data[entry : entry + _OWNER]
            found.append(Signature(_guid(kind), _guid(owner), data[entry + _OWNER : entry + each]))
        at = end
    return tuple(found)


def _guid(data: bytes) -> str:
    return str(uuid.UUID(bytes_le=data))
