# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The escrow: to which certificates, from which private keys, and what openssl makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._actions.store_option import take_store
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.cms import recipients
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import EscrowSettings
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

UUID = "7f0c8b9e-6a35-4f3e-9d58-0f6a1be6f1a4"
HOST = "gw-001"
KEY = b"the recovery key"
PASSPHRASE = "correct horse"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Holder:
    """Somebody who may open the escrow: paths of a certificate and of its private key."""

    certificate: str
    key: str


Enroll = Callable[..., Holder]


@pytest.fixture(scope="module")
def enroll(tmp_path_factory: pytest.TempPathFactory) -> Enroll:
    def enroll(name: str, private: Any = None, begin: int = -1, end: int = 1, passphrase: str = "") -> Holder:
        directory = tmp_path_factory.mktemp(name)
        private = private or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(subject, subject, private.public_key(), x509.random_serial_number())
            .not_valid_before(now + begin * DAY)
            .not_valid_after(now + end * DAY)
            .sign(private, hashes.SHA256())
        )
        protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            protection = serialization.BestAvailableEncryption(passphrase.encode())
        (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (directory / "key.pem").write_bytes(
            private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        )
        return Holder(str(directory / "certificate.pem"), str(directory / "key.pem"))

    return enroll


@pytest.fixture(scope="module")
def first(enroll: Enroll) -> Holder:
    return enroll("first")


@pytest.fixture(scope="module")
def second(enroll: Enroll) -> Holder:
    return enroll("second")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def settings(*holders: Holder, key: Holder | None = None, passphrase: str = "") -> EscrowSettings:
    return EscrowSettings(tuple(holder.certificate for holder in holders), key.key if key else "", passphrase)


def openssl(envelope: Path, holder: Holder) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            *("openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(envelope)),
            *("-recip", holder.certificate, "-inkey", holder.key),
        ],
        capture_output=True,
        check=False,
    )


def envelope_of(path: str, kind: str = "recovery") -> Path:
    return Path(path, "hosts", HOST, kind, f"{UUID}.cms")


def test_openssl_opens_it_with_the_key_of_either_certificate(
    path: str, first: Holder, second: Holder, enroll: Enroll
) -> None:
    store = FleetStore(path, settings(first, second))
    store.put_recovery_key(HOST, UUID, KEY)
    store.put_header(HOST, UUID, b"header")
    for holder in (first, second):
        assert openssl(envelope_of(path), holder).stdout == KEY
        assert openssl(envelope_of(path, "headers"), holder).stdout == b"header"
        assert FleetStore(path, settings(first, second, key=holder)).recovery_key(HOST, UUID) == KEY
        assert FleetStore(path, settings(key=holder)).recovery_key(HOST, UUID) == KEY, "certificates are kept"
    assert openssl(envelope_of(path), enroll("third")).stdout != KEY
    assert not Path(path, "escrow", "key.pem").exists(), "no key that nobody asked for"


def test_a_key_that_does_not_fit_is_told_whose_is_wanted(path: str, first: Holder, second: Holder) -> None:
    FleetStore(path, settings(first)).put_recovery_key(HOST, UUID, KEY)
    with pytest.raises(EdgesecError, match=r"CN=first \(serial [0-9a-f]+\).*encrypted_storage_escrow_key"):
        FleetStore(path, settings(first, key=second)).recovery_key(HOST, UUID)
    with pytest.raises(EdgesecError, match=r"lacks the escrow's private key.*encrypted_storage_escrow_key"):
        FleetStore(path, settings(first)).recovery_key(HOST, UUID)


def test_certificates_that_cannot_be_used_are_named(path: str, enroll: Enroll, first: Holder, tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("garbage")
    for wrong, words in (
        (enroll("expired", begin=-2, end=-1).certificate, "expired on"),
        (enroll("future", begin=1, end=2).certificate, "is not valid before"),
        (enroll("elliptic", ec.generate_private_key(ec.SECP256R1())).certificate, "cannot encrypt to.*an RSA key"),
        (enroll("weak", weak).certificate, "1024 bits"),
        (first.key, "contains a private key instead of a certificate"),
        (str(garbage), "cannot be read"),
        (str(tmp_path / "missing.pem"), "missing.pem: cannot be read: No such file"),
    ):
        store = FleetStore(path, EscrowSettings((first.certificate, wrong)))
        for use in (store.require_usable_certificates, lambda s=store: s.put_recovery_key(HOST, UUID, KEY)):
            with pytest.raises(EdgesecError, match=words) as raised:
                use()
            assert Path(wrong).name in str(raised.value)
        assert not Path(path).exists()


def test_an_expired_certificate_still_opens_what_was_encrypted_to_it(path: str, first: Holder, enroll: Enroll) -> None:
    private = serialization.load_pem_private_key(Path(first.key).read_bytes(), None)
    FleetStore(path, settings(first)).put_recovery_key(HOST, UUID, KEY)
    certificate = Path(first.certificate)
    valid = certificate.read_bytes()
    certificate.write_bytes(Path(enroll("expired", private, -2, -1).certificate).read_bytes())
    try:
        assert FleetStore(path, settings(first, key=first)).recovery_key(HOST, UUID) == KEY
    finally:
        certificate.write_bytes(valid)


def test_a_private_key_behind_a_passphrase(path: str, enroll: Enroll) -> None:
    holder = enroll("careful", passphrase=PASSPHRASE)
    FleetStore(path, settings(holder)).put_recovery_key(HOST, UUID, KEY)
    assert FleetStore(path, settings(holder, key=holder, passphrase=PASSPHRASE)).recovery_key(HOST, UUID) == KEY
    for passphrase, words in (("", "is protected by a passphrase"), ("wrong", "is not opened by the passphrase")):
        with pytest.raises(EdgesecError, match=words):
            FleetStore(path, settings(holder, key=holder, passphrase=passphrase)).recovery_key(HOST, UUID)
    assert PASSPHRASE not in repr(settings(holder, key=holder, passphrase=PASSPHRASE))


def test_a_private_key_behind_ansible_vault(path: str, enroll: Enroll) -> None:
    holder = enroll("vaulted")
    secrets = [("default", VaultSecret(b"the vault's password"))]
    Path(holder.key).write_bytes(VaultLib(secrets).encrypt(Path(holder.key).read_bytes()))
    arguments = {"store": path, "escrow": {"certificates": [holder.certificate], "key": holder.key}, "name": "data"}
    loader = DataLoader()
    sent, store = take_store(arguments, loader)
    assert sent == {"store": path, "name": "data"}, "what goes to the device"
    store.put_recovery_key(HOST, UUID, KEY)
    with pytest.raises(EdgesecError, match="vault"):
        store.recovery_key(HOST, UUID)
    loader.set_vault_secrets(secrets)
    assert store.recovery_key(HOST, UUID) == KEY


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"escrow": {"certificate": "a.pem"}}, "certificate"),
        ({"escrow": "a.pem"}, "escrow|dict"),
    ],
)
def test_options_of_a_wrong_type_are_named(path: str, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(EdgesecError, match=words):
        take_store({"store": path, **wrong}, DataLoader())


def test_neither_policy_key_nor_its_passphrase_is_sent_to_the_device(path: str, first: Holder) -> None:
    policy_key = {"key": first.key, "passphrase": PASSPHRASE}
    sent, store = take_store({"store": path, "policy_key": policy_key, "name": "data"}, DataLoader())
    assert sent == {"store": path, "name": "data"}
    assert "PUBLIC KEY" in store.policy_key().public_pem()
    with pytest.raises(EdgesecError, match="pin"):
        take_store({"store": path, "policy_key": {"pin": PASSPHRASE}}, DataLoader())


def test_a_task_without_a_store_is_refused() -> None:
    with pytest.raises(EdgesecError, match="store"):
        take_store({"name": "data"}, DataLoader())


def test_after_a_change_of_certificates_all_is_encrypted_anew_once(path: str, first: Holder, second: Holder) -> None:
    store = FleetStore(path, settings(first))
    store.put_recovery_key(HOST, UUID, KEY)
    store.put_header(HOST, UUID, b"header")
    store.begin_rotation(HOST, UUID)
    assert store.envelopes.outdated(HOST) == []

    changed = FleetStore(path, settings(second, key=first))
    outdated = changed.envelopes.outdated(HOST)
    assert len(outdated) == 3
    assert openssl(envelope_of(path), first).stdout == KEY, "looking changes nothing"
    changed.envelopes.encrypt_anew(HOST, outdated[0])
    assert changed.envelopes.outdated(HOST) == outdated[1:], "an interrupted run goes on"
    for name in outdated[1:]:
        changed.envelopes.encrypt_anew(HOST, name)
    assert changed.envelopes.outdated(HOST) == []
    assert openssl(envelope_of(path), second).stdout == KEY
    assert openssl(envelope_of(path), first).stdout != KEY
    assert len(FleetStore(path, settings(first, second)).envelopes.outdated(HOST)) == 3, "one is missing"
    assert FleetStore(path, settings(first, second)).envelopes.outdated("another") == []


def test_the_store_s_own_escrow_is_left_for_certificates(path: str, first: Holder) -> None:
    FleetStore(path).put_recovery_key(HOST, UUID, KEY)
    changed = FleetStore(path, settings(first))
    for name in changed.envelopes.outdated(HOST):
        changed.envelopes.encrypt_anew(HOST, name)
    assert FleetStore(path, replace(settings(first), key=first.key)).recovery_key(HOST, UUID) == KEY
    assert openssl(envelope_of(path), first).stdout == KEY


def test_both_keys_of_a_rotation_are_there_until_it_ends(path: str) -> None:
    store = FleetStore(path)
    store.put_recovery_key(HOST, UUID, KEY)
    assert store.next_recovery_key(HOST, UUID) is None
    following = store.begin_rotation(HOST, UUID)
    assert (store.recovery_key(HOST, UUID), store.next_recovery_key(HOST, UUID)) == (KEY, following)
    store.end_rotation(HOST, UUID)
    assert (store.recovery_key(HOST, UUID), store.next_recovery_key(HOST, UUID)) == (following, None)
    (retired,) = Path(path, "hosts", HOST, "recovery", "retired").iterdir()
    own = Holder(f"{path}/escrow/certificate.pem", f"{path}/escrow/key.pem")
    assert openssl(retired, own).stdout == KEY


def test_what_happened_to_a_volume_is_kept_with_its_time(path: str) -> None:
    store = FleetStore(path)
    assert store.history(HOST, UUID) == {}
    store.put_recovery_key(HOST, UUID, KEY)
    store.note(HOST, UUID, "recovery key tested")
    history = store.history(HOST, UUID)
    assert set(history) == {"recovery key escrowed", "recovery key tested"}
    assert datetime.now(UTC) - datetime.fromisoformat(history["recovery key tested"]) < DAY


def test_destroying_the_escrow_of_a_volume_leaves_the_others(path: str) -> None:
    other = UUID.replace("7", "8")
    store = FleetStore(path)
    for uuid in (UUID, other):
        store.put_recovery_key(HOST, uuid, KEY)
        store.put_header(HOST, uuid, b"header")
    store.begin_rotation(HOST, UUID)
    store.end_rotation(HOST, UUID)
    store.begin_rotation(HOST, UUID)
    assert len(store.destroy_escrow(HOST, UUID)) == 4
    assert not store.has_recovery_key(HOST, UUID)
    assert store.destroy_escrow(HOST, UUID) == []
    assert store.recovery_key(HOST, other) == KEY


def test_openssl_alone_verifies_a_signed_record(path: str) -> None:
    record = FleetStore(path).put_signed_record(HOST, "data", {"erased": True})
    verify = [
        *("openssl", "dgst", "-sha256", "-verify", f"{path}/policy/public.pem"),
        *("-signature", f"{record}.sig", record),
    ]
    assert subprocess.run(verify, capture_output=True, check=False).stdout == b"Verified OK\n"
    Path(record).write_text(Path(record).read_text().replace("true", "false"))
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0


def test_a_damaged_envelope_is_malformed_and_nothing_worse(path: str, first: Holder) -> None:
    FleetStore(path, settings(first)).put_recovery_key(HOST, UUID, KEY)
    whole = envelope_of(path).read_bytes()
    assert len(recipients(whole)) == 1
    for size in range(len(whole)):
        with pytest.raises(Malformed):
            recipients(whole[:size])
    for at in range(120):
        for value in (0x00, 0x80, 0xFF):
            with_wrong_byte = whole[:at] + bytes([value]) + whole[at + 1 :]
            try:
                recipients(with_wrong_byte)
            except Malformed:
                continue
