# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers of an encryption, or re-encryption, that is under way: how far it is, and forged ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.reencryption import (
    ENCRYPT,
    REENCRYPT,
    Mode,
    Progress,
    is_rekeyed,
    is_under_way,
    progress,
    when_finished,
)

MIB = 1 << 20
CRYPT = {"type": "crypt", "iv_tweak": "0", "encryption": "aes-xts-plain64", "sector_size": 4096}
# As cryptsetup leaves it after a part of a device of 384 MiB: the end is encrypted, the start is not yet.
METADATA: dict[str, Any] = {
    "keyslots": {
        "0": {"type": "luks2"},
        "2": {
            "type": "reencrypt",
            "mode": "encrypt",
            "direction": "backward",
            "area": {"type": "datashift", "shift_size": str(16 * MIB)},
        },
    },
    "tokens": {},
    "segments": {
        "0": {"type": "linear", "offset": str(368 * MIB), "size": str(16 * MIB)},
        "1": {"type": "linear", "offset": str(16 * MIB), "size": str(240 * MIB)},
        "2": {**CRYPT, "offset": str(272 * MIB), "size": str(96 * MIB), "iv_tweak": str(256 * MIB // 512)},
        "3": {"type": "linear", "offset": str(368 * MIB), "size": str(16 * MIB), "flags": ["backup-moved-segment"]},
        "4": {"type": "linear", "offset": "0", "size": str(352 * MIB), "flags": ["backup-previous"]},
        "5": {**CRYPT, "offset": str(16 * MIB), "size": "dynamic", "flags": ["backup-final"]},
    },
    "digests": {
        "0": {"type": "pbkdf2", "keyslots": ["0"], "segments": ["2", "5"]},
        "1": {"type": "pbkdf2", "keyslots": ["2"], "segments": []},
    },
    "config": {"json_size": "61440", "requirements": {"mandatory": ["online-reencrypt-v2"]}},
}
# As cryptsetup leaves it after a part of a device of 384 MiB: the start has the next volume key, the end not yet.
REKEYED: dict[str, Any] = {
    "keyslots": {
        **{slot: {"type": "luks2"} for slot in ("0", "1", "2", "3")},
        "4": {"type": "reencrypt", "mode": "reencrypt", "direction": "forward", "area": {"type": "checksum"}},
    },
    "tokens": {},
    "segments": {
        "0": {**CRYPT, "offset": str(16 * MIB), "size": str(96 * MIB)},
        "1": {**CRYPT, "offset": str(112 * MIB), "size": str(16 * MIB), "flags": ["in-reencryption"]},
        "2": {**CRYPT, "offset": str(128 * MIB), "size": "dynamic"},
        "3": {**CRYPT, "offset": str(16 * MIB), "size": "dynamic", "flags": ["backup-previous"]},
        "4": {**CRYPT, "offset": str(16 * MIB), "size": "dynamic", "flags": ["backup-final"]},
    },
    "digests": {
        "0": {"type": "pbkdf2", "keyslots": ["1", "3"], "segments": ["2", "3"]},
        "1": {"type": "pbkdf2", "keyslots": ["0", "2"], "segments": ["0", "1", "4"]},
        "2": {"type": "pbkdf2", "keyslots": ["4"], "segments": []},
    },
    "config": {"json_size": "61440", "requirements": {"mandatory": ["online-reencrypt-v2"]}},
}


def header(metadata: Any) -> Header:
    return Header(2, "uuid", "edgesec-data", "", 7, 65536, metadata)


def changed(change: Callable[[dict[str, Any]], None], origin: dict[str, Any] | None = None) -> Header:
    metadata = copy.deepcopy(origin or METADATA)
    change(metadata)
    return header(metadata)


def test_progress() -> None:
    assert progress(header(METADATA), 384 * MIB) == Progress(96 * MIB, 352 * MIB)
    assert progress(header(REKEYED), 384 * MIB) == Progress(96 * MIB, 368 * MIB)
    assert progress(changed(lambda metadata: metadata["config"].pop("requirements")), 384 * MIB) is None


def test_what_it_will_be() -> None:
    final, found = when_finished(header(METADATA), ENCRYPT)
    assert found == []
    assert not is_under_way(final)
    assert final.segments == {"0": {**CRYPT, "offset": str(16 * MIB), "size": "dynamic"}}
    assert set(final.keyslots) == {"0"}
    assert set(final.digests) == {"0"}
    assert final.digests["0"]["segments"] == ["0"]


def test_what_a_rotated_volume_will_be() -> None:
    final, found = when_finished(header(REKEYED), REENCRYPT)
    assert found == []
    assert not is_under_way(final)
    assert final.segments == {"0": {**CRYPT, "offset": str(16 * MIB), "size": "dynamic"}}
    assert set(final.keyslots) == {"0", "1", "2", "3"}
    assert {name: digest["segments"] for name, digest in final.digests.items()} == {"0": [], "1": ["0"]}
    assert final.unbound_keyslots == ["1", "3"]
    assert final.volume_key_fingerprint == header(REKEYED).volume_key_fingerprint


def test_one_kind_is_not_taken_for_the_other() -> None:
    assert (is_rekeyed(header(METADATA)), is_rekeyed(header(REKEYED))) == (False, True)
    assert when_finished(header(METADATA), REENCRYPT)[1] != []
    assert when_finished(header(REKEYED), ENCRYPT)[1] != []


def other_cipher(metadata: dict[str, Any]) -> None:
    metadata["segments"]["2"]["encryption"] = "cipher_null-ecb"


def other_segment(metadata: dict[str, Any]) -> None:
    metadata["segments"]["1"]["type"] = "zero"


def decryption(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["2"]["mode"] = "decrypt"


def no_resilience(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["2"]["area"]["type"] = "none"


def other_requirement(metadata: dict[str, Any]) -> None:
    metadata["config"]["requirements"]["mandatory"] = ["online-reencrypt-v2", "opal"]


def two_ends(metadata: dict[str, Any]) -> None:
    metadata["segments"]["6"] = dict(metadata["segments"]["5"])


def no_description(metadata: dict[str, Any]) -> None:
    del metadata["keyslots"]["2"]


def digest_of_others(metadata: dict[str, Any]) -> None:
    metadata["digests"]["0"]["segments"] = ["2"]


@pytest.mark.parametrize(
    "forgery",
    [
        other_cipher,
        other_segment,
        decryption,
        no_resilience,
        other_requirement,
        two_ends,
        no_description,
        digest_of_others,
    ],
)
def test_forgeries(forgery: Callable[[dict[str, Any]], None]) -> None:
    assert when_finished(changed(forgery), ENCRYPT)[1] != []


def rest_in_clear(metadata: dict[str, Any]) -> None:
    metadata["segments"]["2"] = {"type": "linear", "offset": str(128 * MIB), "size": "dynamic"}


def null_cipher_for_the_rest(metadata: dict[str, Any]) -> None:
    metadata["segments"]["2"]["encryption"] = "cipher_null-ecb"


def two_final_keys(metadata: dict[str, Any]) -> None:
    metadata["digests"]["0"]["segments"].append("4")


def backwards(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["4"]["direction"] = "backward"


@pytest.mark.parametrize("forgery", [rest_in_clear, null_cipher_for_the_rest, two_final_keys, backwards])
def test_forgeries_of_a_rotation(forgery: Callable[[dict[str, Any]], None]) -> None:
    assert when_finished(changed(forgery, REKEYED), REENCRYPT)[1] != []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.fixed_dictionaries(
        {part: st.dictionaries(st.sampled_from(["0", "1", "5"]), JSON, max_size=3) | JSON for part in METADATA}
    ),
    st.sampled_from([ENCRYPT, REENCRYPT]),
)
def test_hostile_metadata(metadata: dict[str, Any], mode: Mode) -> None:
    hostile = header(metadata)
    when_finished(hostile, mode)
    assert is_rekeyed(hostile) in (True, False)
    assert hostile.unbound_keyslots == sorted(hostile.unbound_keyslots)
    seen = progress(hostile, 384 * MIB)
    assert seen is None or seen.done <= seen.total
