# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the boot does with a device that was declared as swap: real signatures on a file."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._cli import require_tool
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._swap_boot import require_swap_or_blank

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
