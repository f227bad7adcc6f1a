# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.blank import places

MIB = 1 << 20
GIB = 1 << 30
SIZES = st.one_of(st.integers(0, 64 * MIB), st.integers(0, 1 << 44), st.integers(0, 1 << 22).map(lambda n: n * MIB))


@given(SIZES)
def test_what_is_read_lies_on_the_device_and_is_little(size: int) -> None:
    read = list(places(size))
    assert all(at >= 0 and at + length <= size for at, length in read)
    assert sum(length for _at, length in read) <= (16 * MIB if size <= 16 * MIB else 8 * MIB)


@given(SIZES)
def test_round_places_are_read(size: int) -> None:
    wanted = {n * 16 * MIB for n in range(65)} | {n * GIB for n in range(65)} | {1 << n for n in range(22, 45)}
    spans = sorted(places(size))
    for at in wanted:
        assert at + 4096 > size or any(begin <= at and at + 4096 <= begin + length for begin, length in spans), at
