# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.markers import holds_any, searches_for

# Bytes that are rare, frequent, and special in regular expressions.
_BYTES = st.sampled_from([b"K", b"KE", b"P", b"_", b"-", b".", b"{", b"(", b"\\", b"|", b"a", b"\n", b"\xff"])
_TEXTS = st.lists(_BYTES, max_size=12).map(b"".join)


@given(st.lists(_TEXTS.filter(bool), max_size=6), _TEXTS)
def test_it_holds_one_where_one_is_in_it(markers: list[bytes], text: bytes) -> None:
    assert holds_any(searches_for(markers), text) is any(marker in text for marker in markers)


@given(st.lists(_TEXTS.filter(bool), min_size=1, max_size=6), _TEXTS, _TEXTS, st.data())
def test_each_marker_is_seen_wherever_it_stands(
    markers: list[bytes], before: bytes, after: bytes, data: st.DataObject
) -> None:
    marker = data.draw(st.sampled_from(markers))
    assert holds_any(searches_for(markers), before + marker + after)
