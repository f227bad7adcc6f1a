# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fleet store: what it gives back, what openssl gets out of it, and who may read it."""

from __future__ import annotations

import json
import multiprocessing
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import (
    PolicyKeySettings,
    new_policy_key,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import new_certificate, new_recovery_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

UUID = "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"


@pytest.fixture
def store(tmp_path: Path) -> FleetStore:
    return FleetStore(str(tmp_path / "deep" / "store"))


def test_a_recovery_key_comes_back(store: FleetStore) -> None:
    key = new_recovery_key()
    assert not store.has_recovery_key("gw-001", UUID)
    store.put_recovery_key("gw-001", UUID, key)
    assert store.has_recovery_key("gw-001", UUID)
    assert store.recovery_key("gw-001", UUID) == key


def test_openssl_opens_the_escrow_without_this_collection(store: FleetStore) -> None:
    key = new_recovery_key()
    store.put_recovery_key("gw-001", UUID, key)
    done = subprocess.run(
        [
            *("openssl", "cms", "-decrypt", "-inform", "DER"),
            *("-in", str(store.path / "hosts/gw-001/recovery" / f"{UUID}.cms")),
            *("-recip", str(store.path / "escrow/certificate.pem"), "-inkey", str(store.path / "escrow/key.pem")),
        ],
        capture_output=True,
        check=True,
    )
    assert done.stdout == key


def test_no_recovery_key_is_in_the_store_in_clear(store: FleetStore) -> None:
    key = new_recovery_key()
    store.put_recovery_key("gw-001", UUID, key)
    for path in store.path.rglob("*"):
        if path.is_file():
            assert key not in path.read_bytes()


def test_only_the_owner_can_look_into_the_store(store: FleetStore) -> None:
    store.put_recovery_key("gw-001", UUID, b"key")
    store.policy_key()
    for path in (store.path, *store.path.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_keys_are_made_once(store: FleetStore) -> None:
    again = FleetStore(str(store.path))
    assert store.policy_key().public_pem() == again.policy_key().public_pem()
    assert store.envelopes.certificates() == again.envelopes.certificates()


def test_the_operators_policy_key_is_known_without_being_opened_once_it_was_used(tmp_path: Path) -> None:
    file, path = tmp_path / "policy.pem", str(tmp_path / "store")
    file.write_bytes(new_policy_key())

    def store(key: str) -> FleetStore:
        return FleetStore(path, policy_key=PolicyKeySettings(key))

    assert store(str(file)).policy_public_key() is None
    public = store(str(file)).policy_key().public_pem()
    assert store(str(file)).policy_public_key() == public
    assert not (tmp_path / "store" / "policy" / "key.pem").exists()
    file.write_bytes(new_policy_key())
    assert store(str(file)).policy_public_key() is None, "there is another one in the file"
    assert store("pkcs11:id=%01?module-path=/usr/lib/module.so").policy_public_key() is None
    assert store("").policy_public_key() is None
    assert store("").policy_key().public_pem() == store("").policy_public_key() != public


def _policy_key(path: str) -> str:
    return FleetStore(path).policy_key().public_pem()


def test_hosts_that_come_at_once_get_one_key(store: FleetStore) -> None:
    with multiprocessing.get_context("fork").Pool(8) as pool:
        assert len(set(pool.map(_policy_key, [str(store.path)] * 16))) == 1


def test_two_recovery_keys_differ_and_have_256_bits() -> None:
    first, second = new_recovery_key(), new_recovery_key()
    assert first != second
    assert len(bytes.fromhex(first.decode().replace("-", ""))) == 32


def test_a_key_of_another_escrow_does_not_open_it(store: FleetStore) -> None:
    store.put_recovery_key("gw-001", UUID, b"key")
    (store.path / "escrow/key.pem").write_bytes(new_certificate()[1])
    with pytest.raises(EdgesecError, match="cannot be decrypted"):
        store.recovery_key("gw-001", UUID)


@pytest.mark.parametrize("keep", [0, 1, 100])
def test_a_damaged_escrow_is_named(store: FleetStore, keep: int) -> None:
    store.put_recovery_key("gw-001", UUID, b"key")
    path = store.path / "hosts/gw-001/recovery" / f"{UUID}.cms"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EdgesecError, match="cannot be decrypted"):
        store.recovery_key("gw-001", UUID)


def test_a_missing_escrow_is_named_with_its_host(store: FleetStore) -> None:
    with pytest.raises(EdgesecError, match=f"no recovery key of the volume {UUID} of gw-001"):
        store.recovery_key("gw-001", UUID)


def test_a_rotation_of_a_volume_key_is_remembered_until_its_header_is_escrowed(store: FleetStore) -> None:
    store.put_recovery_key("gw-001", UUID, b"key")
    store.put_header("gw-001", UUID, b"from before")
    assert store.volume_key_rotated_from("gw-001", UUID) is None
    for _time in range(2):
        store.begin_volume_key_rotation("gw-001", UUID, "0badc0de")
        assert store.volume_key_rotated_from("gw-001", UUID) == "0badc0de"
    headers = Path(store.path) / "hosts" / "gw-001" / "headers"
    assert not (headers / f"{UUID}.cms").exists(), "nobody is to restore it"
    (retired,) = (headers / "retired").iterdir()
    store.put_header("gw-001", UUID, b"from now on")
    store.end_volume_key_rotation("gw-001", UUID)
    assert store.volume_key_rotated_from("gw-001", UUID) is None
    assert set(store.escrow_of("gw-001", UUID)) == {
        f"hosts/gw-001/recovery/{UUID}.cms",
        f"hosts/gw-001/headers/{UUID}.cms",
        f"hosts/gw-001/headers/retired/{retired.name}",
    }


@pytest.mark.parametrize("host", ["../../etc", ".ssh", "a/b", "", "a b"])
def test_a_host_name_cannot_lead_out_of_the_store(store: FleetStore, host: str) -> None:
    with pytest.raises(EdgesecError, match="cannot be the name of a file"):
        store.put_recovery_key(host, UUID, b"key")


def test_the_journal_tells_what_was_done_and_no_secret(store: FleetStore) -> None:
    store.put_recovery_key("gw-001", UUID, b"secret key")
    (entry,) = [json.loads(line) for line in (store.path / "journal.jsonl").read_text().splitlines()]
    assert (entry["event"], entry["host"], entry["subject"]) == ("recovery key escrowed", "gw-001", UUID)
    assert "secret" not in json.dumps(entry)


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EdgesecError, match="edgesec_store"):
        FleetStore(str(tmp_path / "file" / "store")).policy_key()
