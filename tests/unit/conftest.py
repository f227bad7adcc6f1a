# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._ansible.every_area import collect
from tests.support.hardened_facts import after, before, policy, sealed

__all__ = ["after", "before", "policy", "sealed"]

NOTHING_DECLARED: dict[str, Any] = {
    "gather_subset": ["all"],
    "swap": [],
    "volumes": [],
    "credential_files": [],
    "discover": None,
    "sealed": [],
    "boot_paths": ["/boot", "/boot/efi", "/efi", "/boot/firmware"],
    "identity": {},
    "tcti": None,
}


def everything(root: str, **declared: Any) -> dict[str, Any]:
    """All facts below a root, with nothing declared but what is given."""
    return collect({**NOTHING_DECLARED, **declared, "root": root})


class Tree:
    """A captured device: files below a directory that stands for its root."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = str(path)
        self.mounts()

    def write(self, name: str, content: str | bytes) -> None:
        target = self.path / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def link(self, name: str, to: str) -> None:
        target = self.path / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(to, target)

    def block(
        self,
        name: str,
        number: str,
        *,
        slaves: tuple[str, ...] = (),
        holders: tuple[str, ...] = (),
        dm: Optional[tuple[str, str]] = None,
        partitions: tuple[str, ...] = (),
        content: bytes = bytes(1 << 20),
    ) -> None:
        base = f"/sys/class/block/{name}"
        self.write(f"{base}/dev", f"{number}\n")
        self.write(f"{base}/size", f"{len(content) // 512}\n")
        for slave in slaves:
            self.write(f"{base}/slaves/{slave}/dev", "")
        for holder in holders:
            self.write(f"{base}/holders/{holder}/dev", "")
        for partition in partitions:
            self.write(f"{base}/{partition}/partition", "1\n")
        if dm is not None:
            self.write(f"{base}/dm/name", f"{dm[0]}\n")
            self.write(f"{base}/dm/uuid", f"{dm[1]}\n")
            self.link(f"/dev/mapper/{dm[0]}", f"../{name}")
        self.write(f"/dev/{name}", content)

    def mounts(self, *lines: str) -> None:
        """Lines as ``8:1 /boot rw,relatime vfat /dev/sda1 rw``."""
        text = ""
        for number, line in enumerate(lines, 20):
            device, point, options, fstype, source, superblock = line.split(" ")
            text += f"{number} 1 {device} / {point} {options} shared:1 - {fstype} {source} {superblock}\n"
        self.write("/proc/self/mountinfo", text)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def luks2_image(metadata: dict[str, Any], size: int = 1 << 20) -> bytes:
    """A device with both copies of a LUKS2 header, and nothing behind them."""
    copies = b""
    for offset, magic in ((0, b"LUKS\xba\xbe"), (0x4000, b"SKUL\xba\xbe")):
        binary = struct.pack(
            ">6sHQQ48s32s64s40s48sQ",
            magic,
            2,
            0x4000,
            1,
            b"data",
            b"sha256",
            bytes(64),
            b"c086ab4a-d01c-405c-ba12-d0bb2928f19c",
            b"",
            offset,
        )
        whole = bytearray((binary.ljust(4096, b"\0") + json.dumps(metadata).encode()).ljust(0x4000, b"\0"))
        whole[448:480] = hashlib.sha256(whole).digest()
        copies += bytes(whole)
    return copies.ljust(size, b"\0")


@pytest.fixture
def luks2() -> Callable[..., bytes]:
    return luks2_image
