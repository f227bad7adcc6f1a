# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The header allow-list, against headers that cryptsetup made and this test then forged with valid checksums."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins, pins_of, violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import (
    HEADER_BYTES,
    Header,
    NotLuks,
    read_header,
    read_primary,
    read_secondary,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from tests.functional.conftest import RECOVERY_KEY, UUID
from tests.support.forged_header import Forgery, forge


@pytest.fixture
def data(volume: Volume) -> bytes:
    cryptsetup.add_key(volume.device, RECOVERY_KEY, b"tpm", slot="1")
    cryptsetup.import_token(volume.device, "1", {"type": "edgesec-tpm2", "keyslots": ["1"]})
    with Path(volume.device).open("rb") as file:
        return file.read(HEADER_BYTES)


@pytest.fixture
def pins(data: bytes) -> Pins:
    return pins_of(read_header(data))


def test_what_cryptsetup_made_passes(data: bytes, pins: Pins) -> None:
    assert violations(read_primary(data), pins) == []
    assert violations(read_secondary(data), pins) == []
    assert read_primary(data).uuid == UUID


def test_the_reader_agrees_with_cryptsetup(volume: Volume, data: bytes) -> None:
    from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import run

    dumped = json.loads(run(["cryptsetup", "luksDump", "--dump-json-metadata", volume.device]).stdout)
    assert read_header(data).metadata == dumped


def null_keyslot(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["1"]["area"]["encryption"] = "cipher_null-ecb"


def null_segment(metadata: dict[str, Any]) -> None:
    metadata["segments"]["0"]["encryption"] = "cipher_null-ecb"


def second_segment(metadata: dict[str, Any]) -> None:
    metadata["segments"]["1"] = {"type": "linear", "offset": "0", "size": "512"}


def shifted_segment(metadata: dict[str, Any]) -> None:
    metadata["segments"]["0"]["offset"] = "16781312"


def reencryption(metadata: dict[str, Any]) -> None:
    metadata["config"]["requirements"] = {"mandatory": ["online-reencrypt-v2"]}


def extra_keyslot(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["5"] = copy.deepcopy(metadata["keyslots"]["1"])
    metadata["digests"]["0"]["keyslots"].append("5")


def other_volume_key(metadata: dict[str, Any]) -> None:
    metadata["digests"]["0"]["digest"] = "AAAA" + metadata["digests"]["0"]["digest"][4:]


def second_digest(metadata: dict[str, Any]) -> None:
    metadata["digests"]["1"] = copy.deepcopy(metadata["digests"]["0"])


def memory_bomb(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["0"]["kdf"] = {"type": "argon2id", "time": 4, "memory": 2**31, "cpus": 4, "salt": "AAAA"}


def endless_pbkdf2(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["0"]["kdf"]["iterations"] = 2**31


def area_in_the_header(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["1"]["area"]["offset"] = "4096"


def area_in_the_data(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["1"]["area"]["offset"] = "16777216"


def area_over_another(metadata: dict[str, Any]) -> None:
    metadata["keyslots"]["1"]["area"]["offset"] = metadata["keyslots"]["0"]["area"]["offset"]


def foreign_token(metadata: dict[str, Any]) -> None:
    metadata["tokens"]["0"] = {"type": "systemd-tpm2", "keyslots": ["1"]}


def unknown_flag(metadata: dict[str, Any]) -> None:
    metadata["config"]["flags"] = ["no-journal"]


def no_config(metadata: dict[str, Any]) -> None:
    del metadata["config"]


def no_area(metadata: dict[str, Any]) -> None:
    del metadata["keyslots"]["0"]["area"]


FORGERIES = [
    null_keyslot,
    null_segment,
    second_segment,
    shifted_segment,
    reencryption,
    extra_keyslot,
    other_volume_key,
    second_digest,
    memory_bomb,
    endless_pbkdf2,
    area_in_the_header,
    area_in_the_data,
    area_over_another,
    foreign_token,
    unknown_flag,
    no_config,
    no_area,
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_header_is_found_in_either_copy(data: bytes, pins: Pins, forgery: Forgery) -> None:
    assert violations(read_primary(forge(data, forgery)), pins)
    second = read_primary(data).size
    assert violations(read_secondary(forge(data, forgery, at=second)), pins)


def test_an_argon2i_keyslot_of_an_older_release_passes(data: bytes, pins: Pins) -> None:
    def argon2i(metadata: dict[str, Any]) -> None:
        metadata["keyslots"]["0"]["kdf"] = {"type": "argon2i", "time": 4, "memory": 65536, "cpus": 4, "salt": "AAAA"}

    assert violations(read_primary(forge(data, argon2i)), pins) == []


def argon2id(time: int, memory: int) -> Forgery:
    def forgery(metadata: dict[str, Any]) -> None:
        kdf = {"type": "argon2id", "time": time, "memory": memory, "cpus": 4, "salt": "AAAA"}
        metadata["keyslots"]["0"]["kdf"] = kdf

    return forgery


# As cryptsetup's benchmark chooses them for two seconds: the less memory there is, the more passes over it.
@pytest.mark.parametrize(("time", "memory"), [(4, 1024 * 1024), (27, 64 * 1024), (110, 16 * 1024), (20, 1024 * 1024)])
def test_a_key_derivation_that_was_chosen_for_little_memory_passes(
    data: bytes, pins: Pins, time: int, memory: int
) -> None:
    assert violations(read_primary(forge(data, argon2id(time, memory))), pins) == []


@pytest.mark.parametrize(
    ("time", "memory"), [(0, 65536), (4, 0), (21, 1024 * 1024), (321, 65536), (1, 1024 * 1024 + 1)]
)
def test_a_key_derivation_that_costs_too_much_or_nothing_does_not(
    data: bytes, pins: Pins, time: int, memory: int
) -> None:
    assert violations(read_primary(forge(data, argon2id(time, memory))), pins) != []


@pytest.mark.parametrize("field", ["uuid", "label", "volume_key_fingerprint", "cipher"])
def test_another_volume_is_not_this_volume(data: bytes, pins: Pins, field: str) -> None:
    another: Any = {field: "another"}
    assert violations(read_primary(data), pins._replace(**another))


def test_of_two_valid_copies_the_newer_counts(data: bytes) -> None:
    size = read_primary(data).size
    older = bytearray(data)
    whole = bytearray(older[size : 2 * size])
    struct.pack_into(">Q", whole, 16, 1)
    whole[448:512] = bytes(64)
    whole[448:480] = hashlib.sha256(whole).digest()
    older[size : 2 * size] = whole
    assert read_header(bytes(older)).seqid == read_primary(data).seqid


def test_one_damaged_copy_leaves_the_other(data: bytes) -> None:
    size = read_primary(data).size
    torn = bytes(8192) + data[8192:]
    assert read_header(torn) == read_secondary(data)
    assert read_header(data[: size + 100] + bytes(4096) + data[size + 4196 :]) == read_primary(data)


def test_a_changed_byte_is_not_read(data: bytes) -> None:
    at = data.index(b'"keyslots"')
    with pytest.raises(Malformed, match="checksum"):
        read_primary(data[:at] + b"\x00" + data[at + 1 :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600), st.integers(0, 5000))
def test_bytes_that_are_no_header_are_called_so(junk: bytes, padding: int) -> None:
    with pytest.raises(Malformed):
        read_header(b"LUKS\xba\xbe\x00\x02" + junk + bytes(padding))
    with pytest.raises(NotLuks):
        read_header(b"\x00" + junk)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_metadata_however_odd_passes_or_crashes_the_check(data: bytes, pins: Pins, draw: st.DataObject) -> None:
    """Put something else in one place of the JSON: the check answers, and finds it wherever it matters."""
    header = read_primary(data)
    metadata = copy.deepcopy(header.metadata)
    part: Any = metadata
    while True:
        key = draw.draw(st.sampled_from(sorted(part)))
        if not isinstance(part[key], dict) or not part[key] or draw.draw(st.booleans()):
            break
        part = part[key]
    odd = draw.draw(st.one_of(st.none(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just([{}])))
    ignored = key in ("json_size", "keyslots_size", "keyslots_area_size") or part.get("type") == "edgesec-tpm2"
    same = part[key] == odd
    part[key] = odd
    found = violations(header._replace(metadata=metadata), pins)
    assert isinstance(found, list)
    if isinstance(header, Header) and not same and not ignored and key in ("encryption", "offset", "stripes", "kdf"):
        assert found
