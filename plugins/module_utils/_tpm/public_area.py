# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Parse the public part of a TPM object (TPMT_PUBLIC), and judge whether it suits its purpose.

Sources: TPM 2.0 Library, part 2, 8.3 (TPMA_OBJECT) and 12.2 (TPMT_PUBLIC); part 1, 19.8 (dictionary attacks).
"""

from __future__ import annotations

from typing import NamedTuple, Optional

FIXED_TPM, ST_CLEAR, FIXED_PARENT, SENSITIVE_DATA_ORIGIN = 1 << 1, 1 << 2, 1 << 4, 1 << 5
USER_WITH_AUTH, NO_DA, RESTRICTED, DECRYPT, SIGN = 1 << 6, 1 << 10, 1 << 16, 1 << 17, 1 << 18
KEYEDHASH = 0x0008

_RSA, _ECC, _NULL, _AES, _CFB = 0x0001, 0x0023, 0x0010, 0x0006, 0x0043
_SHA2 = (0x000B, 0x000C, 0x000D)
# NIST P-256, P-384 and P-521.
_CURVES = (0x0003, 0x0004, 0x0005)
_LEAST_RSA_BITS, _LEAST_AES_BITS = 2048, 128
_ATTRIBUTES = {
    "fixedtpm": FIXED_TPM,
    "stclear": ST_CLEAR,
    "fixedparent": FIXED_PARENT,
    "sensitivedataorigin": SENSITIVE_DATA_ORIGIN,
    "userwithauth": USER_WITH_AUTH,
    "noda": NO_DA,
    "restricted": RESTRICTED,
    "decrypt": DECRYPT,
    "sign": SIGN,
}


class Purpose(NamedTuple):
    """The attributes that an object must have for a use, and those that it must not have."""

    needs: int
    forbids: int


# Without noda, each power cut after a use counts as a failed guess; a few of them lock the TPM.
STORAGE = Purpose(
    FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA | RESTRICTED | DECRYPT, ST_CLEAR | SIGN
)
SEALED = Purpose(
    FIXED_TPM | FIXED_PARENT | NO_DA,
    ST_CLEAR | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | RESTRICTED | DECRYPT | SIGN,
)


class Reader:
    """Read big-endian numbers and sized buffers, as a TPM marshals them. Raises ValueError if the data is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def at_end(self) -> bool:
        return not self._data

    def take(self, size: int) -> bytes:
        if size > len(self._data):
            raise ValueError
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self) -> bytes:
        return self.take(self.number(2))


class Public(NamedTuple):
    """The public part of an object.

    :ivar symmetric: algorithm, key size in bits and mode with which a storage key protects its children.
    :ivar strength: whether the key itself is at least RSA 2048 or a 256-bit NIST curve.
    """

    kind: int
    name_algorithm: int
    attributes: int
    policy: bytes
    symmetric: Optional[tuple[int, int, int]]
    strength: bool


def parse_public(data: bytes) -> Public:
    """Parse the public part of an object.

    :param data: TPMT_PUBLIC.
    :raises ValueError: it is cut short.
    """
    reader = Reader(data)
    kind, name_algorithm, attributes, policy = reader.number(2), reader.number(2), reader.number(4), reader.sized()
    symmetric, strength = None, False
    if kind in (_RSA, _ECC):
        algorithm = reader.number(2)
        if algorithm != _NULL:
            symmetric = (algorithm, reader.number(2), reader.number(2))
        if reader.number(2) != _NULL:
            reader.number(2)
        size_or_curve = reader.number(2)
        strength = size_or_curve in _CURVES if kind == _ECC else size_or_curve >= _LEAST_RSA_BITS
    return Public(kind, name_algorithm, attributes, policy, symmetric, strength)


def weaknesses(data: bytes, purpose: Purpose) -> list[str]:
    """List why an object does not suit a purpose, in stable words such as C(noda_missing); empty if it does.

    :param data: TPMT_PUBLIC.
    """
    try:
        public = parse_public(data)
    except ValueError:
        return ["unreadable"]
    missing, set_ = purpose.needs & ~public.attributes, purpose.forbids & public.attributes
    found = [f"{name}_missing" for name, bit in _ATTRIBUTES.items() if missing & bit]
    found += [f"{name}_set" for name, bit in _ATTRIBUTES.items() if set_ & bit]
    if public.name_algorithm not in _SHA2:
        found.append("name_algorithm_weak")
    if purpose is STORAGE:
        if not public.strength:
            found.append("key_weak")
        algorithm, bits, mode = public.symmetric or (_NULL, 0, _NULL)
        if (algorithm, mode) != (_AES, _CFB) or bits < _LEAST_AES_BITS:
            found.append("symmetric_weak")
    elif public.kind != KEYEDHASH:
        found.append("not_sealed_data")
    return found
