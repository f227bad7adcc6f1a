# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.public_area import SEALED, STORAGE, weaknesses

RSA, ECC, KEYEDHASH, NULL, AES, CFB, SHA1, SHA256 = 0x1, 0x23, 0x8, 0x10, 0x6, 0x43, 0x4, 0xB
P256, P192, CAMELLIA, CTR = 0x3, 0x1, 0x26, 0x40
FIT = STORAGE.needs


def public(
    kind: int = ECC,
    attributes: int = FIT,
    *,
    digest: int = SHA256,
    symmetric: tuple[int, ...] = (AES, 128, CFB),
    size: int = P256,
) -> bytes:
    """TPMT_PUBLIC of a key with an empty policy."""
    head = struct.pack(">HHIH", kind, digest, attributes, 0)
    if kind == KEYEDHASH:
        return head + struct.pack(">HH", NULL, 0)
    return head + struct.pack(f">{len(symmetric)}HHH", *symmetric, NULL, size) + bytes(80)


def test_the_template_of_this_collection_is_fit() -> None:
    assert weaknesses(public(), STORAGE) == []
    assert weaknesses(public(RSA, size=2048), STORAGE) == []
    assert weaknesses(public(KEYEDHASH, SEALED.needs), SEALED) == []


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (public(size=P192), ["key_weak"]),
        (public(RSA, size=1024), ["key_weak"]),
        (public(symmetric=(NULL,)), ["symmetric_weak"]),
        (public(symmetric=(CAMELLIA, 128, CFB)), ["symmetric_weak"]),
        (public(symmetric=(AES, 128, CTR)), ["symmetric_weak"]),
        (public(symmetric=(AES, 64, CFB)), ["symmetric_weak"]),
        (public(digest=SHA1), ["name_algorithm_weak"]),
        (public(KEYEDHASH), ["key_weak", "symmetric_weak"]),
        (public()[:12], ["unreadable"]),
        (b"", ["unreadable"]),
    ],
)
def test_what_is_weak_is_told(data: bytes, wrong: list[str]) -> None:
    assert weaknesses(data, STORAGE) == wrong


@given(st.integers(0, 2**32 - 1))
def test_each_attribute_that_counts_is_told_and_no_other(attributes: int) -> None:
    told = weaknesses(public(attributes=attributes), STORAGE)
    missing, too_many = STORAGE.needs & ~attributes, STORAGE.forbids & attributes
    assert sum(word.endswith("_missing") for word in told) == bin(missing).count("1")
    assert sum(word.endswith("_set") for word in told) == bin(too_many).count("1")
    assert ("noda_missing" in told) == (not attributes & 1 << 10)


@given(st.binary(max_size=200))
def test_anything_else_is_unfit_and_never_worse(data: bytes) -> None:
    assert isinstance(weaknesses(data, STORAGE), list)
    assert weaknesses(data, SEALED) != [] or data[:2] == b"\0\x08"
