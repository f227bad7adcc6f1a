# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume

DATA = Volume("data", "/dev/disk/by-partlabel/data", "/data")
METADATA = {
    "keyslots": {
        "0": {"type": "luks2", "key_size": 64, "kdf": {"type": "pbkdf2"}},
        "1": {"type": "luks2", "key_size": 64, "kdf": {"type": "pbkdf2"}},
    },
    "tokens": {"0": {"type": "edgesec-tpm2", "keyslots": ["1"]}},
    "segments": {"0": {"type": "crypt", "offset": "16777216", "encryption": "aes-xts-plain64", "sector_size": 4096}},
    "digests": {},
    "config": {},
}
CRYPT_UUID = "CRYPT-LUKS2-c086ab4ad01c405cba12d0bb2928f19c-data"


def volume_facts(tree: Any) -> dict[str, Any]:
    return dict(collect(tree.root, [DATA])["volumes"][0])


NO_KEYSLOT = dict.fromkeys(
    ["kdf", "iterations", "time", "memory_kib", "cpus", "key_size", "area_cipher", "area_key_size", "priority"], None
)


def test_a_blank_partition(tree: Any) -> None:
    tree.block("vda3", "254:3")
    tree.link(DATA.device, "../../vda3")
    tree.mounts("254:2 / rw,relatime ext4 /dev/vda2 rw")
    facts = volume_facts(tree)
    assert facts["blank"] is True
    assert facts["realpath"] == "/dev/vda3"
    assert facts["size_bytes"] == 1 << 20
    assert facts["luks"] is facts["mapping"] is facts["mount"] is facts["fstab"] is facts["reason"] is None


def test_a_partition_that_a_loop_device_shows_is_in_use(tree: Any) -> None:
    tree.block("vda3", "254:3")
    tree.link(DATA.device, "../../vda3")
    tree.block("loop0", "7:0")
    tree.write("/sys/class/block/loop0/loop/backing_file", "/dev/vda3\n")
    facts = volume_facts(tree)
    assert facts["in_use_as"] == ["loop"]
    assert facts["blank"] is False


def test_lines_of_crypttab_that_open_the_device_or_take_its_name(tree: Any, luks2: Callable[..., bytes]) -> None:
    tree.block("vda3", "254:3", content=luks2(METADATA))
    for link in (DATA.device, "/dev/disk/by-partuuid/abcd"):
        tree.link(link, "../../vda3")
    lines = [
        "# <target> <source>",
        "data PARTLABEL=data none luks",
        "other UUID=c086ab4a-d01c-405c-ba12-d0bb2928f19c /key luks,initramfs",
        'third PARTUUID="abcd"',
        "data /dev/sdz1 none luks",
        "swap /dev/vda4 /dev/urandom swap",
    ]
    tree.write("/etc/crypttab", "\n".join(lines) + "\n")
    found = volume_facts(tree)["crypttab"]
    assert [(each["line"], each["opens_it"], each["early"]) for each in found] == [
        (2, True, False),
        (3, True, True),
        (4, True, False),
        (5, False, False),
    ]


def test_an_encrypted_volume_in_use(tree: Any, luks2: Callable[..., bytes]) -> None:
    tree.block("vda3", "254:3", holders=("dm-0",), content=luks2(METADATA))
    tree.block("dm-0", "253:0", slaves=("vda3",), dm=("data", CRYPT_UUID))
    tree.link(DATA.device, "../../vda3")
    tree.mounts("253:0 /data rw,nosuid,nodev,relatime ext4 /dev/dm-0 rw")
    tree.write("/etc/fstab", "# fstab\n/dev/mapper/data /data ext4 nosuid,nodev,nofail 0 2\n")
    facts = volume_facts(tree)
    assert facts["luks"] == {
        "version": 2,
        "uuid": "c086ab4a-d01c-405c-ba12-d0bb2928f19c",
        "label": "data",
        "cipher": "aes-xts-plain64",
        "sector_size": 4096,
        "keyslots": [
            {**NO_KEYSLOT, "id": "0", "kdf": "pbkdf2", "key_size": 64, "priority": 1},
            {**NO_KEYSLOT, "id": "1", "kdf": "pbkdf2", "key_size": 64, "priority": 1},
        ],
        "tokens": [{"id": "0", "type": "edgesec-tpm2", "maker": "edgesec", "keyslots": ["1"], "pin": False}],
        "requirements": [],
        "subsystem": "",
        "flags": [],
        "json_bytes": 12288,
        "data_offset": 16777216,
    }
    assert facts["mapping"] == {"path": "/dev/mapper/data", "uuid": CRYPT_UUID}
    assert facts["mount"]["source"] == "/dev/mapper/data"
    assert {"nosuid", "nodev"} <= set(facts["mount"]["options"])
    assert facts["fstab"] == {"source": "/dev/mapper/data", "options": ["nosuid", "nodev", "nofail"], "line": 2}
    assert facts["blank"] is False
    assert facts["in_use_as"] == []
    # The header was read in Python: no tool was asked.
    assert facts["source"] == [DATA.device]


def test_a_device_with_a_destroyed_first_header_is_not_blank(tree: Any, luks2: Callable[..., bytes]) -> None:
    tree.block("vda3", "254:3", content=bytes(0x4000) + luks2(METADATA)[0x4000:])
    tree.link(DATA.device, "../../vda3")
    facts = volume_facts(tree)
    assert facts["blank"] is False
    assert facts["luks"]["uuid"] == "c086ab4a-d01c-405c-ba12-d0bb2928f19c"


def test_a_broken_header_is_not_blank_and_says_why(tree: Any, luks2: Callable[..., bytes]) -> None:
    image = bytearray(luks2(METADATA))
    image[5000] ^= 1
    image[0x4000 + 5000] ^= 1
    tree.block("vda3", "254:3", content=bytes(image))
    tree.link(DATA.device, "../../vda3")
    facts = volume_facts(tree)
    assert facts["blank"] is False
    assert facts["luks"] is None
    assert "checksum" in facts["reason"]


def test_hostile_header_values_become_none(tree: Any, luks2: Callable[..., bytes]) -> None:
    words = {"type": 1, "iterations": "9", "time": True, "memory": [], "cpus": {}}
    area = {"encryption": 1, "key_size": "x"}
    hostile = {
        "keyslots": {"0": [], "1": {"kdf": 7, "key_size": "64"}, "2": {"kdf": words, "area": area, "priority": "9"}},
        "tokens": {"0": None, "1": {"type": ["x"], "keyslots": {"a": 1}}},
        "segments": {"0": {"encryption": {"a": 1}, "sector_size": True}},
        "config": {"requirements": {"mandatory": [1, None]}, "flags": {"allow-discards": 1}},
    }
    tree.block("vda3", "254:3", content=luks2(hostile))
    tree.link(DATA.device, "../../vda3")
    facts = volume_facts(tree)
    assert facts["luks"]["cipher"] is facts["luks"]["sector_size"] is None
    assert facts["luks"]["keyslots"][1:] == [{**NO_KEYSLOT, "id": "1", "priority": 1}, {**NO_KEYSLOT, "id": "2"}]
    assert facts["luks"]["tokens"][1] == {"id": "1", "type": None, "maker": None, "keyslots": [], "pin": False}
    assert facts["luks"]["flags"] is None
    json.dumps(facts)


def test_a_missing_device(tree: Any) -> None:
    facts = volume_facts(tree)
    assert facts["exists"] is False
    assert facts["blank"] is None
    assert facts["reason"] == "there is no such device"


def test_a_mounted_device_is_not_blank(tree: Any) -> None:
    tree.block("vda3", "254:3")
    tree.link(DATA.device, "../../vda3")
    tree.mounts("254:3 /srv rw ext4 /dev/vda3 rw")
    facts = volume_facts(tree)
    assert facts["mounted_at"] == ["/srv"]
    assert facts["blank"] is False


def test_a_device_with_partitions_is_not_blank(tree: Any) -> None:
    tree.block("vda", "254:0", partitions=("vda1",))
    facts = collect(tree.root, [Volume("data", "/dev/vda", "/data")])["volumes"][0]
    assert facts["partition_table"] is True
    assert facts["blank"] is False


def test_swap_lvm_and_md_are_named(tree: Any) -> None:
    tree.block("vda3", "254:3", holders=("dm-1", "md0"))
    tree.block("dm-1", "253:1", slaves=("vda3",), dm=("vg-root", "LVM-abc"))
    tree.block("md0", "9:0", slaves=("vda3",))
    tree.link(DATA.device, "../../vda3")
    tree.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/vda3 partition 1 0 -2\n")
    facts = volume_facts(tree)
    assert facts["in_use_as"] == ["lvm", "md", "swap"]
    assert facts["holders"] == ["dm-1", "md0"]
    assert facts["blank"] is False


def test_only_mounts_off_dm_crypt_are_plain(tree: Any) -> None:
    tree.block("vda1", "254:1")
    tree.block("vda2", "254:2")
    tree.block("vda3", "254:3", holders=("dm-0",))
    tree.block("vda4", "254:4", holders=("dm-1",))
    tree.block("dm-0", "253:0", slaves=("vda3",), dm=("data", CRYPT_UUID))
    tree.block("dm-1", "253:1", slaves=("dm-0",), dm=("vg-on_luks", "LVM-1"))
    tree.block("dm-2", "253:2", slaves=("dm-0", "vda4"), dm=("vg-half_on_luks", "LVM-2"))
    tree.block("dm-3", "253:3", slaves=("vda4",), dm=("checked", "CRYPT-VERITY-x-checked"))
    tree.mounts(
        "254:2 / rw,relatime ext4 /dev/vda2 rw",
        "254:1 /boot/efi ro vfat /dev/vda1 rw",
        "253:0 /data rw ext4 /dev/mapper/data rw",
        "253:1 /more rw ext4 /dev/mapper/vg-on_luks rw",
        "253:2 /half rw ext4 /dev/mapper/vg-half_on_luks rw",
        "253:3 /usr rw ext4 /dev/mapper/checked rw",
        "0:5 /run rw tmpfs tmpfs rw",
        "254:2 /again rw ext4 /dev/vda2 rw",
    )
    plain = collect(tree.root, [])["plain_writable_mounts"]
    assert [mount["path"] for mount in plain] == ["/", "/half", "/usr"]


def test_swap_is_encrypted_by_what_lies_below_it(tree: Any) -> None:
    tree.block("vda2", "254:2")
    tree.block("vda3", "254:3", holders=("dm-0",))
    tree.block("dm-0", "253:0", slaves=("vda3",), dm=("data", CRYPT_UUID))
    tree.block("zram0", "252:0")
    tree.mounts("254:2 / rw ext4 /dev/vda2 rw", "253:0 /data rw ext4 /dev/mapper/data rw")
    tree.write("/data/swapfile", "")
    tree.write("/swapfile", "")
    tree.write(
        "/proc/swaps",
        "Filename Type\n/dev/vda2 partition\n/dev/dm-0 partition\n"
        "/data/swapfile file\n/swapfile file\n/dev/zram0 partition\n",
    )
    assert collect(tree.root, [])["swap"] == [
        {"device": "/dev/vda2", "encrypted": False},
        {"device": "/dev/dm-0", "encrypted": True},
        {"device": "/data/swapfile", "encrypted": True},
        {"device": "/swapfile", "encrypted": False},
    ]


def test_names_that_are_no_utf_8_still_give_json(tree: Any) -> None:
    tree.block("vda2", "254:2")
    tree.mounts("254:2 /m\\377 rw ext4 /dev/vda2 rw")
    facts = collect(tree.root, [])
    assert facts["plain_writable_mounts"][0]["path"] == "/m?"
