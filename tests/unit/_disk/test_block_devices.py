# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On which disks a device lies."""

from __future__ import annotations

from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._disk.block_devices import Blocks


def disks(tree: Any, name: str) -> set[str]:
    blocks = Blocks(tree.root)
    block = blocks.named(name)
    assert block is not None
    return blocks.disks_of(block)


def test_a_partition_lies_on_its_disk_and_a_disk_on_itself(tree: Any) -> None:
    tree.block("sda", "8:0", partitions=("sda1",))
    tree.block("sda1", "8:1")
    tree.block("sdb", "8:16")
    assert disks(tree, "sda1") == disks(tree, "sda") == {"sda"}
    assert disks(tree, "sdb") == {"sdb"}


def test_what_is_made_of_several_lies_on_all_of_their_disks(tree: Any) -> None:
    tree.block("sda", "8:0", partitions=("sda1",))
    tree.block("sda1", "8:1", holders=("dm-0",))
    tree.block("sdb", "8:16", holders=("dm-0",))
    tree.block("dm-0", "253:0", slaves=("sda1", "sdb"), dm=("root", "LVM-x"))
    assert disks(tree, "dm-0") == {"sda", "sdb"}
