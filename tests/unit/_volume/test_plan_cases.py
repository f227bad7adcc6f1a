# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is planned for a device with given contents, case by case."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import UNUSED
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import (
    ADOPT,
    ENCRYPT_IN_PLACE,
    ERASE,
    FORMAT,
    contents,
    identifiers,
    keyslots_of,
    plan,
)

DEVICE = "/dev/x"
# Every way in which a device can be in use, but for being mounted.
USES: dict[str, str] = {"holders": "dm-0", "in_use_as": "swap", "partitions_in_use": "/dev/x1"}


def seen(kind: str, uuid: str | None = "one", usage: str | None = "filesystem", **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "usage": usage,
        "uuid": uuid,
        "label": None,
        "live": True,
        "offset": 0,
        "offsets": [0],
        **more,
    }


def facts(*signatures: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = {
        **dict.fromkeys(["partition_table", "partition_table_uuid", "luks", "reason", "parts_elsewhere"]),
        **{name: [] for name in ("named_by", "mounted_at", "holders", "in_use_as", "partitions_in_use")},
        "name": "data",
        "device": DEVICE,
        "exists": True,
        "size_bytes": 4096,
        "blank": False,
        "interrupted": False,
        "sample": {"digest": "sha256:0", "erased": False},
        "signatures": list(signatures),
        **more,
    }
    return as_sent(found)


def as_sent(document: dict[str, Any]) -> dict[str, Any]:
    """As modules get it: no word is the same object as one in the source, so that `is` is not `==`."""
    sent: dict[str, Any] = json.loads(json.dumps(document))
    return sent


def luks(version: int = 2, label: str = "edgesec-data", **more: Any) -> dict[str, Any]:
    slots = [{"id": "0"}, {"id": "1"}]
    kept = {"version": version, "uuid": "one", "label": label, "requirements": [], "data_offset": 1, "tokens": []}
    return {**kept, "keyslots": slots, **more}


def with_luks(header: dict[str, Any], **more: Any) -> dict[str, Any]:
    return facts(seen("crypto_LUKS", usage="crypto"), luks=header, **more)


def volume(way: str = "refuse", consent: str = "", mount: str | None = "/data", device: str = DEVICE) -> Volume:
    return Volume(
        **as_sent({"name": "data", "device": device, "mount": mount, "on_existing_data": way, "consent": consent})
    )


def refusal(of: dict[str, Any], wanted: Volume) -> str:
    with pytest.raises(Refused) as refused:
        plan(of, wanted)
    return str(refused.value)


WAYS = ["refuse", ERASE, ADOPT, ENCRYPT_IN_PLACE]


@pytest.mark.parametrize("way", WAYS)
def test_our_own_volume_is_kept_whatever_is_asked_for(way: str) -> None:
    assert plan(with_luks(luks()), volume(way, "one")).intent is None
    assert plan(with_luks(luks(subsystem=UNUSED)), volume(way, "one")).intent is None
    named = with_luks(luks(), device="/dev/disk/by-label/edgesec-data")
    assert plan(named, volume(way, "one")).intent is None


@pytest.mark.parametrize(
    "other", [luks(1), luks(3), luks(label="edgesec-dat"), luks(label="edgesec-datb"), luks(label="")]
)
def test_a_volume_with_another_version_or_label_is_not_ours(other: dict[str, Any]) -> None:
    refusal(with_luks(other), volume())
    assert plan(with_luks(other), volume(ADOPT, "one")).intent == ADOPT


def test_a_device_that_is_not_there() -> None:
    assert "data" in refusal(facts(exists=False, blank=True), volume())


def test_a_blank_device_is_formatted() -> None:
    planned = plan(facts(blank=True), volume())
    assert planned.intent == FORMAT
    assert f"{DEVICE} (4096 bytes" in planned.text
    assert planned.text.endswith("edgesec-data")


def test_a_size_of_one_is_not_none() -> None:
    assert plan(facts(blank=True, size_bytes=1), volume()).intent == FORMAT
    assert plan(facts(blank=True, size_bytes=None), volume()).intent == FORMAT


def test_a_format_that_was_interrupted_goes_on_only_on_a_device_that_is_else_blank() -> None:
    unfinished = luks(subsystem=UNUSED, keyslots=[])
    assert plan(with_luks(unfinished, blank=True), volume()).intent == FORMAT
    refusal(with_luks(unfinished, blank=False), volume())
    refusal(with_luks(luks(label="other"), blank=True), volume())


@pytest.mark.parametrize("name", ["/dev/disk/by-uuid/one", "/dev/disk/by-label/one"])
def test_a_name_that_goes_with_the_contents_is_refused_where_they_go(name: str) -> None:
    assert "by-partlabel" in refusal(facts(blank=True, device=name), volume(device=name))
    foreign = with_luks(luks(label=""), device=name)
    assert plan(foreign, volume(ADOPT, "one", device=name)).intent == ADOPT


@pytest.mark.parametrize("use", [{name: [word]} for name, word in USES.items()] + [{"mounted_at": ["/data"]}])
def test_what_is_in_use_is_not_erased(use: dict[str, Any]) -> None:
    (word,) = next(iter(use.values()))
    assert word in refusal(facts(seen("ext4"), **use), volume(ERASE, "one"))
    assert plan(facts(seen("ext4")), volume(ERASE, "one")).intent == ERASE


def test_what_could_not_be_determined_is_not_erased() -> None:
    unknown = facts(seen("ext4"), blank=None, reason="it cannot be read")
    assert "it cannot be read" in refusal(unknown, volume(ERASE, "one"))


@pytest.mark.parametrize("way", [ERASE, ADOPT, ENCRYPT_IN_PLACE])
def test_without_a_consent_the_refusal_names_it(way: str) -> None:
    of = with_luks(luks(label="")) if way == ADOPT else facts(seen("ext4"))
    assert f"{way} and consent: one" in refusal(of, volume(way))
    assert f"{way} and consent: one" in refusal(of, volume(way, "two"))
    assert "'two'" in refusal(of, volume(way, "two"))
    planned = plan(of, volume(way, "one"))
    assert planned.intent == way
    assert DEVICE in planned.text


@pytest.mark.parametrize(
    ("of", "keeping"), [(facts(seen("ext4")), ENCRYPT_IN_PLACE), (with_luks(luks(label="")), ADOPT)]
)
def test_the_way_that_keeps_the_data_comes_first(of: dict[str, Any], keeping: str) -> None:
    told = refusal(of, volume())
    assert told.index(f"on_existing_data: {keeping} ") < told.index(f"on_existing_data: {ERASE} ")


def test_each_way_names_the_uuid_before_the_label() -> None:
    header = seen("crypto_LUKS", usage="crypto", label="two")
    for of in (facts(seen("ext4", label="two")), facts(header, luks=luks(label="two"))):
        told = refusal(of, volume())
        assert (told.count("consent: one"), told.count("consent: two")) == (2, 0)


@pytest.mark.parametrize("of", [facts(seen("ext4")), with_luks(luks(label=""))])
def test_a_consent_alone_changes_nothing(of: dict[str, Any]) -> None:
    refusal(of, volume("refuse", "one"))


def test_the_ways_on_are_those_that_there_are() -> None:
    assert [way for way in WAYS[1:] if f"on_existing_data: {way} " in refusal(facts(seen("ext4")), volume())] == [
        ERASE,
        ENCRYPT_IN_PLACE,
    ]
    cases: list[tuple[dict[str, Any], list[str]]] = [
        (facts(seen("f2fs")), [ERASE]),
        (facts(seen("swap", usage="other")), [ERASE]),
        (facts(seen("ext4", usage="other")), [ERASE]),
        (facts(seen("ext4"), parts_elsewhere="its journal"), [ERASE]),
        (with_luks(luks(label="")), [ERASE, ADOPT]),
        (facts(sample=None), []),
    ]
    for of, ways in cases:
        told = refusal(of, volume())
        assert [way for way in WAYS[1:] if f"on_existing_data: {way} " in told] == ways


@pytest.mark.parametrize("use", [{name: [word]} for name, word in USES.items()] + [{"mounted_at": ["/srv"]}])
def test_a_file_system_in_use_elsewhere_is_not_encrypted(use: dict[str, Any]) -> None:
    (word,) = next(iter(use.values()))
    for mount in ("/data", "/zzz", None):
        assert word in refusal(facts(seen("ext4"), **use), volume(ENCRYPT_IN_PLACE, "one", mount))


@pytest.mark.parametrize("kind", ["ext2", "ext3", "ext4", "xfs", "btrfs"])
def test_a_file_system_at_its_mount_is_encrypted(kind: str) -> None:
    mounted = facts(seen(kind), mounted_at=["/data"])
    assert plan(mounted, volume(ENCRYPT_IN_PLACE, "one")).intent == ENCRYPT_IN_PLACE


def test_encryption_that_was_interrupted_goes_on_without_looking_again() -> None:
    begun = facts(interrupted=True, holders=["dm-0"])
    assert plan(begun, volume(ENCRYPT_IN_PLACE)).intent == ENCRYPT_IN_PLACE


@pytest.mark.parametrize("of", [facts(), facts(seen("ext4", usage="raid")), facts(seen("ext4", live=False))])
def test_what_is_no_file_system_is_not_encrypted(of: dict[str, Any]) -> None:
    refusal(of, volume(ENCRYPT_IN_PLACE, "one"))


def test_only_a_luks_volume_is_adopted() -> None:
    assert f"on_existing_data: {ERASE}" in refusal(facts(seen("ext4")), volume(ADOPT, "one"))
    assert plan(with_luks(luks(1, "")), volume(ADOPT, "one")).intent == ADOPT
    assert plan(with_luks(luks(1, "", data_offset=0)), volume(ADOPT, "one")).intent == ADOPT


def test_a_volume_in_use_is_adopted_unless_its_header_has_to_be_converted() -> None:
    for name, word in {**USES, "mounted_at": "/data"}.items():
        assert word in refusal(with_luks(luks(1, ""), **{name: [word]}), volume(ADOPT, "one"))
        assert plan(with_luks(luks(2, ""), **{name: [word]}), volume(ADOPT, "one")).intent == ADOPT


def test_a_volume_that_is_being_changed_is_not_adopted() -> None:
    changing = luks(label="", requirements=["online-reencrypt", "other"])
    assert "online-reencrypt, other" in refusal(with_luks(changing), volume(ADOPT, "one"))


def test_keyslots_are_shown_with_the_tokens_that_have_them() -> None:
    tokens = [{"type": "clevis", "keyslots": ["1"]}]
    assert keyslots_of(luks(tokens=tokens)) == "0, 1 (clevis)"
    assert keyslots_of(luks(keyslots=[])) == "none"
    assert keyslots_of({"version": 1}) not in ("", "none")
    assert "0, 1 (clevis)" in plan(with_luks(luks(label="", tokens=tokens)), volume(ADOPT, "one")).text


@pytest.mark.parametrize(
    ("of", "names"),
    [
        (facts(seen("ext4", label="two")), ["one", "two"]),
        (facts(seen("ext4", label="one")), ["one"]),
        (facts(seen("ext4", None)), ["sha256:0"]),
        (facts(seen("ext4", None), sample=None), []),
        (facts(), ["sha256:0"]),
        (facts(seen("ext4"), partition_table_uuid="table"), ["one"]),
        (facts(seen("gpt", None, "partition-table"), partition_table_uuid="table"), ["table"]),
        (facts(seen("dos", None, "partition-table")), ["sha256:0"]),
        (facts(partition_table=True, partition_table_uuid="table"), ["table"]),
        (facts(seen("gpt", None, "partition-table"), partition_table=True, partition_table_uuid="table"), ["table"]),
        (facts(seen("ext4"), partition_table=True), []),
        (facts(seen("zfs", usage="zzz"), partition_table=True), []),
        (facts(seen("ext4", usage=""), partition_table=True), []),
        (facts(seen("ext4", live=None)), ["one"]),
        (facts(seen("ext4", live=None), seen("xfs")), []),
        (facts(seen("ext4", live=False), seen("xfs", "two")), ["two"]),
        (facts(seen("ext4", live=False)), ["sha256:0"]),
        (facts(signatures=None), ["sha256:0"]),
    ],
)
def test_what_a_consent_may_name(of: dict[str, Any], names: list[str]) -> None:
    assert identifiers(of) == names


def test_what_is_erased_has_a_digest_of_its_own() -> None:
    erased = facts(sample={"digest": "sha256:0", "erased": True})
    (name,) = identifiers(erased)
    assert name.startswith("sha256:")
    assert len(name) == len("sha256:") + 32
    assert name != "sha256:0"


@pytest.mark.parametrize(
    ("of", "parts"),
    [
        (facts(seen("ext4", label="two", offset=None)), ["ext4 uuid one label two"]),
        (facts(seen("ext4", live=None, offset=512)), ["ext4 uuid one at byte 512 (partly overwritten)"]),
        (facts(seen("ext4", live=False)), ["ext4 uuid one at byte 0 (a leftover)", "sha256:0"]),
        (with_luks(luks(1)), ["LUKS1 uuid one at byte 0"]),
        (with_luks(luks(2)), ["LUKS2 uuid one at byte 0"]),
        (facts(seen("crypto_LUKS", usage="crypto")), ["crypto_LUKS uuid one at byte 0"]),
        (facts(seen("ext4"), luks=luks()), ["ext4 uuid one at byte 0"]),
        (facts(seen("zfs"), luks=luks()), ["zfs uuid one at byte 0"]),
        (facts(seen("btrfs"), luks=luks()), ["btrfs uuid one at byte 0"]),
        (facts(seen("gpt", None, "partition-table"), partition_table_uuid="table"), ["(gpt) table at byte 0"]),
        (facts(seen("dos", None, "partition-table")), ["(dos) at byte 0"]),
        (facts(partition_table=True, partition_table_uuid="table"), [" table"]),
        (facts(partition_table=True), ["partition table"]),
        (
            facts(seen("gpt", None, "partition-table"), partition_table=True, partition_table_uuid="table"),
            ["(gpt) table at byte 0"],
        ),
        (facts(), ["sha256:0"]),
        (facts(sample={"digest": "sha256:0", "erased": True}, named_by=["/etc/fstab"]), ["/etc/fstab"]),
        (facts(sample=None, reason="unreadable"), ["unreadable"]),
        (
            facts(
                sample=None,
                mounted_at=["/a"],
                holders=["dm-0"],
                in_use_as=["swap"],
                partitions_in_use=["/dev/x1"],
            ),
            ["/a", "dm-0", "swap", "/dev/x1"],
        ),
        (facts(sample=None), ["recognised"]),
    ],
)
def test_contents_are_shown_one_by_one(of: dict[str, Any], parts: list[str]) -> None:
    shown = contents(of).split("; ")
    assert len(shown) == len(parts)
    for text, part in zip(shown, parts, strict=True):
        assert part in text
        assert "None" not in text
        assert text == text.strip()
