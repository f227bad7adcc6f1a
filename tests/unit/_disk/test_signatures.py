# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.signatures import (
    Signature,
    gathered,
    parse_blkid,
    parse_wipefs,
    without_table,
)

# util-linux 2.38.1
WIPEFS_EXT4 = """{
   "signatures": [
      {
         "offset": "0x438",
         "type": "ext4",
         "usage": "filesystem",
         "uuid": "edba2ce1-da73-4893-8296-11a364bacbab",
         "label": null
      }
   ]
}
"""


def test_wipefs_lists_an_ext4() -> None:
    uuid = "edba2ce1-da73-4893-8296-11a364bacbab"
    assert parse_wipefs(WIPEFS_EXT4) == (Signature("ext4", "filesystem", uuid, None, 0x438),)


@pytest.mark.parametrize("text", ["", "\n", '{\n   "signatures": [\n\n   ]\n}\n'])
def test_wipefs_of_a_blank_device(text: str) -> None:
    assert parse_wipefs(text) == ()


def test_blkid_values_may_hold_an_equals_sign() -> None:
    assert parse_blkid("DEVNAME=/dev/x\nLABEL=a=b\nTYPE=ext4\n")["LABEL"] == "a=b"


def one(kind: str, offset: int, uuid: str | None = None, usage: str = "filesystem") -> Signature:
    return Signature(kind, usage, uuid, None, offset)


def test_one_thing_with_several_magic_strings_is_one_thing() -> None:
    found = [one("vfat", at, "3C85-8803") for at in (0x36, 0, 0x1FE)]
    assert gathered(found) == (Signature("vfat", "filesystem", "3C85-8803", None, 0x36, (0x36, 0, 0x1FE)),)


TABLE = "partition-table"


@pytest.mark.parametrize(
    ("found", "live"),
    [
        ([one("gpt", 0x200, usage=TABLE), one("gpt", 0x3FFFE00, usage=TABLE), one("PMBR", 0x1FE, usage=TABLE)], True),
        ([one("gpt", 0x3FFFE00, usage=TABLE), one("PMBR", 0x1FE, usage=TABLE)], True),
        ([one("gpt", 0x3FFFE00, usage=TABLE)], False),
        ([one("PMBR", 0x1FE, usage=TABLE)], True),
        ([one("btrfs", 0x10040), one("btrfs", 0x4010040)], True),
        ([one("btrfs", 0x4010040)], False),
        ([one("linux_raid_member", 0x3FF0000, usage="raid")], True),
    ],
)
def test_a_backup_alone_is_a_leftover(found: list[Signature], live: bool) -> None:
    (signature,) = gathered(found)
    assert signature.live is live
    assert set(signature.offsets) == {each.offset for each in found}


def test_an_empty_table_in_the_boot_sector_of_a_file_system_is_none() -> None:
    ntfs, dos = one("ntfs", 3, "05E5AD56"), one("dos", 510, usage=TABLE)
    assert without_table([ntfs, dos]) == (ntfs,)
    assert without_table([dos]) == (dos,)
    ext4 = one("ext4", 1080, "1")
    assert without_table([ext4, dos]) == (ext4, dos), "it is not in its boot sector"


@given(st.lists(st.builds(one, st.sampled_from(["ext4", "gpt", "PMBR", "btrfs"]), st.integers(0), st.none())))
def test_no_magic_string_is_lost(found: list[Signature]) -> None:
    kept = sorted(offset for signature in gathered(found) for offset in signature.offsets)
    assert kept == sorted(each.offset for each in found if each.offset is not None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.text() | json_values.map(json.dumps) | json_values.map(lambda value: json.dumps({"signatures": value})))
def test_any_text_gives_signatures_or_malformed(text: str) -> None:
    with suppress(Malformed):
        parse_wipefs(text)
