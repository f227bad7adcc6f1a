# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What storage facts say of files on which the real tools have written."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging.judge import judge

MIB = 1 << 20


def tool(*argv: str, stdin: bytes = b"") -> None:
    subprocess.run(argv, input=stdin, check=True, capture_output=True, env={"PATH": SEARCH_PATH})


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    with path.open("wb") as stream:
        stream.truncate(32 * MIB)
    return path


def facts_of(path: Path) -> dict[str, Any]:
    return dict(collect("/", [Volume("data", str(path), "/data")])["volumes"][0])


def test_blank(image: Path) -> None:
    facts = facts_of(image)
    assert facts["blank"] is True
    assert facts["signatures"] == []
    assert facts["size_bytes"] == 32 * MIB


def test_ext4_is_named_with_its_label_and_uuid(image: Path) -> None:
    uuid = "12345678-1234-1234-1234-123456789abc"
    tool("mkfs.ext4", "-q", "-L", "photos", "-U", uuid, str(image))
    facts = facts_of(image)
    assert facts["blank"] is False
    (signature,) = facts["signatures"]
    assert (signature["type"], signature["label"], signature["uuid"]) == ("ext4", "photos", uuid)


def test_a_partition_table_alone_is_not_blank(image: Path) -> None:
    tool("sfdisk", "-q", str(image), stdin=b"label: gpt\n,\n")
    facts = facts_of(image)
    assert facts["partition_table"] is True
    assert facts["blank"] is False


def test_luks2_as_cryptsetup_writes_it(image: Path) -> None:
    tool(
        *("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--label", "data", "--sector-size", "4096"),
        *("--cipher", "aes-xts-plain64", "--key-size", "512"),
        *("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", str(image), "-"),
        stdin=b"key",
    )
    luks = facts_of(image)["luks"]
    assert (luks["version"], luks["label"], luks["cipher"], luks["sector_size"]) == (2, "data", "aes-xts-plain64", 4096)
    assert luks["keyslots"] == [
        {
            "id": "0",
            "kdf": "pbkdf2",
            "iterations": 1000,
            "time": None,
            "memory_kib": None,
            "cpus": None,
            "key_size": 64,
            "area_cipher": "aes-xts-plain64",
            "area_key_size": 64,
            "priority": 1,
        }
    ]


@pytest.mark.parametrize(
    ("cipher", "bits", "verdict"),
    [
        ("aes-xts-plain64", 512, "pass"),
        ("aes-xts-plain64", 256, "fail"),
        ("aes-cbc-essiv:sha256", 256, "pass"),
        ("aes-cbc-essiv:sha256", 128, "fail"),
    ],
)
def test_the_size_of_a_volume_key_is_judged_by_its_cipher(image: Path, cipher: str, bits: int, verdict: str) -> None:
    tool(
        *("cryptsetup", "luksFormat", "-q", "--type", "luks2", "--cipher", cipher, "--key-size", str(bits)),
        *("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", str(image), "-"),
        stdin=b"key",
    )
    storage = {"volumes": [facts_of(image)]}
    judgement = judge({"edgesec_storage": storage}, {"encrypted_storage_volumes": [{"name": "data"}]})
    (found,) = [each for each in judgement["controls"] if each["id"] == "storage.volume.key_size"]
    assert found["verdict"] == verdict, found


def test_luks1_is_told_apart(image: Path) -> None:
    tool("cryptsetup", "luksFormat", "-q", "--type", "luks1", "--iter-time", "1", str(image), "-", stdin=b"key")
    facts = facts_of(image)
    assert facts["luks"]["version"] == 1
    assert facts["blank"] is False


def test_swap_space_is_not_blank(image: Path) -> None:
    tool("mkswap", str(image))
    assert facts_of(image)["blank"] is False
