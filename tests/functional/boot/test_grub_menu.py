# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu with a locked editor in the real GRUB, as grub-emu runs it: it boots while nobody is there."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._boot.grub_menu import script

pytestmark = pytest.mark.skipif(shutil.which("grub-emu") is None, reason="grub-emu is not installed")

MENU = """\
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
set timeout=1
"""
ENTRIES = """
menuentry 'Debian' --class debian $menuentry_id_option 'gnulinux-simple-1' {
  echo "ENTRY HAS STARTED"
  sleep 1
  halt
}
"""
STARTED, ASKED = b"ENTRY HAS STARTED", b"Enter username"


def boot(directory: Path, locked: str) -> bytes:
    """What GRUB prints until it has started the entry, or asks who is there."""
    (directory / "grub.cfg").write_text(MENU + locked + ENTRIES)
    subprocess.run(["grub-script-check", str(directory / "grub.cfg")], check=True)
    master, slave = pty.openpty()
    printed = b""
    with subprocess.Popen(
        ["grub-emu", "--directory", str(directory)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm"},
    ) as grub:
        os.close(slave)
        end = time.monotonic() + 30
        while time.monotonic() < end and STARTED not in printed and ASKED not in printed:
            if select.select([master], [], [], 1)[0]:
                printed += os.read(master, 4096)
        grub.kill()
    os.close(master)
    return printed


@pytest.fixture(name="locked")
def _locked() -> str:
    return subprocess.run(["sh"], input=script(None), capture_output=True, text=True, check=True).stdout


def test_the_entry_starts_though_nobody_types_a_password(tmp_path: Path, locked: str) -> None:
    printed = boot(tmp_path, locked)
    assert STARTED in printed
    assert ASKED not in printed


def test_without_the_option_it_would_ask_and_not_start(tmp_path: Path, locked: str) -> None:
    printed = boot(tmp_path, locked.replace("--unrestricted ", ""))
    assert ASKED in printed
    assert STARTED not in printed
