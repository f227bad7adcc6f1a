# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading the LUKS header off a device, without a tool."""

from __future__ import annotations

import os
from typing import Any, Optional

from ._luks2 import HEADER_BYTES, LEGAL_HEADER_SIZES, Header, read_header

_MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
_BINARY_BYTES = 4096


def header_of(path: str) -> Optional[Header]:
    """The LUKS header of a device or file, or None where no copy of one begins.

    :raises Malformed: there is one, and it does not hold together.
    :raises OSError: the device cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _bytes_to_read(descriptor)
        if not size:
            return None
        data = b""
        while len(data) < size:
            more = os.pread(descriptor, size - len(data), len(data))
            if not more:
                break
            data += more
    finally:
        os.close(descriptor)
    return read_header(data)


def describe(header: Header) -> dict[str, Any]:
    """A header as facts; what a hostile header has in place of a number or a word reads as None."""
    return {
        "version": header.version,
        "uuid": header.uuid,
        "label": header.label,
        "cipher": _word(header.cipher),
        "sector_size": _number(header.sector_size),
        "keyslots": [_keyslot(number, slot) for number, slot in sorted(header.keyslots.items())],
        "tokens": [_token(number, token) for number, token in sorted(header.tokens.items())],
        "requirements": header.requirements,
    }


def _bytes_to_read(descriptor: int) -> int:
    binary = os.pread(descriptor, _BINARY_BYTES, 0)
    if binary[:6] == _MAGICS[0]:
        recorded = int.from_bytes(binary[8:16], "big")
        return 2 * recorded if recorded in LEGAL_HEADER_SIZES else HEADER_BYTES
    # The first copy may be gone and the second, which libcryptsetup would still use, intact.
    if any(os.pread(descriptor, 6, offset) == _MAGICS[1] for offset in LEGAL_HEADER_SIZES):
        return HEADER_BYTES
    return 0


def _keyslot(number: str, slot: Any) -> dict[str, Any]:
    slot = slot if isinstance(slot, dict) else {}
    kdf = slot.get("kdf")
    return {
        "id": number,
        "kdf": _word(kdf.get("type")) if isinstance(kdf, dict) else None,
        "key_size": _number(slot.get("key_size")),
    }


def _token(number: str, token: Any) -> dict[str, Any]:
    token = token if isinstance(token, dict) else {}
    keyslots = token.get("keyslots")
    return {
        "id": number,
        "type": _word(token.get("type")),
        "keyslots": [str(each) for each in keyslots] if isinstance(keyslots, list) else [],
    }


def _word(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None


def _number(value: Any) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
