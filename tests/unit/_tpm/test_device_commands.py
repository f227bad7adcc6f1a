# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a TPM answers, it is understood or refused, and nothing else happens."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.device_commands import (
    code_of,
    data_in,
    handles_in,
    name_in,
    nv_indices,
    nv_read,
    nv_read_public,
    pcr_extend,
    read_public,
)


def answer(body: bytes, code: int = 0) -> bytes:
    return struct.pack(">HII", 0x8001, 10 + len(body), code) + body


def test_commands_say_how_long_they_are() -> None:
    extended = pcr_extend(14, {"sha1": bytes(20), "sha256": bytes(32)})
    for command in (read_public(0x81000001), nv_read_public(0x1800010), nv_indices(), nv_read(0x1800010, 8), extended):
        assert struct.unpack_from(">HI", command)[1] == len(command)


def test_answers_are_taken_apart() -> None:
    name = bytes(range(34))
    named = answer(struct.pack(">H", 3) + b"key" + struct.pack(">H", len(name)) + name + b"\0\0")
    assert (code_of(named), name_in(named)) == (0, name)
    assert handles_in(answer(struct.pack(">BIIII", 0, 1, 2, 0x1800010, 0x1C00002))) == {0x1800010, 0x1C00002}
    assert data_in(answer(struct.pack(">IH", 10, 8) + b"contents" + b"\0" * 5)) == b"contents"
    assert code_of(answer(b"", 0x18B)) == 0x18B


def test_a_list_that_goes_on_is_refused() -> None:
    with pytest.raises(Malformed, match="more than"):
        handles_in(answer(struct.pack(">BIII", 1, 1, 1, 0x1800010)))


@given(body=st.binary(max_size=80), cut=st.integers(0, 12))
@pytest.mark.parametrize("reader", [name_in, handles_in, data_in])
def test_whatever_it_answers(reader: Callable[[bytes], object], body: bytes, cut: int) -> None:
    whole = answer(body)
    for data in (whole, whole[: len(whole) - cut], body):
        for take in (code_of, reader):
            try:
                take(data)
            except Malformed:
                continue
