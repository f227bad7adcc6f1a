# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A header that is sealed, adopted or restored is one that the boot takes; any other is refused before a write."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.boot_keyslot import Place, free_slot
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import check
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import restore_header
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adjust import Upkeep
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adopt import Keys, adopt, rehearse
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.checked_copy import checked_copy
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import header_backup
from tests.functional.conftest import RECOVERY_KEY, SoftwareTpm
from tests.support.controller import Controller

PEM = "-----BEGIN PUBLIC KEY-----{end}MFkwEwYHKoZIzj0{end}-----END PUBLIC KEY-----{end}"

# The JSON of a member in the token of somebody else: as honest tools write it.
HONEST = {
    "lines": json.dumps(PEM.format(end="\n")),
    "lines with CRLF": json.dumps(PEM.format(end="\r\n")),
    "tab": '"a\\tb"',
    "64 bits": "18446744073709551615",
    "63 bits": "9223372036854775808",
    "least number": "-9223372036854775808",
    "slash and UTF-8": '"http://x/y \\u00e9 \\ud83d\\ude00"',
    "all kinds": '[null,true,{},[],{"jwe":{"tag":""}}]',
}
# What libcryptsetup takes as well, and the boot does not: numbers have many spellings, and depth costs a parser.
ODD = {
    "fraction": "1.0",
    "exponent": "1e3",
    "nested": "[" * 14 + "]" * 14,
    "control character": '"\\u0001"',
}


@pytest.fixture
def controller(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Controller:
    root = tmp_path / "root"
    root.mkdir()
    return Controller(tpm, volume, root)


def put_token(device: str, member: str) -> None:
    token = f'{{"type":"other","keyslots":[],"member":{member}}}'
    argv = ["cryptsetup", "token", "import", "--token-id", "5", "--token-replace", "--json-file", "-", device]
    subprocess.run(argv, input=token.encode(), check=True)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", HONEST)
def test_what_is_sealed_opens_and_is_left_alone(controller: Controller, name: str) -> None:
    put_token(controller.volume.device, HONEST[name])
    assert controller.harden().action == "seal"
    assert controller.unlock()
    assert controller.look().action is None


@pytest.mark.parametrize("name", ODD)
def test_what_does_not_open_is_not_sealed(controller: Controller, name: str) -> None:
    device = controller.volume.device
    put_token(device, ODD[name])
    before = digest(device)
    for accept in ((), ("header_change",)):
        with pytest.raises(Refused, match="would not be accepted at boot"):
            controller.harden(*accept)
    assert digest(device) == before
    assert not Path(controller.root, "etc/edgesec").exists()


@pytest.mark.parametrize("name", ODD)
def test_a_sealed_volume_that_the_boot_would_not_open_is_called_so(controller: Controller, name: str) -> None:
    controller.harden()
    device = controller.volume.device
    put_token(device, ODD[name])
    before = digest(device)
    for accept in ((), ("header_change",)):
        with pytest.raises(Refused, match="would not be accepted at boot"):
            controller.harden(*accept)
    assert digest(device) == before
    assert controller.refusal() == "header_foreign"


@pytest.mark.parametrize("name", ODD)
def test_no_keyslot_is_made_in_it(volume: Volume, tmp_path: Path, name: str) -> None:
    put_token(volume.device, ODD[name])
    before = digest(volume.device)
    with pytest.raises(Refused, match="would not be accepted at boot"):
        free_slot(Place(volume, volume.device, str(tmp_path)), RECOVERY_KEY)
    assert digest(volume.device) == before


@pytest.mark.parametrize("name", ODD)
def test_it_is_not_adopted(volume: Volume, name: str) -> None:
    put_token(volume.device, ODD[name])
    before = digest(volume.device)
    for step in (rehearse, adopt):
        with pytest.raises(Refused, match="would not be accepted at boot"):
            step(volume, Keys(RECOVERY_KEY, RECOVERY_KEY), Upkeep())
    assert digest(volume.device) == before


@pytest.mark.parametrize("name", ODD)
def test_it_is_not_restored(controller: Controller, name: str) -> None:
    volume = controller.volume
    put_token(volume.device, ODD[name])
    backup = header_backup(volume.device)
    with open(volume.device, "r+b") as file:
        file.write(bytes(1 << 20))
    before = digest(volume.device)
    with pytest.raises(Refused, match="does not match what was recorded at sealing"):
        restore_header.restore(restore_header.look(volume, controller.root), backup, RECOVERY_KEY, controller.root)
    assert digest(volume.device) == before


def test_the_recovery_key_opens_it_only_where_the_boot_would(volume: Volume) -> None:
    for member in HONEST.values():
        put_token(volume.device, member)
        with checked_copy(volume.device) as copy:
            assert copy is not None
    for member in ODD.values():
        put_token(volume.device, member)
        with pytest.raises(Refused), checked_copy(volume.device):
            pass


CHARACTERS = st.one_of(st.sampled_from('\n\r\t"\\/\x7f'), st.characters(min_codepoint=0x20, codec="utf-8"))
TEXTS = st.text(CHARACTERS.filter(lambda character: character != "\x7f"), max_size=20)
MEMBERS: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc é", max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MEMBERS)
def test_libcryptsetup_spells_a_token_as_it_is_expected_to_and_reads_the_same(volume: Volume, member: Any) -> None:
    put_token(volume.device, json.dumps(member, ensure_ascii=False))
    found = check(volume.device)
    assert found.refusals == []
    assert found.copies[0].tokens["5"]["member"] == member
    argv = ["cryptsetup", "luksDump", "--dump-json-metadata", volume.device]
    dumped = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    assert dumped == found.copies[0].metadata
