# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the boot does with a device that was declared as swap: real signatures on a file."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import swap_main
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.swap_device import WIPING, Swap
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.swap_main import (
    OFFSET,
    require_swap_or_blank,
    swap_on,
    wipe,
)

LUKS = ["cryptsetup", "luksFormat", "-q", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-"]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(64 << 20)
    return path


def tool(*command: str, stdin: bytes = b"") -> None:
    subprocess.run([require_tool(command[0]), *command[1:]], input=stdin, check=True, capture_output=True)


def test_nothing_and_swap_may_become_swap(image: Path) -> None:
    assert require_swap_or_blank(str(image)) is False
    tool("mkswap", str(image))
    assert require_swap_or_blank(str(image)) is True


@pytest.mark.parametrize(
    ("command", "stdin", "seen"),
    [
        (["mkfs.ext4", "-q"], b"", "ext4"),
        (["mkfs.vfat"], b"", "vfat"),
        (LUKS, b"key", "crypto_LUKS"),
        (["sfdisk", "-q", "--no-tell-kernel"], b"label: gpt\nsize=1M\n", "gpt"),
    ],
)
def test_anything_else_is_refused_by_name_and_left_as_it_is(
    image: Path, command: list[str], stdin: bytes, seen: str
) -> None:
    tool(*command, str(image), stdin=stdin)
    before = hashlib.sha256(image.read_bytes()).digest()
    with pytest.raises(Refused, match=f"{seen}.*not swap"):
        require_swap_or_blank(str(image))
    assert hashlib.sha256(image.read_bytes()).digest() == before


def test_a_file_system_behind_a_swap_signature_is_refused(image: Path) -> None:
    tool("mkfs.ext4", "-q", "-b", "4096", str(image))
    with image.open("r+b") as file:
        file.seek(4096 - 10)
        file.write(b"SWAPSPACE2")
        file.seek(1024)
        file.write((1).to_bytes(4, "little"))
    with pytest.raises(Refused):
        require_swap_or_blank(str(image))


class PowerCut(BaseException):
    """The device stands still."""


@pytest.mark.parametrize("page", [4096, 16384, 65536])
@pytest.mark.parametrize("write", range(3))
@pytest.mark.parametrize("seed", range(4))
def test_a_power_cut_while_it_is_overwritten_leaves_what_the_next_boot_goes_on_with(
    image: Path, monkeypatch: pytest.MonkeyPatch, page: int, write: int, seed: int
) -> None:
    source = random.Random(seed)
    image.write_bytes(source.randbytes(2 << 20))
    tool("mkswap", "-p", str(page), str(image))
    left = [write]

    def cut(descriptor: int, data: bytes, at: int) -> int:
        left[0] -= 1
        if left[0] >= 0:
            return pwrite(descriptor, data, at)
        for begin in range(0, len(data), 512):
            if seed == 0 or source.random() < seed / 4:
                pwrite(descriptor, data[begin : begin + 512], at + begin)
        raise PowerCut

    pwrite = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(swap_main.os, "pwrite", cut)
        with pytest.raises(PowerCut):
            wipe(str(image), OFFSET)
    if require_swap_or_blank(str(image)):
        wipe(str(image), OFFSET)
    assert image.read_bytes()[:OFFSET] == bytes(OFFSET)
    assert require_swap_or_blank(str(image)) is False


def test_a_file_system_behind_the_note_of_a_wipe_is_refused(image: Path) -> None:
    tool("mkfs.ext4", "-q", str(image))
    with image.open("r+b") as file:
        file.write(WIPING)
    with pytest.raises(Refused, match="ext4"):
        wipe(str(image), OFFSET)


def test_a_link_that_moves_meanwhile_leads_to_no_other_device(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool("mkswap", str(image))
    other = tmp_path / "other"
    other.write_bytes(bytes(64 << 20))
    tool("mkfs.ext4", "-q", str(other))
    before = other.read_bytes()
    link = tmp_path / "link"
    link.symlink_to(image)
    opened = []

    def looked(device: str) -> bool:
        found = require_swap_or_blank(device)
        link.unlink()
        link.symlink_to(other)
        return found

    def plain(device: str, *_rest: object, **_more: object) -> None:
        opened.append(device)
        raise EdgesecError(device, "enough", "None")

    monkeypatch.setattr(swap_main, "_wait_for", lambda _swap: 64 << 20)
    monkeypatch.setattr(swap_main, "require_swap_or_blank", looked)
    monkeypatch.setattr(swap_main.cryptsetup, "open_plain", plain)
    with pytest.raises(EdgesecError, match="enough"):
        swap_on(Swap("scratch", str(link)))
    assert opened == [str(image)]
    assert other.read_bytes() == before
