# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store of the first release, which has no register: what it gets to know of hosts that were sealed with it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import remove
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import parse_approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.sealing import unseal
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import TpmError
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import announce_change
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import header_backup
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_gate.gate import SigningGate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import new_certificate
from tests.functional.conftest import UUID, SoftwareTpm, boot, format_volume
from tests.support.controller import HOST, PCRS, Controller, Store

ATTACKER, ATTACKERS_UUID = "gw-666", "66666666-2222-3333-4444-555555555555"


@pytest.fixture
def controller(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Controller:
    """With one host that was sealed by the first release, and another one that is now in other hands."""
    sealed = Controller(tpm, volume, tmp_path)
    assert sealed.harden().action == "seal"
    store = sealed.store
    store.put_header(HOST, UUID, header_backup(volume.device))
    store.put_recovery_key(ATTACKER, ATTACKERS_UUID, b"key")
    shutil.rmtree(store.path / "policy" / "register")
    counters = store.path / "hosts" / HOST / "counters"
    counters.mkdir()
    (counters / UUID).write_text("1\n")
    (store.path / "hosts" / HOST / "envelopes.json").unlink()
    sealed.store = Store(str(store.path), sealed)
    assert sealed.store.records.known(sealed.key.public_pem()) is None
    return sealed


def has_something_to_sign(controller: Controller) -> None:
    announce_change("data", controller.root)


def claimed(controller: Controller) -> dict[str, object]:
    """What the attacker's device says in place of its own: that it is the stolen one, as the thief has booted it."""
    token = controller.token
    values = controller.tpm.client.read_pcrs("sha256", [*PCRS, token.latch_pcr])
    return {
        "uuid": ATTACKERS_UUID,
        "srk_name": token.srk_name.hex(),
        "pcr_values": {str(pcr): value.hex() for pcr, value in values.items()},
        "latch_pcr": token.latch_pcr,
        "counter": token.counter,
        "counter_value": token.header_epoch,
        "epoch": token.header_epoch,
        "kernel": "thief",
    }


def test_an_honest_device_is_hardened_after_the_upgrade_without_a_word(controller: Controller) -> None:
    (state,) = controller.states
    has_something_to_sign(controller)
    assert controller.harden().action == "authenticate"
    assert controller.unlock()
    assert controller.harden().action is None
    record = controller.store.records.known(controller.key.public_pem())
    assert record is not None
    assert record.host(HOST).srk_name == controller.token.srk_name.hex()
    assert list(record.host(HOST).states.values()) == [state]


def test_the_secret_of_a_stolen_device_is_not_had_by_another_device_of_the_old_store(controller: Controller) -> None:
    token = controller.token
    controller.tpm.reboot()
    boot(controller.tpm, kernel="thief's kernel")
    for accept in ((), ("boot_change", "tpm_change", "policy_change")):
        with pytest.raises(Refused, match=f"belongs to {HOST}"):
            SigningGate(controller.store, ATTACKER, accept).sign(claimed(controller))
    # For a host that nobody else knows the same claim is signed: only the record held it back.
    shutil.rmtree(controller.store.path / "hosts" / HOST)
    stolen = SigningGate(Store(str(controller.store.path), controller), ATTACKER).sign(claimed(controller))
    assert unseal(controller.tpm.client, token, parse_approval(stolen["proof"]))


def test_a_boot_state_that_was_not_approved_with_the_key_is_not_taken_over(controller: Controller) -> None:
    evil = boot_state({4: b"e" * 32, 7: bytes(32), controller.token.latch_pcr: bytes(32)}, "evil")
    path = controller.store.path / "hosts" / HOST / "approvals" / f"{evil.id}.json"
    path.write_bytes(evil.to_bytes())
    assert evil not in controller.states
    has_something_to_sign(controller)
    with pytest.raises(Refused, match=rf"{evil.id}\.json: was not approved by this controller.*\[boot_change\]"):
        controller.harden()
    status = controller.look("boot_change")
    assert evil.id not in [approval.id for approval in controller.sign(status, "boot_change").approvals]
    assert not path.exists()


def test_another_boot_state_is_not_taken_for_the_first_one(controller: Controller) -> None:
    for path in (controller.store.path / "hosts" / HOST / "approvals").glob("*.json"):
        path.unlink()
    controller.tpm.reboot()
    boot(controller.tpm, kernel="kernel 2")
    with pytest.raises(Refused, match=r"none is on record.*boot_change"):
        controller.gate().check(controller.look("boot_change").as_result())


def test_where_a_backup_cannot_be_decrypted_it_takes_the_operators_word(controller: Controller) -> None:
    key = controller.store.path / "escrow" / "key.pem"
    mine = key.read_bytes()
    key.write_bytes(new_certificate()[1])
    found = {**claimed(controller), "uuid": UUID}
    with pytest.raises(EdgesecError, match=r"the one on record \(cannot be decrypted.*\[tpm_change\]"):
        controller.gate().check(found)
    stranger = {**claimed(controller), "srk_name": f"000b{1:064x}"}
    with pytest.raises(Refused, match=rf"might belong to a host whose TPM is not on record here: {HOST} \(cannot"):
        SigningGate(controller.store, ATTACKER).check(stranger)
    assert SigningGate(controller.store, ATTACKER, ("tpm_change",)).sign(stranger)
    # It is told of in the register, and tried again by each that asks.
    key.write_bytes(mine)
    again = Store(str(controller.store.path), controller)
    assert SigningGate(again, HOST).sign(found)["approvals"]
    with pytest.raises(Refused, match=f"belongs to {HOST}"):
        SigningGate(again, ATTACKER, ("tpm_change",)).sign(claimed(controller))


def test_while_the_tpm_of_a_host_is_not_known_recover_alone_frees_no_other_host_from_its_own(
    controller: Controller,
) -> None:
    """What recover.yml says it says of every host, one that is in other hands among them."""
    recover = ("boot_change", "tpm_change", "header_change")
    mine = {**claimed(controller), "srk_name": f"000b{1:064x}"}
    (controller.store.path / "escrow" / "key.pem").write_bytes(new_certificate()[1])
    store = Store(str(controller.store.path), controller)
    assert SigningGate(store, ATTACKER, ("tpm_change",)).sign(mine)
    stolen = SigningGate(store, ATTACKER, recover, by_playbook=recover)
    with pytest.raises(Refused, match=rf"might belong to a host whose TPM is not on record here: {HOST} \(cannot"):
        stolen.sign(claimed(controller))
    assert SigningGate(store, HOST, recover, by_playbook=recover).sign({**claimed(controller), "uuid": UUID})
    with pytest.raises(Refused, match=f"belongs to {HOST}"):
        stolen.sign(claimed(controller))
    assert stolen.sign(mine), "once all are known, it counts"


def test_a_host_whose_register_and_header_backup_were_removed_is_not_taken_for_a_new_one(
    controller: Controller,
) -> None:
    """Who removes the notes as well makes it one: the threat model says so."""
    for gone in ("headers", "approvals", "counters"):
        shutil.rmtree(controller.store.path / "hosts" / HOST / gone)
    words = rf"might belong to a host .*{HOST} \(the header backup of its volume {UUID} is missing"
    store = Store(str(controller.store.path), controller)
    with pytest.raises(Refused, match=words):
        SigningGate(store, ATTACKER).sign(claimed(controller))
    with pytest.raises(Refused, match=r"is missing, so it may have been sealed.*\[tpm_change\]"):
        SigningGate(store, HOST).check({**claimed(controller), "uuid": UUID})


def test_what_was_signed_for_a_tpm_before_its_device_was_sealed_does_not_open_what_is_sealed_then(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path
) -> None:
    controller = Controller(tpm, volume, tmp_path)
    controller.store.put_recovery_key(ATTACKER, ATTACKERS_UUID, b"key")
    tpm.reboot()
    boot(tpm, kernel="thief's kernel")
    srk_name = tpm.client.srk_name() or tpm.client.create_srk()
    values = {str(pcr): value.hex() for pcr, value in tpm.client.read_pcrs("sha256", [*PCRS, 15]).items()}
    claim = {
        "uuid": ATTACKERS_UUID,
        "srk_name": srk_name.hex(),
        "pcr_values": values,
        "latch_pcr": 15,
        "counter": 0x01800010,
        "counter_value": 1,
        "epoch": 1,
        "kernel": "thief",
    }
    stolen = parse_approval(SigningGate(controller.store, ATTACKER).sign(claim)["approvals"][0])
    tpm.reboot()
    boot(tpm)
    with pytest.raises(Refused, match=f"belongs to {ATTACKER}"):
        controller.harden()
    controller.store.release_volume(ATTACKER, ATTACKERS_UUID)
    # Its counter begins at what was signed for, so it is moved to the next value; a higher one is refused.
    controller.harden()
    assert controller.unlock()
    assert controller.token.header_epoch == 2
    assert controller.harden().action is None
    tpm.reboot()
    boot(tpm, kernel="thief's kernel")
    with pytest.raises(TpmError) as refused:
        unseal(tpm.client, controller.token, stolen)
    assert refused.value.reason == "revoked"


def test_a_board_that_was_decommissioned_is_sealed_again_without_a_word(controller: Controller) -> None:
    has_something_to_sign(controller)
    controller.harden()
    before = controller.token
    remove(controller.tpm.client, before.counter)
    controller.store.release_volume(HOST, UUID)
    format_volume(controller.volume.device)
    assert controller.harden().action == "seal"
    assert controller.unlock()
    assert controller.token.header_epoch > before.header_epoch


def test_a_token_that_our_key_has_not_signed_for_is_no_record(controller: Controller) -> None:
    """Who can write the store can encrypt to its certificate."""
    strangers = Controller(controller.tpm, controller.volume, Path(controller.root) / "other")
    store = Store(str(controller.store.path), strangers)
    found = {**claimed(controller), "uuid": UUID}
    with pytest.raises(Refused, match=r"not the one that its volumes were sealed under.*\[policy_change\]"):
        SigningGate(store, HOST).check(found)
    fresh = {**claimed(controller), "srk_name": f"000b{1:064x}"}
    assert SigningGate(store, ATTACKER).sign(fresh), "what another key has sealed is nothing to this one"
