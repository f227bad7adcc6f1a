# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adoption by the role, with real ansible-playbook: what is escrowed before, and that no key ever shows."""

from __future__ import annotations

import base64
import gzip
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import read_header
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from tests.functional.conftest import UUID
from tests.functional.controller.test_key_playbooks import ANSIBLE_PLAYBOOK, HOST, Fleet, words
from tests.functional.volumes.test_adopt import THEIRS, digest, luks_format, slots_of

pytestmark = pytest.mark.minutes(2)

ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.encrypted_storage]
"""
VAULT_PASSWORD = "open sesame"


class Adopting(Fleet):
    """A device with a volume of somebody else, and a controller whose role may adopt it."""

    def __init__(self, directory: Path, volume: Volume) -> None:
        super().__init__(directory, volume)
        self.volume = volume
        self.playbook = directory / "role.yml"
        self.playbook.write_text(ROLE)
        self.declare(on_existing_data="adopt", consent=UUID)

    def declare(self, **more: Any) -> None:
        self.variables["encrypted_storage_volumes"][0].update(more)

    def run(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        return self.play(str(self.playbook), *options, **variables)

    def changed(self, *options: str, **variables: Any) -> bool:
        done = self.run(*options, **variables)
        assert done.returncode == 0, words(done)
        return "changed=1" in done.stdout

    def refused(self, *options: str, **variables: Any) -> str:
        done = self.run(*options, **variables)
        assert done.returncode == 2
        return words(done)

    def escrowed(self, name: str) -> bytes:
        path = self.store_path / "hosts" / HOST / "headers" / f"{name}.cms"
        key = self.store_path / "escrow/key.pem"
        done = subprocess.run(
            ["openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(path), "-inkey", str(key)],
            capture_output=True,
            check=True,
        )
        return gzip.decompress(done.stdout)


@pytest.fixture
def adopting(tmp_path: Path, blank: Volume) -> Adopting:
    luks_format(blank)
    return Adopting(tmp_path, blank)


@pytest.fixture
def passphrase() -> dict[str, Any]:
    return {"encrypted_storage_adopt_passphrases": {"data": THEIRS.decode()}}


def test_check_do_check_do(adopting: Adopting, passphrase: dict[str, Any]) -> None:
    before = digest(adopting.volume)
    assert adopting.changed("--check", "--diff")
    assert adopting.changed("--check", "--diff", **passphrase)
    assert digest(adopting.volume) == before
    assert not adopting.store.has_recovery_key(HOST, UUID)

    assert adopting.changed(**passphrase)
    assert slots_of(adopting.volume, adopting.key()) == ["0"]
    assert slots_of(adopting.volume, THEIRS) == ["3"]
    assert read_header(adopting.escrowed(f"{UUID}.adopted")).label == ""
    assert read_header(adopting.escrowed(UUID)).label == "edgesec-data"

    adopted = digest(adopting.volume)
    assert not adopting.changed("--check", **passphrase)
    assert not adopting.changed()
    assert digest(adopting.volume) == adopted


def test_the_operators_key_is_in_nothing_that_is_printed_or_kept(
    adopting: Adopting, passphrase: dict[str, Any]
) -> None:
    done = adopting.run("-vvvv", "--diff", **passphrase)
    assert done.returncode == 0, words(done)
    secrets = [THEIRS, base64.b64encode(THEIRS), adopting.key()]
    assert [secret for secret in secrets if secret.decode() in done.stdout + done.stderr] == []
    kept = [path for path in adopting.directory.rglob("*") if path.is_file() and path.name != "inventory.json"]
    assert len(kept) > 5
    assert [(path, secret) for path in kept for secret in secrets if secret in path.read_bytes()] == []


def test_with_debugging_on_the_operators_key_is_not_shown(
    adopting: Adopting, passphrase: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_DEBUG", "1")
    refused = adopting.refused("-vvvv", **passphrase)
    assert "Unset ANSIBLE_DEBUG" in refused
    assert THEIRS.decode() not in refused


def test_a_key_file_may_be_a_vault(adopting: Adopting) -> None:
    password = adopting.directory / "password"
    password.write_text(VAULT_PASSWORD)
    key = adopting.directory / "keys" / "data"
    key.parent.mkdir()
    key.write_bytes(THEIRS)
    vault = ["--vault-password-file", str(password)]
    subprocess.run(
        [ANSIBLE_PLAYBOOK.with_name("ansible-vault"), "encrypt", *vault, str(key)], check=True, capture_output=True
    )
    adopting.declare(adopt_key_file="keys/data")
    before = digest(adopting.volume)
    assert "give the vault's password" in adopting.refused()
    assert digest(adopting.volume) == before
    assert adopting.changed(*vault)
    assert slots_of(adopting.volume, THEIRS) == ["3"]


def test_without_a_key_or_with_a_wrong_one_nothing_changes_and_nothing_is_escrowed(adopting: Adopting) -> None:
    before = digest(adopting.volume)
    assert "needs a key that opens it" in adopting.refused()
    wrong = adopting.refused(encrypted_storage_adopt_passphrases={"data": "wrong"})
    assert "opens none of its keyslots" in wrong
    for size in (0, 4097):
        (adopting.directory / "key").write_bytes(bytes(size))
        adopting.declare(adopt_key_file="key")
        assert f"has {size} bytes" in adopting.refused()
    both = adopting.refused(encrypted_storage_adopt_passphrases={"data": "wrong"})
    assert "both given" in both or "mutually exclusive" in both
    assert digest(adopting.volume) == before
    assert not adopting.store.has_recovery_key(HOST, UUID)


def test_an_adoption_that_was_interrupted_goes_on_with_the_key_that_it_had_escrowed(
    adopting: Adopting, passphrase: dict[str, Any]
) -> None:
    """The controller died after the device had the recovery key, before the label was written."""
    adopting.store.put_recovery_key(HOST, UUID, b"escrowed before")
    adopting.store.put_header_as_found(HOST, UUID, gzip.compress(b"as it was"))
    cryptsetup.add_key(adopting.device, THEIRS, THEIRS, slot="3")
    cryptsetup.kill_slot(adopting.device, "0", THEIRS)
    for given in (passphrase, {}):
        assert adopting.changed("--check", **given)
    assert adopting.changed(**passphrase)
    assert adopting.key() == b"escrowed before"
    assert slots_of(adopting.volume, b"escrowed before") == ["0"]
    assert adopting.escrowed(f"{UUID}.adopted") == b"as it was"


def test_what_is_in_its_keyslot_already_takes_no_other_key(adopting: Adopting) -> None:
    adopting.store.put_recovery_key(HOST, UUID, THEIRS)
    assert adopting.changed()
    header = require_header(adopting.device)
    assert (header.label, list(header.keyslots)) == ("edgesec-data", ["0"])


def test_flags_and_retired_keyslots_take_the_escrowed_key(adopting: Adopting, passphrase: dict[str, Any]) -> None:
    assert adopting.changed(**passphrase)
    adopting.declare(retire_keyslots=["3"])
    wanted = {"encrypted_storage_flags": ["no-read-workqueue"], "encrypted_storage_discard": True}
    before = digest(adopting.volume)
    assert adopting.changed("--check", **wanted)
    assert digest(adopting.volume) == before
    assert adopting.changed(**wanted)
    header = require_header(adopting.device)
    assert list(header.keyslots) == ["0"]
    assert header.metadata["config"]["flags"] == ["allow-discards", "no-read-workqueue"]
    assert list(read_header(adopting.escrowed(UUID)).keyslots) == ["0"]
    made = digest(adopting.volume)
    assert not adopting.changed("--check", **wanted)
    assert not adopting.changed(**wanted)
    assert digest(adopting.volume) == made


def test_the_audit_says_whose_volume_it_is_and_what_is_left_in_it(
    adopting: Adopting, passphrase: dict[str, Any]
) -> None:
    assert "FAIL storage.volume.label 3.1.2.3 data: label '' is not ours" in seen_by_audit(adopting)
    adopting.changed(**passphrase)
    after = seen_by_audit(adopting)
    assert "pass storage.volume.label 3.1.2.3 data: edgesec-data" in after
    assert "FAIL storage.volume.keyslots 3.1.2.3 data: unexpected keyslots 3" in after


def seen_by_audit(adopting: Adopting) -> str:
    done = adopting.play("audit")
    assert done.returncode == 0, words(done)
    return words(done)
