# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Commands that carry no secret, sent directly to the device node of a TPM, which saves starting a program.

Commands: TPM 2.0 Library, part 3 (ReadPublic 12.4, PCR_Extend 22.2, GetCapability 30.2, NV_ReadPublic 31.6, NV_Read
31.13); algorithms: part 2, 6.3.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from .._base.errors import Malformed

_NO_SESSIONS, _SESSIONS = 0x8001, 0x8002
_READ_PUBLIC, _PCR_EXTEND, _GET_CAPABILITY, _NV_READ_PUBLIC, _NV_READ = 0x173, 0x182, 0x17A, 0x169, 0x14E
_BANKS = {"sha1": 0x4, "sha256": 0xB, "sha384": 0xC, "sha512": 0xD, "sm3_256": 0x12, "sha3_256": 0x27}
_HANDLES, _NV_INDICES, _MOST_HANDLES = 1, 0x01000000, 254
# An empty password: a handle, no nonce, no attributes, no password.
_PASSWORD = struct.pack(">IHBH", 0x40000009, 0, 0, 0)
_HEADER = struct.Struct(">HII")
_MOST_BYTES = 4096


def exchange(node: str, command: bytes) -> bytes:
    """Send a command to a TPM; return its answer.

    :param node: path of the device node.
    :raises OSError: the node cannot be opened, or another process holds it.
    """
    descriptor = os.open(node, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(descriptor, command)
        return os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)


def code_of(answer: bytes) -> int:
    """The response code of an answer; 0 means success.

    :raises Malformed: the bytes are not an answer.
    """
    if len(answer) < _HEADER.size or _HEADER.unpack_from(answer)[1] != len(answer):
        raise Malformed("the TPM", f"answered with {len(answer)} bytes that are not a response")
    return int(_HEADER.unpack_from(answer)[2])


def read_public(handle: int) -> bytes:
    """Build the command that reads the public part and the name of a key."""
    return _command(_READ_PUBLIC, struct.pack(">I", handle))


def nv_read_public(index: int) -> bytes:
    """Build the command that reads the public part and the name of an NV index."""
    return _command(_NV_READ_PUBLIC, struct.pack(">I", index))


def nv_indices() -> bytes:
    """Build the command that lists the defined NV indices."""
    return _command(_GET_CAPABILITY, struct.pack(">III", _HANDLES, _NV_INDICES, _MOST_HANDLES))


def nv_read(index: int, size: int) -> bytes:
    """Build the command that reads an NV index with an empty password."""
    return _authorized(_NV_READ, struct.pack(">II", index, index), struct.pack(">HH", size, 0))


def pcr_extend(pcr: int, digests: Mapping[str, bytes]) -> bytes:
    """Build the command that extends a PCR, with one digest per bank."""
    values = b"".join(struct.pack(">H", _BANKS[bank]) + digest for bank, digest in sorted(digests.items()))
    return _authorized(_PCR_EXTEND, struct.pack(">I", pcr), struct.pack(">I", len(digests)) + values)


def name_in(answer: bytes) -> bytes:
    """The name in the answer to :func:`read_public` or :func:`nv_read_public`.

    :raises Malformed: the answer holds none.
    """
    _public, rest = _sized(answer[_HEADER.size :])
    return _sized(rest)[0]


def public_in(answer: bytes) -> bytes:
    """The public part (TPMT_PUBLIC) in the answer to :func:`read_public`.

    :raises Malformed: the answer holds none.
    """
    return _sized(answer[_HEADER.size :])[0]


def handles_in(answer: bytes) -> set[int]:
    """The handles in the answer to :func:`nv_indices`.

    :raises Malformed: the list is incomplete, or too long for one answer.
    """
    body = answer[_HEADER.size :]
    try:
        more, _capability, count = struct.unpack_from(">BII", body)
        handles = struct.unpack_from(f">{count}I", body, 9)
    except struct.error as error:
        raise Malformed("the TPM", f"answered with an incomplete list ({error})") from None
    if more:
        raise Malformed("the TPM", f"has more than {_MOST_HANDLES} NV indices")
    return set(handles)


def data_in(answer: bytes) -> bytes:
    """The data in the answer to :func:`nv_read`.

    :raises Malformed: the answer holds none.
    """
    # With sessions, the size of the parameters comes first.
    return _sized(answer[_HEADER.size + 4 :])[0]


def _authorized(code: int, handles: bytes, parameters: bytes) -> bytes:
    """Build a command that is authorized by an empty password."""
    return _command(code, handles + struct.pack(">I", len(_PASSWORD)) + _PASSWORD + parameters, _SESSIONS)


def _command(code: int, body: bytes, tag: int = _NO_SESSIONS) -> bytes:
    return _HEADER.pack(tag, _HEADER.size + len(body), code) + body


def _sized(data: bytes) -> tuple[bytes, bytes]:
    """Split off a buffer that begins with its size; return it and the rest."""
    size = int.from_bytes(data[:2], "big")
    if len(data) < 2 + size or len(data) < 2:
        raise Malformed("the TPM", "answered with an incomplete buffer")
    return data[2 : 2 + size], data[2 + size :]
