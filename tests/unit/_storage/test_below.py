# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each writable mount and swap is followed to its last device; what cannot be followed is never told as encrypted."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect, place_of

LUKS = "CRYPT-LUKS2-c086ab4ad01c405cba12d0bb2928f19c-"
ROOT = "253:0 / rw ext4 /dev/mapper/root rw"


@pytest.fixture
def device(tree: Any) -> Any:
    """The root on a mapping; another mapping c1, and vdb, vdc in clear."""
    tree.block("vda", "254:0", holders=("dm-0", "dm-1"))
    tree.block("dm-0", "253:0", slaves=("vda",), dm=("root", LUKS + "root"))
    tree.block("dm-1", "253:1", slaves=("vda",), dm=("c1", LUKS + "c1"))
    tree.block("vdb", "254:16")
    tree.block("vdc", "254:32")
    return tree


def plain(tree: Any, *mounts: str) -> list[tuple[str, bool | None]]:
    tree.mounts(ROOT, *mounts)
    return [(each["path"], each["encrypted"]) for each in collect(tree.root, [])["plain_writable_mounts"]]


def f2fs(*paths: str) -> bytes:
    entries = b"".join(struct.pack("<64sI", path.encode(), 1) for path in paths)
    return bytes(1024) + (b"\x10\x20\xf5\xf2".ljust(2201, b"\0") + entries).ljust(4096, b"\0")


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("254:16 /data rw ext4 /dev/vdb rw", False),
        ("0:45 /data rw ubifs ubi0:data rw", False),
        ("0:45 /data rw jffs2 mtd4 rw", False),
        ("31:4 /data rw jffs2 /dev/mtdblock4 rw", False),
        ("0:45 /data rw yaffs2 mtd4 rw", False),
        ("0:45 /data rw zfs tank/data rw", None),
        ("0:45 /data rw bcachefs /dev/vdb:/dev/vdc rw", False),
        ("0:45 /data rw bcachefs /dev/vdy:/dev/vdz rw", None),
        ("0:45 /data rw bcachefs /dev/mapper/c1:/dev/vdb rw", False),
        ("0:45 /data rw newfs something rw", None),
        ("253:1 /data rw xfs /dev/mapper/c1 rw,logdev=/dev/vdb", False),
        ("253:1 /data rw xfs /dev/mapper/c1 rw,rtdev=/dev/nowhere", None),
        ("0:45 /data rw btrfs /dev/mapper/c1 rw", None),
        ("254:16 /data rw fuseblk /dev/vdb rw", False),
    ],
)
def test_written_in_clear_or_not_known(mount: str, expected: bool | None, device: Any) -> None:
    assert plain(device, mount) == [("/data", expected)]
    assert place_of(device.root, "/data")["encrypted"] is expected


@pytest.mark.parametrize(
    "mount",
    [
        "253:1 /data rw ext4 /dev/mapper/c1 rw",
        "253:1 /data rw xfs /dev/mapper/c1 rw,logdev=/dev/mapper/root",
        "254:16 /data ro ext4 /dev/vdb rw",
        "254:16 /data rw ext4 /dev/vdb ro",
        "0:45 /data rw tmpfs tmpfs rw",
        "0:45 /data rw nfs4 server:/data rw",
        "0:45 /data rw 9p share rw",
        "0:45 /data rw virtiofs share rw",
        "0:45 /data rw fuse.sshfs host:/x rw",
        "0:45 /data rw cgroup2 cgroup2 rw",
        "0:45 /data rw overlay overlay rw,lowerdir=/a:/b",
        "0:45 /data rw overlay overlay rw,lowerdir=/a,upperdir=/upper,workdir=/w",
    ],
)
def test_what_is_not_written_in_clear(mount: str, device: Any) -> None:
    device.write("/upper/file", "")
    assert plain(device, mount) == []


def test_btrfs_is_on_all_its_devices(device: Any) -> None:
    mount = "0:45 /data rw btrfs /dev/mapper/c1 rw"
    device.write("/sys/fs/btrfs/features/x", "")
    device.link("/sys/fs/btrfs/1111/devices/dm-1", "../../../../class/block/dm-1")
    assert plain(device, mount) == []
    device.link("/sys/fs/btrfs/1111/devices/vdc", "../../../../class/block/vdc")
    assert plain(device, mount) == [("/data", False)]


def test_f2fs_is_on_the_devices_of_its_superblock(device: Any) -> None:
    mount = "253:1 /data rw f2fs /dev/mapper/c1 rw"
    assert plain(device, mount) == [("/data", None)], "a superblock that cannot be read"
    device.write("/dev/dm-1", f2fs())
    assert plain(device, mount) == []
    device.write("/dev/dm-1", f2fs("/dev/mapper/c1", "/dev/vdc"))
    assert plain(device, mount) == [("/data", False)]


def test_an_overlay_is_where_its_upper_directory_is(device: Any) -> None:
    overlay = "0:45 /data rw overlay overlay rw,lowerdir=/a,upperdir=/up/x"
    for missing in (overlay, overlay.replace("/up/x", "up/x")):
        found = plain(device, "254:16 /up ro ext4 /dev/vdb ro", missing)
        assert found == [("/data", None)], "an initramfs had it elsewhere"
    device.write("/up/x/file", "")
    assert plain(device, "254:16 /up rw ext4 /dev/vdb rw", overlay) == [("/up", False)]
    assert place_of(device.root, "/data")["encrypted"] is False
    assert plain(device, "254:16 /up ro ext4 /dev/vdb rw", overlay) == [("/data", False)]
    device.mounts("0:45 / rw overlay overlay rw,lowerdir=/a,upperdir=/up/x")
    found = collect(device.root, [])["plain_writable_mounts"]
    assert [(each["path"], each["encrypted"]) for each in found] == [("/", None)], (
        "its upper directory is not to be seen"
    )


@pytest.mark.parametrize(("backing", "expected"), [("/srv/image", []), ("/up/image (deleted)", [("/data", False)])])
def test_a_loop_device_is_where_its_file_is(backing: str, expected: list[Any], device: Any) -> None:
    device.block("loop0", "7:0")
    device.write("/sys/class/block/loop0/loop/backing_file", f"{backing}\n")
    mounts = ["254:16 /up ro ext4 /dev/vdb rw", "7:0 /data rw ext4 /dev/loop0 rw"]
    assert plain(device, *mounts) == expected


def test_an_external_journal_in_clear_is_named(device: Any) -> None:
    device.write("/proc/fs/jbd2/dm-0-8/info", "")
    assert plain(device) == []
    device.write("/proc/fs/jbd2/vdc/info", "")
    assert plain(device) == [("(a journal)", False)]


def test_no_mount_is_cut_off(device: Any) -> None:
    lower = ":".join(f"/var/lib/docker/overlay2/l/{each:026d}" for each in range(60))
    many = [f"0:{100 + n} /m{n} rw overlay overlay rw,lowerdir={lower}" for n in range(600)]
    assert len("".join(many)) > 1 << 20
    assert plain(device, *many, "254:16 /data rw ext4 /dev/vdb rw") == [("/data", False)]


@pytest.mark.parametrize(
    ("swap", "expected"),
    [
        ("/my\\040files/swap file", False),
        ("/my\\040files/swapfile", False),
        ("/swapfile", True),
        ("/dev/vdb partition", False),
        ("/dev/dm-1 partition", True),
        ("/dev/nbd0 partition", None),
        ("/dev/zram1 partition", False),
        ("/files/swapfile\\040(deleted) file", False),
    ],
)
def test_swap_is_where_its_file_or_device_is(swap: str, expected: bool | None, device: Any) -> None:
    device.block("nbd0", "43:0")
    device.block("zram0", "252:0")
    device.block("zram1", "252:1")
    device.write("/sys/class/block/zram1/backing_dev", "/dev/vdb\n")
    point = "/files" if swap.startswith("/files") else "/my\\040files"
    device.mounts(ROOT, f"254:16 {point} rw ext4 /dev/vdb rw")
    device.write("/my files/swapfile", "")
    device.write("/proc/swaps", f"Filename Type\n/dev/zram0 partition\n{swap}\n")
    (found,) = collect(device.root, [])["swap"]
    assert found["encrypted"] is expected
    assert "\\" not in found["device"]
