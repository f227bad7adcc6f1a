# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery key opens a volume with a header that was checked, or it is not used."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import read_primary
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.checked_copy import checked_copy
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_recovery
from tests.functional.conftest import RECOVERY_KEY
from tests.support.forged_header import FORGED_PRIMARIES, assemble, text_of


def head_of(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(1 << 20)


def put(path: str, head: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(head)


# What is replaced in the JSON of both copies, and what then stands there.
HIDES_NOTHING = {
    "null cipher": (rb'(?<="area":\{"type":"raw",)(.*?)"encryption":"[^"]*"', rb'\1"encryption":"cipher_null-ecb"'),
    "one iteration": (rb'"iterations":\d+', b'"iterations":1'),
}


def test_a_volume_opens_with_the_copy(volume: Volume) -> None:
    before = Path(volume.device).read_bytes()
    with checked_copy(volume.device) as copy:
        assert copy is not None
        require_recovery(copy, RECOVERY_KEY)
        assert cryptsetup.opens(volume.device, RECOVERY_KEY, slot="0")
    assert not Path(copy).exists()
    assert Path(volume.device).read_bytes() == before


@pytest.mark.parametrize("name", FORGED_PRIMARIES)
def test_a_header_that_may_be_read_differently_is_refused(volume: Volume, name: str) -> None:
    put(volume.device, FORGED_PRIMARIES[name](head_of(volume.device)))
    before = Path(volume.device).read_bytes()
    with pytest.raises(Refused, match="recovery key was not used"), checked_copy(volume.device):
        pass
    assert Path(volume.device).read_bytes() == before


@pytest.mark.parametrize("name", HIDES_NOTHING)
def test_a_keyslot_that_hides_nothing_is_refused(volume: Volume, name: str) -> None:
    head = head_of(volume.device)
    old, new = HIDES_NOTHING[name]
    for at in (0, read_primary(head).size):
        text, count = re.subn(old, new, text_of(head, at), count=1)
        assert count == 1, text_of(head, at)
        head = assemble(head, text, at=at)
    put(volume.device, head)
    with pytest.raises(Refused, match=r"keyslot 0: .*recovery key was not used"), checked_copy(volume.device):
        pass


def test_while_data_is_encrypted_in_place_cryptsetup_uses_the_header_on_the_device(volume: Volume) -> None:
    reencrypt = ["cryptsetup", "reencrypt", "--init-only", "--batch-mode", "--key-file", "-", "--key-slot", "0"]
    cheap = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
    subprocess.run([*reencrypt, *cheap, volume.device], input=RECOVERY_KEY, check=True)
    with checked_copy(volume.device) as copy:
        assert copy is None
