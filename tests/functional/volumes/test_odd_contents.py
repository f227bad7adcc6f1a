# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a device holds, in a format that some tool knows or none does: it is not blank, and nothing is written."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.blank import sample
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.swap_main import require_swap_or_blank
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.encrypt_in_place import Job
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.in_place_state import PREPARE, look
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import make, observe
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import ADOPT, ENCRYPT_IN_PLACE, ERASE, plan
from tests.functional.conftest import RECOVERY_KEY, UUID
from tests.support.odd_contents import BY_HAND, LUKS, OLD, OVER_LUKS, SIZE, TOOLS, fill, lay_over, tool


def test_there_are_enough_kinds() -> None:
    assert len(TOOLS) + len(BY_HAND) >= 80


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def volume(path: Path, **more: Any) -> Volume:
    return Volume("data", str(path), **more)


@pytest.mark.parametrize("kind", [*TOOLS, *BY_HAND])
def test_it_is_not_blank_and_stays_as_it_is(kind: str, device: Path) -> None:
    fill(kind, device)
    before = digest(device)
    facts = observe(volume(device))
    assert facts["blank"] is not True
    with pytest.raises(Refused) as refused:
        make(volume(device), uuid=UUID, key=RECOVERY_KEY)
    assert "Nothing was changed" in str(refused.value)
    for way in (ERASE, ADOPT, ENCRYPT_IN_PLACE):
        for consent in ("", "data", OLD.replace("0", "1"), "sha256:"):
            with pytest.raises(Refused):
                plan(facts, volume(device, on_existing_data=way, consent=consent))
    if kind != "swap" and (facts["signatures"] or not facts["sample"]["start_erased"]):
        with pytest.raises(Refused):
            require_swap_or_blank(str(device))
    assert digest(device) == before


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_what_an_erased_device_holds_is_blank(byte: bytes, device: Path) -> None:
    device.write_bytes(byte * SIZE)
    facts = observe(volume(device))
    assert facts["blank"] is True
    assert facts["sample"]["erased"] is True


@pytest.mark.parametrize("first", [b"\0", b"\xff"])
def test_a_part_that_was_discarded_and_a_part_that_was_erased(first: bytes, device: Path) -> None:
    device.write_bytes(first * (8 << 20) + (b"\xff" if first == b"\0" else b"\0") * (SIZE - (8 << 20)))
    assert observe(volume(device))["blank"] is True
    with device.open("r+b") as file:
        file.seek(SIZE - 1)
        file.write(b"\x0f")
    assert observe(volume(device))["blank"] is False


@pytest.mark.parametrize("size", [1 << 30, 16 * 10**9 >> 20 << 20, 32 * 10**9 >> 20 << 20, 1000 * 10**9 >> 20 << 20])
def test_data_at_a_round_place_is_seen(size: int, tmp_path: Path) -> None:
    path = tmp_path / "card"
    round_places = (
        [n << 20 for n in range(16, 1024, 16)] + [n << 30 for n in range(1, 64)] + [1 << n for n in range(40)]
    )
    for at in {at for at in round_places if at < size}:
        with path.open("wb") as file:
            file.truncate(size)
            file.seek(at)
            file.write(b"record")
        assert not sample(str(path)).erased, at


@pytest.mark.parametrize("kind", ["random data, as of closed plain dm-crypt", "a flattened image tree", "minix"])
def test_the_digest_of_its_contents_is_the_consent(kind: str, device: Path) -> None:
    fill(kind, device)
    name = observe(volume(device))["sample"]["digest"]
    with device.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(Refused, match="names something else"):
        make(volume(device, on_existing_data=ERASE, consent=name), uuid=UUID, key=RECOVERY_KEY)
    with device.open("r+b") as file:
        file.seek(-1, 2)
        file.write(last)
    make(volume(device, on_existing_data=ERASE, consent=name), uuid=UUID, key=RECOVERY_KEY)
    assert observe(volume(device))["luks"]["uuid"] == UUID


def test_a_label_that_stands_in_several_places_is_one_label(device: Path) -> None:
    fill("vfat", device)
    (signature,) = observe(volume(device))["signatures"]
    assert (signature["type"], signature["label"], len(signature["offsets"])) == ("vfat", "LABEL", 3)
    make(volume(device, on_existing_data=ERASE, consent="LABEL"), uuid=UUID, key=RECOVERY_KEY)
    assert observe(volume(device))["luks"]["uuid"] == UUID


@pytest.mark.parametrize("label", ["theirs", "edgesec-data"])
@pytest.mark.parametrize("kind", OVER_LUKS)
def test_a_header_below_something_else_never_gives_its_name_to_a_consent(
    kind: str, label: str, device: Path, tmp_path: Path
) -> None:
    tool([*LUKS, "--type", "luks2", "--label", label, str(device)])
    lay_over(kind, device, tmp_path)
    before = digest(device)
    partly = set()
    for way in ("refuse", ERASE, ADOPT, ENCRYPT_IN_PLACE):
        facts = observe(volume(device))
        if [each["type"] for each in facts["signatures"]] == ["crypto_LUKS"] and facts["luks"]:
            # Nothing else is to be seen there, by blkid neither: libcryptsetup takes the second copy.
            assert kind in BY_HAND
            continue
        with pytest.raises(Refused) as refused:
            make(volume(device, on_existing_data=way, consent=OLD), uuid=UUID, key=RECOVERY_KEY)
        assert f"consent: {OLD}" not in str(refused.value)
        # A copy that still holds together is one more thing; of one that does not, nobody can take anything any more.
        if None in [each["live"] for each in facts["signatures"] if each["type"] == "crypto_LUKS"]:
            partly.add(way)
            for name in filter(None, (each["uuid"] for each in facts["signatures"])):
                with pytest.raises(Refused, match=r"several things.*crypto_LUKS.*\(partly overwritten\)"):
                    plan(facts, volume(device, on_existing_data=way, consent=name))
    assert digest(device) == before
    assert partly or kind != "swap", "nothing lies over its second copy"


def test_a_member_of_an_array_is_not_what_its_data_looks_like(device: Path) -> None:
    """RAID1 with its superblock at the end: the file system at the start is that of the array."""
    fill("ext4", device)
    at = (SIZE & ~0xFFFF) - 0x10000
    with device.open("r+b") as file:
        file.seek(at)
        # Magic, version 0.90, and the words that blkid looks at.
        file.write(b"\xfc\x4e\x2b\xa9" + b"\0\0\0\0" + b"\x5a\0\0\0" + bytes(8) + b"\1\2\3\4")
    facts = observe(volume(device))
    kinds = {each["type"] for each in facts["signatures"]}
    if "linux_raid_member" not in kinds:
        pytest.skip("this blkid does not take the superblock that is made here")
    for consent in [each["uuid"] for each in facts["signatures"] if each["uuid"]]:
        for way in (ERASE, ENCRYPT_IN_PLACE, ADOPT):
            with pytest.raises(Refused, match="several things"):
                plan(facts, volume(device, on_existing_data=way, consent=consent))


def test_a_stored_image_is_a_file_of_its_file_system(device: Path, tmp_path: Path) -> None:
    fill("ext4", device)
    stored = tmp_path / "stored"
    with stored.open("wb") as file:
        file.truncate(20 << 20)
    tool([*LUKS, "--type", "luks2", str(stored)])
    with device.open("r+b") as file:
        file.seek(4 << 20)
        file.write(stored.read_bytes()[0x4000:0x8000])
    facts = observe(volume(device))
    assert [(each["type"], each["live"]) for each in facts["signatures"]] == [("ext4", True), ("crypto_LUKS", False)]
    assert facts["luks"] is facts["reason"] is None
    with pytest.raises(Refused) as refused:
        plan(facts, volume(device))
    assert "ext4" in str(refused.value)
    assert "encrypt_in_place and consent: " + facts["signatures"][0]["uuid"] in str(refused.value)
    assert "wipefs" not in str(refused.value)


@pytest.mark.parametrize("at", [0x4000, 0x40000, 0x400000])
def test_a_part_of_a_stored_header_does_not_stop_the_encryption_in_place(at: int, tmp_path: Path) -> None:
    path = tmp_path / "device"
    with path.open("wb") as file:
        file.truncate(128 << 20)
    tool(["mkfs.ext4", "-q", "-U", OLD, str(path), "90M"])
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"SKUL\xba\xbe\0\2" + bytes(500))
    asked = volume(path, on_existing_data=ENCRYPT_IN_PLACE, consent=OLD)
    assert plan(observe(asked), asked).intent == ENCRYPT_IN_PLACE
    assert look(Job(asked, (), "tpm2")).stage == PREPARE
