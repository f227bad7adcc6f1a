# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices that hold something, made in a file: by the tool of a format, or by the bytes that the format is known by."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH

SIZE = 24 << 20
OLD = "0d0d0d0d-0d0d-4d0d-8d0d-0d0d0d0d0d0d"
RANDOM = random.Random(1).randbytes(1 << 20)
BCACHE = bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")
LUKS = ["cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--uuid", OLD]
TOOLS = {
    "ext2": ["mkfs.ext2", "-q"],
    "ext3": ["mkfs.ext3", "-q"],
    "ext4": ["mkfs.ext4", "-q", "-L", "PRECIOUS"],
    "ext4 of 1 KiB blocks": ["mkfs.ext4", "-q", "-b", "1024"],
    "a journal of ext4": ["mke2fs", "-q", "-O", "journal_dev"],
    "vfat": ["mkfs.vfat", "-n", "LABEL"],
    "vfat of 32 bits": ["mkfs.vfat", "-F", "32"],
    "minix": ["mkfs.minix"],
    "bfs": ["mkfs.bfs"],
    "swap": ["mkswap"],
    "LUKS1": [*LUKS, "--type", "luks1"],
    "LUKS2": [*LUKS, "--type", "luks2"],
    "a DOS table": ["sfdisk", "dos"],
    "a GPT": ["sfdisk", "gpt"],
    "a Sun label": ["sfdisk", "sun"],
    "an SGI label": ["sfdisk", "sgi"],
}
# Where magic strings stand, from the start or, below zero, from the end; most are not enough for blkid.
BY_HAND: dict[str, list[tuple[int, bytes]]] = {
    "XFS": [(0, b"XFSB\0\0\x10\0")],
    "btrfs": [(0x10040, b"_BHRfS_M")],
    "exFAT": [(3, b"EXFAT   ")],
    "NTFS": [(3, b"NTFS    "), (510, b"\x55\xaa")],
    "F2FS": [(1024, b"\x10\x20\xf5\xf2")],
    "ReiserFS": [(0x10034, b"ReIsEr2Fs")],
    "JFS": [(0x8000, b"JFS1")],
    "NILFS2": [(1030, b"\x34\x34")],
    "GFS2": [(0x10000, b"\x01\x16\x19\x70")],
    "OCFS2": [(0x1000, b"OCFSV2")],
    "HFS+": [(1024, b"H+\0\4")],
    "APFS": [(32, b"NXSB")],
    "romfs": [(0, b"-rom1fs-")],
    "squashfs": [(0, b"hsqs")],
    "EROFS": [(1024, b"\xe2\xe1\xf5\xe0")],
    "ISO 9660": [(0x8001, b"CD001")],
    "UDF": [(0x8801, b"NSR03")],
    "cramfs": [(0, b"\x45\x3d\xcd\x28")],
    "JFFS2": [(0, b"\x85\x19\x01\xe0")],
    "UBI": [(0, b"UBI#\1"), (131072, b"UBI#\1")],
    "UBIFS": [(0, b"\x31\x18\x10\x06")],
    "YAFFS2": [(0, b"\3\0\0\0\1\0\0\0\xff\xff")],
    "ZFS": [(0x20000, b"\x0c\xb1\xba\0\0\0\0\0"), (-0x20000, b"\x0c\xb1\xba\0\0\0\0\0")],
    "bcache": [(4096 + 24, BCACHE)],
    "bcachefs": [(4096 + 24, bytes.fromhex("c68573f666ce90a9d96a60cf803df7ef"))],
    "FileVault": [(88, b"CS"), (0x10000, b"\1\0\0\0")],
    "BitLocker": [(0, b"\xeb\x58\x90-FVE-FS-")],
    "scoutfs": [(65536, b"\x74\x75\x6f\x63\x73\0\0\0")],
    "VMFS": [(0x100000, b"\r\xd0\x01\xc0")],
    "a zoned file system": [(0, b"SFOZ")],
    "LVM": [(512, b"LABELONE"), (512 + 24, b"LVM2 001")],
    "MD 0.90": [(-65536, b"\xfc\x4e\x2b\xa9")],
    "MD 1.0": [(-8192, b"\xfc\x4e\x2b\xa9\1\0\0\0")],
    "MD 1.1": [(0, b"\xfc\x4e\x2b\xa9\1\0\0\0")],
    "MD 1.2": [(4096, b"\xfc\x4e\x2b\xa9\1\0\0\0")],
    "DDF": [(-512, b"\xde\x11\xde\x11")],
    "Intel's RAID": [(-1024, b"Intel Raid ISM Cfg Sig. ")],
    "DRBD": [(-4096, b"\x83\x74\x02\x6b")],
    "Stratis": [(512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh")],
    "VDO": [(0, b"dmvdo001")],
    "dm-verity": [(0, b"verity\0\0")],
    "dm-integrity": [(0, b"integrt\0")],
    "Ceph": [(0, b"bluestore block device\n")],
    "Oracle ASM": [(32, b"ORCLDISK")],
    "a snapshot of LVM": [(0, b"SnAp")],
    "a DASD label": [(8192, b"\xe5\xd6\xd3\xf1")],
    "a BSD label": [(512, b"\x57\x45\x56\x82")],
    "a Mac table": [(0, b"ER"), (512, b"PM")],
    "a GPT whose first copy is gone": [(-512, b"EFI PART\0\0\1\0")],
    "a LUKS2 header that lost its first sector": [(0x4000, b"SKUL\xba\xbe\0\2")],
    "a damaged LUKS2 header": [(0, b"LUKS\xba\xbe\0\2")],
    "an environment of U-Boot": [(0, b"\x12\x34\x56\x78bootcmd=run distro_bootcmd\0\0")],
    "a second environment of U-Boot": [(0x400000 - 0x2000, b"\x12\x34\x56\x78\1bootcmd=run x\0\0")],
    "a flattened image tree": [(0, b"\xd0\x0d\xfe\xed\0\x80\0\0")],
    "a uImage": [(0, b"\x27\x05\x19\x56")],
    "an ARM64 kernel": [(56, b"ARMd")],
    "a boot image of Android": [(0, b"ANDROID!")],
    "a sparse image of Android": [(0, b"\x3a\xff\x26\xed")],
    "a footer of Android's verified boot": [(-64, b"AVBf")],
    "an initramfs": [(0, b"070701")],
    "a gzip file": [(0, b"\x1f\x8b\x08")],
    "a tar archive": [(257, b"ustar\0")],
    "text": [(0, b"device-id=1234\n")],
    "text at a MiB": [(1 << 20, b"calibration=1\n")],
    "one byte at the end": [(-1, b"\1")],
    "one bit in what is erased flash": [(7, b"\1")],
    "a start of zeros, and then data": [(at, RANDOM) for at in range(1 << 20, SIZE, 1 << 20)],
    "random data, as of closed plain dm-crypt": [(at, RANDOM) for at in range(0, SIZE, 1 << 20)],
    "random data in the second half": [(at, RANDOM) for at in range(SIZE // 2, SIZE, 1 << 20)],
}


def tool(argv: list[str], stdin: bytes = b"key") -> None:
    subprocess.run(argv, input=stdin, check=True, capture_output=True, env={"PATH": SEARCH_PATH, "LC_ALL": "C"})


def fill(kind: str, path: Path) -> None:
    if kind in BY_HAND:
        with path.open("r+b") as file:
            for at, data in BY_HAND[kind]:
                file.seek(at, 0 if at >= 0 else 2)
                file.write(data)
    elif TOOLS[kind][0] == "sfdisk":
        tool(["sfdisk", "-q", str(path)], f"label: {TOOLS[kind][1]}\nsize=1M\n".encode())
    else:
        tool([*TOOLS[kind], str(path)])


OVER_LUKS = [
    "ext2",
    "ext4",
    "ext4 of 1 KiB blocks",
    "vfat",
    "swap",
    "LVM",
    "MD 1.2",
    "F2FS",
    "XFS",
    "squashfs",
    "bcachefs",
]


def lay_over(kind: str, device: Path, tmp_path: Path) -> None:
    """Copy something over a LUKS2 volume without its holes, as bmaptool and dd conv=sparse do."""
    other = tmp_path / "other"
    with other.open("wb") as file:
        file.truncate(SIZE)
    fill(kind, other)
    data = other.read_bytes()
    with device.open("r+b") as file:
        for at in range(0, SIZE, 4096):
            if any(data[at : at + 4096]):
                file.seek(at)
                file.write(data[at : at + 4096])
