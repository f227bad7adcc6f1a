# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of single programs, and what is almost one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.key_formats import (
    BINARY_BEGINS,
    binary_key,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.passphrases import try_known_passphrases
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.private_keys import Secret
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials.secret_formats import (
    may_hold_secrets,
    secrets_in,
)
from tests.support.planted import Planted
from tests.support.planted_programs import keys, near_misses

KEYS = keys(random.Random(0))


def found(name: str, data: bytes) -> list[Secret]:
    path = f"/data/copies/{name}"
    return [try_known_passphrases(each) for each in secrets_in(path, data)] if may_hold_secrets(path, data) else []


@pytest.mark.parametrize("seed", range(5))
def test_each_key_is_recognised_for_what_it_is(seed: int) -> None:
    for planted in keys(random.Random(seed)):
        assert planted.kind is not None
        seen = [
            each._replace(fingerprint=planted.fingerprint or each.fingerprint)
            for each in found(planted.name, planted.data)
        ]
        fingerprint = planted.fingerprint or (seen[0].fingerprint if seen else None)
        assert seen == [Secret(planted.kind, planted.encrypted, fingerprint=fingerprint)], planted.name
        if planted.fingerprint:
            assert found(planted.name, planted.data)[0].fingerprint == planted.fingerprint


@pytest.mark.parametrize("seed", range(5))
def test_what_is_almost_a_key_is_none(seed: int) -> None:
    for planted in near_misses(random.Random(seed)):
        assert found(planted.name, planted.data) == [], planted.name


@given(st.sampled_from(KEYS), st.data())
def test_keys_that_were_changed_are_read_without_a_crash(planted: Planted, data: st.DataObject) -> None:
    changed = bytearray(planted.data)
    for _change in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for secret in secrets_in(planted.name, bytes(changed)):
        try_known_passphrases(secret)


@given(st.sampled_from(BINARY_BEGINS), st.binary(max_size=300))
def test_any_bytes_behind_the_begin_of_a_key_are_read_without_a_crash(begin: bytes, rest: bytes) -> None:
    secret = binary_key(begin + rest)
    if secret is not None:
        try_known_passphrases(secret)


@given(st.sampled_from(KEYS), st.binary(max_size=40), st.data())
def test_the_quick_look_misses_no_key(planted: Planted, noise: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(planted.data)))
    text = data.draw(st.sampled_from((planted.data + noise, planted.data[:at] + noise + planted.data[at:])))
    path = data.draw(st.sampled_from((f"/srv/{planted.name}", "/srv/x.conf", "/srv/x")))
    assert may_hold_secrets(path, text) or secrets_in(path, text) == []
