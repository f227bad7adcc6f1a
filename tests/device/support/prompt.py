# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A root prompt on the device, and the questions that are asked there again and again."""

from __future__ import annotations

import json
from typing import Any

from testinfra.host import Host

DISK, MAPPER, MOUNT = "/dev/disk/by-partlabel/data", "/dev/mapper/data", "/data"
EFIVARS = "/sys/firmware/efi/efivars"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
SECURITY = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"


class Prompt:
    """A root prompt."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def says(self, command: str) -> str:
        """What a command prints, whatever it ends with."""
        return str(self._host.run(command).stdout).strip()

    def does(self, command: str) -> bool:
        """Whether it ends with 0."""
        return bool(self._host.run(command).rc == 0)

    def firmware(self, name: str, vendor: str = GLOBAL) -> bytes:
        """An EFI variable without its attributes; empty where there is none."""
        return bytes.fromhex("".join(self.says(f"od -An -v -tx1 {EFIVARS}/{name}-{vendor}").split()))[4:]

    def header(self) -> dict[str, Any]:
        """The metadata of the LUKS2 header; empty where there is none."""
        text = self.says(f"cryptsetup luksDump --dump-json-metadata {DISK} 2>/dev/null")
        return json.loads(text) if text else {}

    def on_crypt(self, path: str) -> bool:
        """Whether a directory lies in memory or on dm-crypt."""
        fstype, source = self.says(f"findmnt -no FSTYPE,SOURCE --target {path}").split()[:2]
        return fstype == "tmpfs" or "crypt" in self.says(f"lsblk -nso TYPE {source}").split()

    def mount_options(self, path: str, *, fstab: bool) -> set[str]:
        """Options in the mount table or in fstab."""
        where = "--fstab" if fstab else "--mountpoint"
        return set(self.says(f"findmnt -no OPTIONS {where} {path}").split(","))

    def unlocked(self) -> bool:
        """Whether the boot opened the volume before anybody logged in."""
        return self.does("journalctl -b -u edgesec-unlock@data --no-pager | grep -q 'data: ok'")
