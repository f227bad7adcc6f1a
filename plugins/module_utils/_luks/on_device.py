# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the LUKS header from a device, without a tool."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.files import read_at
from .header import HEADER_BYTES, LEGAL_HEADER_SIZES, Header, read_header

# The subsystem of a freshly formatted volume, cleared once it has a file system. A file system is made only on a volume
# with this mark, so a volume with unrecognised data is never taken for an empty one.
UNUSED = "edgesec-unused"

_MAGICS = (b"LUKS\xba\xbe", b"SKUL\xba\xbe")
_BINARY_BYTES = 4096
# The default priority of a keyslot (0 ignore, 1 normal, 2 prefer).
_NORMAL_PRIORITY = 1
_MAKERS = (("edgesec-", "edgesec"), ("systemd-", "systemd"), ("clevis", "clevis"), ("luks2-keyring", "cryptsetup"))


class Found(NamedTuple):
    """What a search for a LUKS header found.

    :ivar header: the header that libcryptsetup would use; None if no copy is valid.
    :ivar whole: whether the copy at the start of the device is valid.
    :ivar at: the offset of the first LUKS magic, in bytes.
    :ivar problem: why there is no valid header.
    """

    header: Optional[Header]
    whole: bool
    at: int
    problem: str = ""


def look_for_header(path: str) -> Optional[Found]:
    """Look for a LUKS header on a device or file; None if there is no LUKS magic.

    :raises OSError: the device cannot be read.
    """
    begun = _begun(path)
    if begun is None:
        return None
    data, at = begun
    try:
        return Found(read_header(data), at == 0 and _is_whole(data), at)
    except Malformed as error:
        return Found(None, False, at, str(error))


def _is_whole(data: bytes) -> bool:
    """Whether the copy at the start is valid by itself."""
    recorded = int.from_bytes(data[8:16], "big")
    alone = data if int.from_bytes(data[6:8], "big") == 1 else data[:recorded]
    try:
        read_header(alone)
    except Malformed:
        return False
    return True


def header_of(path: str) -> Optional[Header]:
    """The LUKS header of a device or file, or None.

    None also if the start has no LUKS magic and the second copy is damaged: that "copy" may be part of an image stored
    in a file system.

    :raises Malformed: a header begins at the start, but no copy of it is valid.
    :raises OSError: the device cannot be read.
    """
    begun = _begun(path)
    if begun is None:
        return None
    data, at = begun
    try:
        return read_header(data)
    except Malformed:
        if at == 0:
            raise
        return None


def is_unfinished(luks: dict[str, Any]) -> bool:
    """Whether the facts show a header whose format was interrupted before the first keyslot was added."""
    return luks.get("subsystem") == UNUSED and not luks["keyslots"]


def has_header(path: str) -> bool:
    """Whether the device or file exists and has a LUKS header."""
    return os.path.exists(path) and header_of(path) is not None


def describe(header: Header) -> dict[str, Any]:
    """A header as facts; a value of a wrong type, from a hostile header, becomes None."""
    return {
        "version": header.version,
        "uuid": header.uuid,
        "label": header.label,
        "subsystem": header.subsystem,
        "cipher": _word(header.cipher),
        "sector_size": _number(header.sector_size),
        "keyslots": [_keyslot(number, slot) for number, slot in sorted(header.keyslots.items())],
        "tokens": [_token(number, token) for number, token in sorted(header.tokens.items())],
        "requirements": header.requirements,
        "flags": _flags(header.metadata.get("config")),
        "json_bytes": header.size - _BINARY_BYTES if header.version == 2 else None,
        "data_offset": header.data_offset,
    }


def _bytes_to_read(descriptor: int) -> int:
    binary = os.pread(descriptor, _BINARY_BYTES, 0)
    if binary[:6] == _MAGICS[0]:
        recorded = int.from_bytes(binary[8:16], "big")
        return 2 * recorded if recorded in LEGAL_HEADER_SIZES else HEADER_BYTES
    # The first copy may be gone while the second is intact; libcryptsetup would still use it.
    if any(os.pread(descriptor, 6, offset) == _MAGICS[1] for offset in LEGAL_HEADER_SIZES):
        return HEADER_BYTES
    return 0


def _begun(path: str) -> Optional[tuple[bytes, int]]:
    """The bytes to read a header from, and the offset of its first LUKS magic; None if there is no magic."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _bytes_to_read(descriptor)
        data = read_at(descriptor, 0, size)
    finally:
        os.close(descriptor)
    if not size:
        return None
    starts = [offset for offset in LEGAL_HEADER_SIZES if data[offset : offset + 6] == _MAGICS[1]]
    return data, 0 if data[:6] == _MAGICS[0] else starts[0]


def _keyslot(number: str, slot: Any) -> dict[str, Any]:
    slot = _object(slot)
    kdf, area = _object(slot.get("kdf")), _object(slot.get("area"))
    return {
        "id": number,
        "kdf": _word(kdf.get("type")),
        "iterations": _number(kdf.get("iterations")),
        "time": _number(kdf.get("time")),
        "memory_kib": _number(kdf.get("memory")),
        "cpus": _number(kdf.get("cpus")),
        "key_size": _number(slot.get("key_size")),
        "area_cipher": _word(area.get("encryption")),
        "area_key_size": _number(area.get("key_size")),
        "priority": _number(slot.get("priority", _NORMAL_PRIORITY)),
    }


def _token(number: str, token: Any) -> dict[str, Any]:
    token = _object(token)
    keyslots = token.get("keyslots")
    return {
        "id": number,
        "type": _word(token.get("type")),
        "maker": _maker(token.get("type")),
        "keyslots": [str(each) for each in keyslots] if isinstance(keyslots, list) else [],
        "pin": token.get("tpm2-pin") is True,
    }


def _maker(kind: Any) -> Optional[str]:
    """The software that made a token, or None if its type does not tell."""
    if isinstance(kind, str):
        for prefix, maker in _MAKERS:
            if kind.startswith(prefix):
                return maker
    return None


def _flags(config: Any) -> Optional[list[str]]:
    flags = _object(config).get("flags", [])
    return flags if isinstance(flags, list) and all(isinstance(flag, str) for flag in flags) else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _word(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None


def _number(value: Any) -> Optional[int]:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
