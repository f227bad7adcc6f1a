# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's policy key with real ansible-playbook: on a token, in a vault, and where it cannot be used."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.hazmat.primitives import serialization
from pkcs11 import KeyType

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import parse_token
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm
from tests.functional.controller.test_key_playbooks import HOST, Fleet, words
from tests.functional.controller.test_policy_key import PASSPHRASE, named, new, write
from tests.functional.volumes.test_adopt import digest
from tests.functional.volumes.test_luks_erase import Erasing
from tests.support.namespace import Namespace
from tests.support.soft_token import PIN, SoftToken

pytestmark = pytest.mark.minutes(2)

ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.tpm_sealing]
"""
SEAL = """\
- hosts: all
  gather_facts: false
  tasks:
    - edgesec.hardening.tpm_keyslot:
        name: data
        device: "{{ encrypted_storage_volumes[0].device }}"
        pcrs: "{{ tpm_sealing_pcrs }}"
        tcti: "{{ tpm_sealing_tcti }}"
        accept: "{{ accept | default([]) }}"
        store: "{{ edgesec_store }}"
        policy_key: {key: "{{ tpm_sealing_policy_key }}", passphrase: "{{ pin | default('') }}"}
      vars: {ansible_pipelining: true}
"""
# A prediction, in the run that seals and in a later one.
PREDICT = """\
    - edgesec.hardening.boot_state:
        store: "{{ edgesec_store }}"
        policy_key: {key: "{{ tpm_sealing_policy_key }}", passphrase: "{{ pin | default('') }}"}
        state: predicted
        pcr_values: {"4": "{{ '%064x' | format(predicted) }}", "7": "{{ '%064x' | format(7) }}"}
        latch_pcr: 15
        kernel: predicted
"""
ERASE = """\
- hosts: all
  gather_facts: false
  tasks:
    - edgesec.hardening.luks_erase:
        name: data
        device: "{{ encrypted_storage_volumes[0].device }}"
        store: "{{ edgesec_store }}"
        consent: gw-001
        policy_key: {key: "{{ tpm_sealing_policy_key }}", passphrase: "{{ passphrase | default('') }}"}
      vars: {ansible_pipelining: true}
"""


class Sealing(Fleet):
    """A device with an /etc of its own and a software TPM; its controller has the policy key on a token."""

    def __init__(self, directory: Path, volume: Volume, tpm: SoftwareTpm, token: SoftToken, space: Namespace) -> None:
        super().__init__(directory, volume)
        tpm.client.create_srk()
        token.generate(KeyType.EC, "secp256r1", 1)
        self.within = space.enter
        self.uri = token.uri("id=%01")
        self.variables.update(tpm_sealing_pcrs=[4, 7], tpm_sealing_tcti=tpm.tcti, tpm_sealing_policy_key=self.uri)

    def run(self, play: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        playbook = self.directory / "play.yml"
        playbook.write_text(play)
        return self.play(str(playbook), *options, **variables)


@pytest.fixture
def sealing(tmp_path: Path, volume: Volume, tpm: SoftwareTpm, token: SoftToken, space: Namespace) -> Sealing:
    upper = tmp_path / "etc"
    upper.mkdir()
    try:
        space.run("mount", "-t", "tmpfs", "tmpfs", str(upper))
        space.run("mkdir", f"{upper}/upper", f"{upper}/work")
        layers = f"lowerdir=/etc,upperdir={upper}/upper,workdir={upper}/work"
        space.run("mount", "-t", "overlay", "overlay", "-o", layers, "/etc")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no /etc of its own can be made here: {error.stderr}")
    sealing = Sealing(tmp_path, volume, tpm, token, space)
    sealing.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
    return sealing


def test_sealed_with_a_key_on_a_token_check_do_check_do(sealing: Sealing, volume: Volume, tmp_path: Path) -> None:
    predicted = sealing.run(SEAL, "--check", "--diff")
    assert predicted.returncode == 0, words(predicted)
    assert "changed=1" in predicted.stdout, "and it takes no PIN to say so"
    done = sealing.run(SEAL, "-vvv", pin=PIN)
    assert done.returncode == 0, words(done)
    assert "changed=1" in done.stdout
    assert PIN not in done.stdout + done.stderr
    header = header_of(volume.device)
    assert header is not None
    assert parse_token(header.tokens["1"]).authority == named(tmp_path, sealing.uri, PIN).public_pem()
    assert not (sealing.store_path / "policy" / "key.pem").exists(), "no key that nobody asked for"

    sealed = digest(volume)
    for options in (("--check",), ()):
        again = sealing.run(SEAL, *options)
        assert again.returncode == 0, words(again)
        assert "changed=0" in again.stdout, "and it takes no PIN to see that"
    assert digest(volume) == sealed


def test_another_key_is_told_and_taken_by_name_alone(sealing: Sealing, volume: Volume, token: SoftToken) -> None:
    assert sealing.run(SEAL, pin=PIN).returncode == 0
    token.generate(KeyType.RSA, 2048, 2)
    other = {"tpm_sealing_policy_key": token.uri("id=%02"), "pin": PIN}
    before = digest(volume)
    blind = sealing.run(SEAL, "--check", **other)
    assert "it is not checked whether a volume is sealed under another key" in words(blind)
    for options in ((), ("--check",)):
        refused = sealing.run(SEAL, *options, **other)
        assert refused.returncode == 2
        assert "tpm_sealing_accept: [policy_change]" in words(refused)
        assert digest(volume) == before
    assert "changed=1" in sealing.run(SEAL, accept=["policy_change"], **other).stdout
    assert "changed=0" in sealing.run(SEAL, **other).stdout
    header = header_of(volume.device)
    assert header is not None
    (seal,) = header.tokens.values()
    assert parse_token(seal).authority == named(sealing.directory, other["tpm_sealing_policy_key"], PIN).public_pem()


def test_a_prediction_is_approved_in_the_run_that_seals_for_the_first_time_alone(sealing: Sealing) -> None:
    def states() -> list[str]:
        return sorted(path.name for path in (sealing.store_path / "hosts" / HOST / "approvals").glob("*.json"))

    checked = sealing.run(SEAL + PREDICT, "--check", pin=PIN, predicted=1)
    assert checked.returncode == 0, words(checked)
    assert states() == []
    done = sealing.run(SEAL + PREDICT, pin=PIN, predicted=1)
    assert done.returncode == 0, words(done)
    assert len(states()) == 2
    before = states()
    for play in (SEAL + PREDICT, SEAL.split("    - edgesec", maxsplit=1)[0] + PREDICT):
        refused = sealing.run(play, pin=PIN, predicted=2)
        assert refused.returncode == 2
        assert "this run did not seal the host for the first time" in words(refused)
        assert states() == before


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"tpm_sealing_policy_key_passphrase": "000000"}, "is not opened by the PIN"),
        ({}, "needs the PIN of the token"),
        (
            {"tpm_sealing_policy_key": "pkcs11:token=spare;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so"},
            "0 tokens",
        ),
        (
            {"tpm_sealing_policy_key": "pkcs11:id=%01?module-path=/nowhere.so&pin-value=314159"},
            "holds a PIN (pin-value)",
        ),
        ({"tpm_sealing_policy_key": "/nowhere/policy.pem"}, "/nowhere/policy.pem: cannot be read"),
    ],
)
def test_a_key_that_cannot_be_used_is_one_error_of_the_role_and_changes_nothing(
    sealing: Sealing, volume: Volume, changes: dict[str, str], seen: str
) -> None:
    before = digest(volume)
    done = sealing.run(ROLE, "-vvv", **changes)
    assert done.returncode == 2
    assert seen in words(done)
    assert "314159" not in done.stdout + done.stderr
    assert digest(volume) == before
    assert not (sealing.store_path / "hosts" / HOST / "approvals").exists()
    assert subprocess.run([*sealing.within, "test", "-e", "/etc/edgesec"], check=False).returncode == 1


@pytest.fixture
def erasing(tmp_path: Path, volume: Volume) -> Erasing:
    erasing = Erasing(tmp_path, volume)
    erasing.playbook.write_text(ERASE)
    erasing.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
    return erasing


def test_a_record_is_signed_with_a_key_behind_ansible_vault(erasing: Erasing, tmp_path: Path) -> None:
    private = new(2048)
    path = write(tmp_path, private, PASSPHRASE)
    vault = [("default", VaultSecret(b"the vault's password"))]
    Path(path).write_bytes(VaultLib(vault).encrypt(Path(path).read_bytes()))
    (tmp_path / "password").write_text("the vault's password")
    given: dict[str, Any] = {"tpm_sealing_policy_key": path, "passphrase": PASSPHRASE}
    before = digest(erasing.volume)
    for options, changes, seen in (
        ((), {}, "cannot be read (Attempting to decrypt but no vault secrets found"),
        (("--vault-password-file", "password"), {"passphrase": "wrong"}, "is not opened by the passphrase"),
    ):
        refused = erasing.run(*options, **{**given, **changes})
        assert refused.returncode == 2
        assert seen in words(refused)
        assert digest(erasing.volume) == before, "what cannot be signed for is not begun"
    done = erasing.run("-vvv", "--vault-password-file", "password", **given)
    assert done.returncode == 0, words(done)
    assert PASSPHRASE not in done.stdout + done.stderr

    (record,) = erasing.records()
    public = tmp_path / "public.pem"
    public.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    verify = ["openssl", "dgst", "-sha256", "-verify", str(public), "-signature", f"{record}.sig", str(record)]
    assert subprocess.run(verify, capture_output=True, check=False).stdout == b"Verified OK\n"
    assert (erasing.store_path / "policy" / "public.pem").read_bytes() == public.read_bytes()
