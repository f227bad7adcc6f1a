# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kernel's table of a mapping, as bytes, and each way in which it can differ from the pins of a volume."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.dm_table import (
    Table,
    Target,
    differences,
    parse_table,
)

UUID = "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"
PINS = Pins(UUID, "edgesec-data", "aes-xts-plain64", 4096, 16 << 20, "fingerprint")
KEY = f":64:logon:cryptsetup:{UUID}-d0"
NAME = f"CRYPT-LUKS2-{UUID.replace('-', '')}-data"
SECTORS = 48 << 20 >> 9
OPTIONS = ("2", "sector_size:4096", "allow_discards")


@pytest.fixture
def device(tmp_path: Path) -> str:
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    return str(path)


def crypt(path: str, **changes: str) -> Target:
    number = os.stat(path).st_rdev
    values = {
        "cipher": "aes-xts-plain64",
        "key": KEY,
        "iv": "0",
        "device": f"{os.major(number)}:{os.minor(number)}",
        "offset": str(16 << 20 >> 9),
        **changes,
    }
    return Target(0, SECTORS, "crypt", (*values.values(), *OPTIONS))


def answer(table: Table) -> bytes:
    """As the kernel gives it: linux/dm-ioctl.h."""
    targets = b""
    for target in table.targets:
        text = " ".join(target.parameters).encode() + b"\0"
        text = text.ljust(-(-len(text) // 8) * 8, b"\0")
        following = len(targets) + 40 + len(text)
        targets += struct.pack("=QQiI16s", target.start, target.length, 0, following, target.kind.encode()) + text
    head = struct.pack(
        "=IIIIIIiIIIQ128s129s7s",
        *(4, 48, 0, 16384, 312, len(table.targets), 0, 0, 0, 0, 0, b"data", table.uuid.encode(), b""),
    )
    return (head + targets).ljust(16384, b"\0")


def test_what_the_kernel_answers_is_read(device: str) -> None:
    table = Table(NAME, (crypt(device), Target(SECTORS, 8, "linear", ("8:1", "0"))))
    assert parse_table(answer(table)) == table


def test_an_answer_that_is_cut_short_is_called_so(device: str) -> None:
    whole = answer(Table(NAME, (crypt(device),)))
    with pytest.raises(Malformed):
        parse_table(whole[:330])
    with pytest.raises(Malformed):
        parse_table(whole[:28] + struct.pack("=I", 1 << 8) + whole[32:])


def test_a_mapping_as_it_was_pinned_passes(device: str) -> None:
    assert differences(Table(NAME, (crypt(device),)), "data", PINS, device) == []
    by_value = crypt(device, key="0" * 128)
    assert differences(Table(NAME, (by_value,)), "data", PINS, device) == []


@pytest.mark.parametrize("length", [1, 82, 83, 84, 127])
def test_the_name_of_a_volume_may_be_as_long_as_the_kernel_lets_it(device: str, length: int) -> None:
    """The kernel has 129 bytes for the UUID (DM_UUID_LEN), and libcryptsetup cuts what it makes to fit them."""
    name = "a" * length
    uuid = (NAME.removesuffix("data") + name)[:128]
    table = parse_table(answer(Table(uuid, (crypt(device),))))
    assert differences(table, name, PINS, device) == []
    assert differences(table._replace(uuid=uuid[:-1] + "b"), name, PINS, device) != []


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"cipher": "cipher_null-ecb"}, "cipher"),
        ({"key": f":64:logon:cryptsetup:{UUID[::-1]}-d0"}, "key"),
        ({"key": ":64:user:mine"}, "key"),
        ({"iv": "8"}, "offset of the IV"),
        ({"device": "254:9"}, "device"),
        ({"offset": "8"}, "offset"),
    ],
)
def test_each_parameter_that_differs_is_named(device: str, change: dict[str, str], seen: str) -> None:
    (found,) = differences(Table(NAME, (crypt(device, **change),)), "data", PINS, device)
    assert seen in found


def test_everything_else_that_differs_is_named(device: str) -> None:
    good = crypt(device)
    for table, seen in (
        (Table(NAME.replace("7f0c", "0000"), (good,)), "UUID"),
        (Table(NAME, (good._replace(length=8),)), "length"),
        (Table(NAME, (good, good._replace(start=SECTORS))), "length"),
        (Table(NAME, ()), "length"),
        (Table(NAME, (good._replace(kind="linear"),)), "target type"),
        (Table(NAME, (good._replace(parameters=good.parameters[:5]),)), "sector size"),
        (Table(NAME, (good._replace(parameters=(*good.parameters, "integrity:28:aead")),)), "integrity"),
    ):
        found = differences(table, "data", PINS, device)
        assert len(found) == 1, found
        assert seen in found[0]


def test_while_data_is_encrypted_in_place_a_part_may_be_mapped_in_clear(device: str) -> None:
    encrypted, number = crypt(device), crypt(device).parameters[3]
    moving = Table(NAME, (encrypted, Target(SECTORS, 8, "linear", (number, "0"))))
    assert differences(moving, "data", PINS._replace(in_place=True), device) == []
    assert differences(moving, "data", PINS, device) != []
    assert differences(moving, "data", PINS._replace(next_volume_key_fingerprint="x"), device) != []
    elsewhere = Table(NAME, (encrypted, Target(SECTORS, 8, "linear", ("254:9", "0"))))
    assert differences(elsewhere, "data", PINS._replace(in_place=True), device) != []
