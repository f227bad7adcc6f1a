# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes are destroyed: with consent alone, so that no key opens what is left, and with a record of it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.libcryptsetup import begin_encryption
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import erase as erasure
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import header_backup
from tests.functional.conftest import RECOVERY_KEY, UUID, VOLUME_BYTES, Budget, format_volume
from tests.functional.controller.test_key_playbooks import HOST, Fleet, words
from tests.functional.volumes.test_adopt import digest
from tests.functional.volumes.test_in_place import SHIFT
from tests.support.module_runner import run_module

pytestmark = pytest.mark.minutes(2)

SECRET_DATA = b"ciphertext of the volume " * 40
DATA_BEGINS = 16 * 1024 * 1024
PLAY = """\
- hosts: all
  gather_facts: false
  tasks:
    - edgesec.hardening.luks_erase:
        name: data
        device: "{{ encrypted_storage_volumes[0].device }}"
        store: "{{ edgesec_store }}"
        consent: "{{ consent | default(omit) }}"
        data: "{{ data | default(omit) }}"
        destroy_escrow: "{{ destroy_escrow | default(omit) }}"
      vars: {ansible_pipelining: true}
"""


class Erasing(Fleet):
    """A device with a volume that is to go, and its controller."""

    def __init__(self, directory: Path, volume: Volume) -> None:
        super().__init__(directory, volume)
        self.volume = volume
        self.playbook = directory / "erase.yml"
        self.playbook.write_text(PLAY)

    def run(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return self.play(str(self.playbook), *options, **variables)

    def erase(self, *options: str, **variables: Any) -> bool:
        done = self.run(*options, consent=HOST, **variables)
        assert done.returncode == 0, words(done)
        return "changed=1" in done.stdout

    def records(self) -> list[Path]:
        return sorted((self.store_path / "hosts" / HOST / "decommission").glob("data-*.json"))


@pytest.fixture
def erasing(tmp_path: Path, volume: Volume) -> Erasing:
    with open(volume.device, "r+b") as file:
        file.seek(DATA_BEGINS)
        file.write(SECRET_DATA)
    erasing = Erasing(tmp_path, volume)
    erasing.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
    erasing.store.put_header(HOST, UUID, header_backup(volume.device))
    return erasing


def content(volume: Volume) -> bytes:
    return Path(volume.device).read_bytes()


def test_check_do_check_do(erasing: Erasing) -> None:
    before = digest(erasing.volume)
    predicted = erasing.run("--check", "--diff")
    assert predicted.returncode == 0, words(predicted)
    assert "erase the keyslots 0" in words(predicted)
    assert "changed=1" in predicted.stdout
    assert digest(erasing.volume) == before

    assert erasing.erase()
    left = content(erasing.volume)
    assert len(left) == VOLUME_BYTES
    assert not any(left[:DATA_BEGINS])
    assert header_of(erasing.volume.device) is None
    # A file cannot be discarded, and the record says so.
    assert SECRET_DATA in left
    (record,) = erasing.records()
    told = json.loads(record.read_text())
    assert told["host"] == HOST
    assert told["volume"]["uuid"] == UUID
    assert told["erased"]["keyslots_erased"] == ["0"]
    assert told["erased"]["recovery_key"] == "opened it before, and opens nothing of it now"
    assert told["erased"]["data"] == "left as ciphertext: it is not a block device"
    assert told["erased"]["header_bytes_overwritten"] == DATA_BEGINS

    erased = digest(erasing.volume)
    assert not erasing.erase("--check")
    assert not erasing.erase()
    assert digest(erasing.volume) == erased
    assert erasing.records() == [record]
    # What is escrowed opens copies of the volume, and stays until its end is asked for.
    assert erasing.key() == RECOVERY_KEY


def test_openssl_alone_verifies_the_record(erasing: Erasing) -> None:
    assert erasing.erase()
    (record,) = erasing.records()
    verify = [
        *("openssl", "dgst", "-sha256", "-verify", str(erasing.store_path / "policy" / "public.pem")),
        *("-signature", f"{record}.sig", str(record)),
    ]
    assert subprocess.run(verify, capture_output=True, check=False).stdout == b"Verified OK\n"


@pytest.mark.parametrize("consent", [{}, {"consent": "gw-002"}, {"consent": "all"}])
def test_without_consent_to_this_very_host_nothing_changes(erasing: Erasing, consent: dict[str, str]) -> None:
    before = digest(erasing.volume)
    done = erasing.run(**consent)
    assert done.returncode == 2
    assert f"decommission_consent: {HOST}" in words(done)
    assert "erase the keyslots 0" in words(done)
    assert digest(erasing.volume) == before
    assert erasing.records() == []


def test_the_device_by_itself_destroys_nothing(volume: Volume) -> None:
    """The module without the controller's word, whatever consent it is given."""
    before = digest(volume)
    result = run_module("luks_erase", {"name": "data", "device": volume.device, "store": "/nowhere", "consent": HOST})
    assert result.changed
    assert digest(volume) == before


def test_no_key_is_printed(erasing: Erasing) -> None:
    done = erasing.run("-vvvv", "--diff", consent=HOST)
    assert done.returncode == 0
    assert RECOVERY_KEY.decode() not in done.stdout + done.stderr


def test_overwritten_data_is_gone(erasing: Erasing) -> None:
    assert erasing.erase(data="overwrite")
    assert not any(content(erasing.volume))


def test_the_escrow_goes_where_it_is_asked_for_and_only_then(erasing: Erasing) -> None:
    assert erasing.erase(destroy_escrow=True)
    envelopes = list((erasing.store_path / "hosts" / HOST).rglob("*.cms"))
    assert envelopes == []
    assert not erasing.erase(destroy_escrow=True)


def test_the_escrow_of_a_volume_that_was_erased_before_goes_later(erasing: Erasing) -> None:
    assert erasing.erase()
    assert erasing.erase("--check", destroy_escrow=True)
    assert erasing.key() == RECOVERY_KEY
    assert "delete its escrow" in words(erasing.run(destroy_escrow=True))
    assert erasing.key() == RECOVERY_KEY
    assert erasing.erase(destroy_escrow=True)
    assert not erasing.store.has_recovery_key(HOST, UUID)


def test_a_volume_whose_key_is_elsewhere_is_erased_and_the_record_says_that_it_was_not_tested(
    erasing: Erasing,
) -> None:
    erasing.store.destroy_escrow(HOST, UUID)
    assert erasing.erase()
    (record,) = erasing.records()
    assert "not tested" in json.loads(record.read_text())["erased"]["recovery_key"]


def test_an_escrowed_key_that_opened_nothing_is_told(erasing: Erasing) -> None:
    erasing.store.put_recovery_key(HOST, UUID, b"another key")
    assert erasing.erase()
    (record,) = erasing.records()
    assert json.loads(record.read_text())["erased"]["recovery_key"] == "did not open it before either"


def test_a_run_that_lost_its_answer_leaves_a_record_with_the_next(erasing: Erasing) -> None:
    """The device was erased; the controller died before it could write the record."""
    erasing.store.note(HOST, UUID, "erasing of data begun")
    with open(erasing.volume.device, "r+b") as file:
        file.write(bytes(DATA_BEGINS))
    assert not erasing.erase()
    (record,) = erasing.records()
    assert "lost in an interruption" in json.loads(record.read_text())["erased"]["result"]
    assert not erasing.erase()
    assert erasing.records() == [record]


def test_it_goes_on_from_wherever_it_was_cut(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call of a tool and each write is the last one once; the next run knows the volume, and ends it."""
    backup = content(volume)
    steps = 0
    while True:
        Path(volume.device).write_bytes(backup)
        budget = Budget(steps)
        with monkeypatch.context() as patch:
            for owner, name in (
                (erasure.cryptsetup, "backup_header"),
                (erasure.cryptsetup, "opens"),
                (erasure.cryptsetup, "erase_keyslots"),
                (erasure, "overwrite"),
                (os, "pwrite"),
            ):
                patch.setattr(owner, name, budget.counted(getattr(owner, name)))
            remains = erasure.look(volume, "overwrite")
            try:
                erasure.erase(remains, "overwrite", [], RECOVERY_KEY)
                break
            except InterruptedError:
                pass
        remains = erasure.look(volume, "overwrite")
        erasure.erase(remains, "overwrite", [], RECOVERY_KEY)
        assert not any(content(volume)), steps
        steps += 1
    assert steps > 8


def test_what_is_no_volume_of_ours_is_refused_and_stays(tmp_path: Path, blank: Volume) -> None:
    def refusal() -> str:
        before = digest(blank)
        with pytest.raises(EdgesecError) as caught:
            erasure.look(blank, "discard")
        assert digest(blank) == before
        return str(caught.value)

    subprocess.run(["mkfs.ext4", "-q", blank.device], check=True)
    assert "it holds ext4, not a LUKS2 volume" in refusal()
    Path(blank.device).write_bytes(bytes(VOLUME_BYTES))
    format_volume(blank.device, label="theirs")
    assert "is not this one (label 'theirs', expected 'edgesec-data')" in refusal()
    with pytest.raises(EdgesecError, match="no such device"):
        erasure.look(Volume("data", str(tmp_path / "nothing")), "discard")


@pytest.fixture
def under_way(tmp_path: Path, blank: Volume) -> Volume:
    """A volume of which nothing is encrypted yet: the data that is to be stands in it in clear."""
    header = tmp_path / "header"
    header.write_bytes(bytes(SHIFT))
    format_volume(blank.device, header=str(header), data_offset=SHIFT)
    with open(blank.device, "r+b") as file:
        file.seek(VOLUME_BYTES - SHIFT)
        file.write(SECRET_DATA)
        file.truncate(VOLUME_BYTES + 2 * SHIFT)
    begin_encryption(str(header), blank.device, RECOVERY_KEY, slot=0, sector_size=4096, shift_bytes=SHIFT)
    with open(blank.device, "r+b") as file:
        file.write(header.read_bytes()[:SHIFT])
    return blank


def test_data_in_clear_is_not_left_behind(under_way: Volume) -> None:
    before = digest(under_way)
    with pytest.raises(EdgesecError, match="may be in clear"):
        erasure.look(under_way, "discard")
    assert digest(under_way) == before
    erasure.erase(erasure.look(under_way, "overwrite"), "overwrite", [], RECOVERY_KEY)
    assert not any(content(under_way))


def test_a_device_that_keeps_its_keyslots_is_told_apart(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """As flash does that writes elsewhere and is asked for the old block: the old header comes back."""
    before = content(volume)

    def erase_nothing(device: str) -> None:
        Path(device).write_bytes(before)

    monkeypatch.setattr(erasure.cryptsetup, "erase_keyslots", erase_nothing)
    with pytest.raises(EdgesecError, match="keyslots survived"):
        erasure.erase(erasure.look(volume, "keep"), "keep", [], RECOVERY_KEY)


def test_a_keyslot_whose_area_is_still_there_is_found_out(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header says that the keyslot is gone, and what the keyslot held is not."""
    before = content(volume)
    erase = cryptsetup.erase_keyslots

    def metadata_alone(device: str) -> None:
        erase(device)
        with open(device, "r+b") as file:
            file.seek(2 * 64 * 1024)
            file.write(before[2 * 64 * 1024 : DATA_BEGINS])

    monkeypatch.setattr(erasure.cryptsetup, "erase_keyslots", metadata_alone)
    with pytest.raises(EdgesecError, match="the recovery key still opens"):
        erasure.erase(erasure.look(volume, "keep"), "keep", [], RECOVERY_KEY)


def test_the_escrowed_header_backup_opened_the_volume_until_its_keyslots_were_erased(erasing: Erasing) -> None:
    """Why the header is not enough: a backup of it brings the keyslots back, but not what was discarded."""
    escrowed = gzip.decompress(erasing.store.envelopes.opened(envelope(erasing).read_bytes(), "the header"))
    assert erasing.erase(data="overwrite", destroy_escrow=True)
    restored = erasing.directory / "restored"
    restored.write_bytes(escrowed)
    assert cryptsetup.opens(str(restored), RECOVERY_KEY)
    assert not any(content(erasing.volume)[DATA_BEGINS:])


def envelope(erasing: Erasing) -> Path:
    return erasing.store_path / "hosts" / HOST / "headers" / f"{UUID}.cms"
