# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Binding a real LUKS2 volume to a key file, and everything that must be refused.

The token is a directory here: that it is mounted, and on another disk, is shown by tests/device/test_key_file.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.key_file import (
    KeyToken,
    Status,
    apply,
    look,
    preview,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.key_file_token import KeyFile
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.observe import collect
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import path_of, read_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.removable_token import KEY_BYTES, read_key
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm
from tests.functional.tpm.test_tpm_keyslot import Controller
from tests.support.module_runner import run_module

PATH = "edgesec/gw-001.key"


@dataclasses.dataclass(frozen=True)
class DirectoryToken(KeyToken):
    """A token whose file system is a directory."""

    uuid: str = "1234-ABCD"

    def file_system(self, volume: Volume) -> str:
        assert volume.device != self.device
        return self.uuid

    @contextmanager
    def opened(self) -> Iterator[str]:
        yield self.device

    @contextmanager
    def opened_for_writing(self, volume: Volume) -> Iterator[str]:
        assert volume.device != self.device
        yield self.device


@pytest.fixture
def token(tmp_path: Path) -> DirectoryToken:
    (tmp_path / "token").mkdir()
    return DirectoryToken(str(tmp_path / "token"), PATH)


@pytest.fixture
def root(tmp_path: Path) -> str:
    (tmp_path / "root").mkdir()
    return str(tmp_path / "root")


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def header(volume: Volume) -> Header:
    found = header_of(volume.device)
    assert found is not None
    return found


def harden(volume: Volume, token: KeyToken, root: str) -> Status:
    status = look(volume, token, root)
    if status.why:
        apply(status, RECOVERY_KEY)
    return status


def boots(volume: Volume, token: KeyToken, root: str) -> bool:
    """What the boot does, short of mounting and mapping: whether the header is trusted and the key file opens it."""
    enrolment = read_enrolment("data", root)
    assert isinstance(enrolment.token, KeyFile)
    assert violations(header(volume), enrolment.pins) == []
    key = read_key(token.device, enrolment.token.path)
    return key is not None and cryptsetup.opens(volume.device, key, slot=enrolment.token.keyslot)


def test_check_do_check_again_do_again(volume: Volume, token: DirectoryToken, root: str) -> None:
    before = digest(volume.device)
    assert look(volume, token, root).as_result()["changed"] is True
    assert digest(volume.device) == before
    assert os.listdir(token.device) == [], "looking has made a key file"

    harden(volume, token, root)
    assert boots(volume, token, root)
    after, key = digest(volume.device), Path(token.device, PATH).read_bytes()
    assert len(key) == KEY_BYTES
    assert Path(token.device, PATH).stat().st_mode & 0o777 == 0o400
    assert key not in Path(volume.device).read_bytes()
    assert key not in Path(path_of("data", root)).read_bytes()

    assert look(volume, token, root).as_result()["changed"] is False
    assert harden(volume, token, root).why == ""
    assert (digest(volume.device), Path(token.device, PATH).read_bytes()) == (after, key)


def test_the_header_holds_the_recovery_slot_the_key_files_slot_and_one_token(
    volume: Volume, token: DirectoryToken, root: str
) -> None:
    harden(volume, token, root)
    assert sorted(header(volume).keyslots) == ["0", "1"]
    assert list(header(volume).tokens.values()) == [
        {"type": "edgesec-keyfile", "keyslots": ["1"], "v": 1, "file_system": "1234-ABCD", "path": PATH}
    ]
    assert cryptsetup.opens(volume.device, RECOVERY_KEY, slot="0")


def test_the_facts_show_it(volume: Volume, token: DirectoryToken, root: str) -> None:
    (Path(root) / "proc/self").mkdir(parents=True)
    (Path(root) / "proc/self/mountinfo").write_text("")
    placed = Path(root, volume.device.lstrip("/"))
    placed.parent.mkdir(parents=True)
    os.link(volume.device, placed)
    assert collect(root, [volume])["volumes"][0]["key_file"] is None
    harden(volume, token, root)
    assert collect(root, [volume])["volumes"][0]["key_file"] == {
        "enrolled": True,
        "reason": None,
        "keyslot": "1",
        "file_system": "1234-ABCD",
        "path": PATH,
        "unlock_unit_enabled": False,
        "last_unlock": None,
    }
    os.unlink(path_of("data", root))
    assert collect(root, [volume])["volumes"][0]["key_file"]["enrolled"] is False


def test_a_token_that_was_put_away_is_not_missed(volume: Volume, token: DirectoryToken, root: str) -> None:
    harden(volume, token, root)
    gone = dataclasses.replace(token, device=token.device + "-gone")
    assert look(volume, gone, root).why == ""


def test_a_token_is_needed_to_make_a_key_file(volume: Volume, token: DirectoryToken, root: str) -> None:
    before = digest(volume.device)
    gone = dataclasses.replace(token, device=token.device + "-gone")
    with pytest.raises(Refused, match="Insert the token"):
        look(volume, gone, root)
    with pytest.raises(Refused, match="Insert the token"):
        preview(volume, gone)
    harden(volume, token, root)
    with pytest.raises(Refused, match="Insert the token"):
        look(volume, dataclasses.replace(gone, path="other.key"), root)
    os.unlink(path_of("data", root))
    with pytest.raises(Refused, match="Insert the token"):
        look(volume, gone, root)
    assert before != digest(volume.device), "only the run with the token has changed it"


def test_another_token_gets_a_key_of_its_own_and_the_lost_one_opens_nothing(
    volume: Volume, token: DirectoryToken, root: str, tmp_path: Path
) -> None:
    harden(volume, token, root)
    lost = Path(token.device, PATH).read_bytes()
    (tmp_path / "second").mkdir()
    second = DirectoryToken(str(tmp_path / "second"), PATH, uuid="5678-EF01")
    assert "1234-ABCD" in harden(volume, second, root).why
    assert boots(volume, second, root)
    assert not cryptsetup.opens(volume.device, lost)
    assert sorted(header(volume).keyslots) == ["0", "2"]
    assert len(header(volume).tokens) == 1


@pytest.mark.parametrize("path", [PATH, "moved.key"])
def test_a_key_file_that_is_gone_or_elsewhere_is_made_anew(
    volume: Volume, token: DirectoryToken, root: str, path: str
) -> None:
    harden(volume, token, root)
    os.unlink(os.path.join(token.device, PATH))
    moved = dataclasses.replace(token, path=path)
    assert not boots(volume, token, root)
    assert harden(volume, moved, root).why
    assert boots(volume, moved, root)
    assert look(volume, moved, root).why == ""


def test_another_key_in_the_file_opens_nothing_until_it_is_bound(
    volume: Volume, token: DirectoryToken, root: str
) -> None:
    harden(volume, token, root)
    file = Path(token.device, PATH)
    file.unlink()
    file.write_bytes(b"x" * KEY_BYTES)
    assert not boots(volume, token, root)
    assert "does not open" in harden(volume, token, root).why
    assert boots(volume, token, root)
    assert file.read_bytes() == b"x" * KEY_BYTES, "a key file that is there is used as it is"


def test_two_volumes_share_a_key_file(volume: Volume, token: DirectoryToken, root: str, tmp_path: Path) -> None:
    other = volume._replace(name="logs", device=str(tmp_path / "logs.img"))
    Path(other.device).write_bytes(Path(volume.device).read_bytes())
    for each in (volume, other):
        harden(each, token, root)
    for each in (volume, other):
        assert look(each, token, root).why == ""


@pytest.mark.parametrize("content", [b"", b"x" * (KEY_BYTES - 1), b"x" * (KEY_BYTES + 1), b"x" * 100_000])
def test_a_file_that_is_no_key_is_neither_used_nor_overwritten(
    volume: Volume, token: DirectoryToken, root: str, content: bytes
) -> None:
    file = Path(token.device, PATH)
    file.parent.mkdir()
    file.write_bytes(content)
    before = digest(volume.device)
    with pytest.raises(Refused, match="not a key file"):
        harden(volume, token, root)
    assert digest(volume.device) == before
    assert file.read_bytes() == content


@pytest.mark.parametrize("path", ["/etc/key", "../key", "a/../../key", "", ".", "a//b", "a/"])
def test_a_path_that_leaves_the_token_is_refused(volume: Volume, token: DirectoryToken, root: str, path: str) -> None:
    before = digest(volume.device)
    with pytest.raises(Refused, match="plain path"):
        look(volume, dataclasses.replace(token, path=path), root)
    assert digest(volume.device) == before


def test_a_link_or_a_pipe_in_place_of_the_key_file_is_not_read(token: DirectoryToken, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/gw-001.key").write_bytes(b"x" * KEY_BYTES)
    inside = Path(token.device)
    (inside / "edgesec").symlink_to(tmp_path / "elsewhere")
    (inside / "link").symlink_to(tmp_path / "elsewhere/gw-001.key")
    os.mkfifo(inside / "pipe")
    for path in (PATH, "link", "pipe", "missing", "pipe/missing"):
        assert read_key(token.device, path) is None


def test_a_wrong_recovery_key_changes_nothing(volume: Volume, token: DirectoryToken, root: str) -> None:
    before = digest(volume.device)
    with pytest.raises(EdgesecError, match="does not open keyslot 0"):
        apply(look(volume, token, root), b"another key")
    assert digest(volume.device) == before
    assert not Path(path_of("data", root)).exists()


def test_keyslots_of_other_people_are_left_alone(volume: Volume, token: DirectoryToken, root: str) -> None:
    for slot in ("1", "2"):
        cryptsetup.add_key(volume.device, RECOVERY_KEY, b"mine", slot=slot)
    before = digest(volume.device)
    with pytest.raises(Refused, match="not for opening it at boot"):
        harden(volume, token, root)
    assert digest(volume.device) == before


def test_a_power_cut_before_the_old_keyslot_was_removed_is_made_up_for(
    volume: Volume, token: DirectoryToken, root: str
) -> None:
    harden(volume, token, root)
    stale = {"type": "edgesec-keyfile", "keyslots": ["2"], "v": 1, "file_system": "0000-0000", "path": PATH}
    cryptsetup.add_key(volume.device, RECOVERY_KEY, b"stale", slot="2")
    cryptsetup.import_token(volume.device, "2", stale)
    assert boots(volume, token, root), "the boot opens it in between"
    assert harden(volume, token, root).why
    assert boots(volume, token, root)
    assert not cryptsetup.opens(volume.device, b"stale")
    assert len(header(volume).keyslots) == 2
    assert len(header(volume).tokens) == 1
    assert look(volume, token, root).why == ""


def test_a_header_for_encryption_in_place_is_bound_before_the_data_changes(
    blank: Volume, token: DirectoryToken, root: str, tmp_path: Path
) -> None:
    prepared = tmp_path / "data.header"
    with prepared.open("wb") as file:
        file.truncate(16 << 20)
    cryptsetup.format_device(
        blank.device,
        RECOVERY_KEY,
        uuid=UUID,
        label="edgesec-data",
        subsystem="",
        cipher="aes-xts-plain64",
        key_bits=512,
        sector_size=4096,
        header=str(prepared),
        data_offset=16 << 20,
    )
    before = digest(blank.device)
    apply(look(blank, token, root, str(prepared)), RECOVERY_KEY)
    assert digest(blank.device) == before
    assert read_enrolment("data", root).pins.in_place
    assert cryptsetup.opens(str(prepared), Path(token.device, PATH).read_bytes(), slot="1")
    assert look(blank, token, root, str(prepared)).why == ""


def test_from_the_tpm_to_a_key_file_and_back(
    volume: Volume, token: DirectoryToken, tpm: SoftwareTpm, tmp_path: Path
) -> None:
    controller = Controller(tpm, volume, tmp_path)
    controller.harden()
    harden(volume, token, str(tmp_path))
    assert boots(volume, token, str(tmp_path))
    assert [data["type"] for data in header(volume).tokens.values()] == ["edgesec-keyfile"]
    assert sorted(header(volume).keyslots) == ["0", "2"]
    assert controller.harden().action == "seal"
    assert controller.unlock()
    assert [data["type"] for data in header(volume).tokens.values()] == ["edgesec-tpm2"]
    assert sorted(header(volume).keyslots) == ["0", "1"]


def test_the_module_refuses_what_is_no_token_and_changes_nothing(volume: Volume, tmp_path: Path) -> None:
    file = tmp_path / "no-token"
    file.write_bytes(b"")
    before = digest(volume.device)
    arguments = {"name": "data", "device": volume.device, "store": str(tmp_path)}
    for device, seen in ((file, "not a block device"), (tmp_path / "missing", "Insert the token")):
        for check in (True, False):
            result = run_module(
                "token_keyslot", {**arguments, "token": {"device": str(device), "path": PATH}}, check=check
            )
            assert seen in result.error
    assert digest(volume.device) == before
