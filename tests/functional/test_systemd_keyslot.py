# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binding a real LUKS2 volume to a software TPM by systemd-cryptenroll, and everything that must be refused.

That the token opens its keyslot is shown by the plug-in that the boot uses, short of mapping. What reads crypttab is a
tree of empty files here: that systemd opens the volume by its line is shown by tests/device/test_systemd_provider.py.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ansible_collections.edgesec.hardening.plugins.module_utils import _cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._crypttab import parse
from ansible_collections.edgesec.hardening.plugins.module_utils._enrolment import path_of
from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._foreign_tokens import parse_foreign
from ansible_collections.edgesec.hardening.plugins.module_utils._luks2 import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._storage import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._systemd_keyslot import (
    Status,
    apply,
    look,
    preview,
    write_crypttab,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._systemd_token import Policy
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm_policy import policy_pcr
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import require_header
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm, boot
from tests.functional.test_tpm_keyslot import Controller
from tests.module_runner import run_module

LITERAL = Policy((4, 7))
PLUGIN = "usr/lib/x/cryptsetup/libcryptsetup-token-systemd-tpm2.so"
READERS = {
    "usr/lib/systemd/system-generators/systemd-cryptsetup-generator": "here",
    "usr/lib/systemd/systemd-cryptsetup": "",
    PLUGIN: "",
    "usr/lib/x/systemd/libsystemd-shared-252.so": "",
    **{f"usr/lib/x/libtss2-{name}.so.0": "" for name in ("esys", "mu", "rc", "tcti-device")},
}
THEIRS = "# mine\nother  UUID=1  /key\tluks,discard\n\nlast /dev/vdz none"
LINE = f"data UUID={UUID} none tpm2-device=auto,nofail,headless=1,tries=1,token-timeout=15s"


class Board:
    """A device with its TPM, its volume and its crypttab."""

    def __init__(self, tpm: SoftwareTpm, volume: Volume, root: Path) -> None:
        self.tpm, self.volume, self.root = tpm, volume, root
        for name, content in READERS.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.crypttab = root / "etc/crypttab"
        self.crypttab.parent.mkdir()
        self.crypttab.write_text(THEIRS)

    @property
    def header(self) -> Header:
        return require_header(self.volume.device)

    def look(self, *accept: str, policy: Policy = LITERAL) -> Status:
        return look(self.volume, self.tpm.client, policy, accept, str(self.root))

    def harden(self, *accept: str, policy: Policy = LITERAL) -> Status:
        status = self.look(*accept, policy=policy)
        if status.why:
            apply(status, self.tpm.client, RECOVERY_KEY)
        else:
            write_crypttab(status)
        return status

    def everything(self) -> tuple[str, str]:
        return hashlib.sha256(Path(self.volume.device).read_bytes()).hexdigest(), self.crypttab.read_text()


@pytest.fixture
def board(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Board:
    (tmp_path / "root").mkdir()
    return Board(tpm, volume, tmp_path / "root")


def test_check_do_check_again_do_again(board: Board) -> None:
    before = board.everything()
    assert board.look().as_result()["changed"] is True
    assert board.everything() == before

    board.harden()
    assert sorted(board.header.keyslots) == ["0", "1"]
    assert [token["type"] for token in board.header.tokens.values()] == ["systemd-tpm2"]
    assert _cryptsetup.opens(board.volume.device, RECOVERY_KEY, slot="0")
    assert board.crypttab.read_text() == f"{THEIRS}\n{LINE}\n"

    after = board.everything()
    assert board.look().as_result()["changed"] is False
    assert board.harden().why == ""
    assert board.everything() == after
