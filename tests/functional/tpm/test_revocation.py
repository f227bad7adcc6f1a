# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was approved once, or was the header once, does not come back: the revocation counter and the header's MAC."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys import boot_keyslot
from ansible_collections.edgesec.hardening.plugins.module_utils._keys import tpm as tpm_keyslot
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm import counter as _counter
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import (
    begin,
    counter_of,
    increment,
    value_of,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import TpmError
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import (
    announce_change,
    read_enrolment,
    write_enrolment,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import begin_counter, move_counter
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import boot_state
from tests.functional.conftest import RECOVERY_KEY, Budget, SoftwareTpm, boot, format_volume
from tests.support.controller import Controller

pytestmark = pytest.mark.minutes(2)

OTHER_KEY = b"another way in"


@pytest.fixture
def controller(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Controller:
    sealed = Controller(tpm, volume, tmp_path)
    assert sealed.harden().action == "seal"
    return sealed


def counted(controller: Controller) -> int | None:
    return value_of(controller.tpm.client, counter_of(controller.token))


def updated(controller: Controller) -> None:
    """The device now runs another kernel, which has been approved beside the one before."""
    controller.tpm.reboot()
    boot(controller.tpm, kernel="kernel 2")
    assert controller.harden("boot_change").action == "approve"


class Attacker:
    """Somebody who had the disk before, and puts back what he copied then."""

    def __init__(self, controller: Controller) -> None:
        self.volume, self.root = controller.volume, controller.root
        self.header = Path(self.volume.device).read_bytes()
        self.enrolment = read_enrolment("data", self.root)

    def put_back(self, *, header: bool = True, enrolment: bool = False) -> None:
        if header:
            Path(self.volume.device).write_bytes(self.header)
        if enrolment:
            write_enrolment(self.enrolment, self.root)


def test_a_counter_moves_by_a_signed_word_only_and_by_each_only_once(controller: Controller) -> None:
    client, counter, value = controller.tpm.client, counter_of(controller.token), counted(controller)
    assert value is not None
    for attempt in (
        ("tpm2_nvincrement", "-C", hex(counter.index), hex(counter.index)),
        ("tpm2_nvincrement", "-C", "o", hex(counter.index)),
    ):
        with pytest.raises(TpmError):
            client.call(*attempt)
    assert counted(controller) == value
    word = base64.b64decode(move_counter(controller.key, counter, value))
    increment(client, counter, value, word)
    assert counted(controller) == value + 1
    with pytest.raises(TpmError) as replayed:
        increment(client, counter, value, word)
    assert replayed.value.reason == "revoked"
    assert counted(controller) == value + 1


def test_a_counter_that_is_made_anew_begins_above_the_one_that_was_removed(controller: Controller) -> None:
    client, counter, value = controller.tpm.client, counter_of(controller.token), counted(controller)
    assert value is not None
    _counter.remove(client, counter.index)
    assert controller.refusal() == "counter_missing"
    word = base64.b64decode(begin_counter(controller.key, counter.srk_name))
    assert begin(client, counter, word) > value
    assert controller.refusal() == "revoked"
    with pytest.raises(Refused, match="boot_change"):
        controller.harden()
    assert controller.harden("boot_change").action == "approve"
    assert controller.unlock()


def test_a_counter_that_was_removed_is_made_anew_by_harden(controller: Controller) -> None:
    _counter.remove(controller.tpm.client, controller.token.counter)
    with pytest.raises(Refused, match="revocation counter"):
        controller.harden()
    assert controller.harden("boot_change").action == "approve"
    assert controller.unlock()
    assert controller.harden().action is None


def test_a_boot_state_that_is_no_more_approved_does_not_open_any_more(controller: Controller) -> None:
    before = counted(controller)
    assert before is not None
    updated(controller)
    attacker = Attacker(controller)
    first, second = controller.states
    controller.forget(second)
    assert controller.harden().action == "revoke"
    assert counted(controller) == before + 1
    assert controller.unlock()
    assert controller.harden().action is None
    controller.tpm.reboot()
    boot(controller.tpm)
    assert controller.refusal() == "pcr_mismatch", "the token has it no more"
    attacker.put_back(enrolment=True)
    assert controller.refusal() == "revoked", "and who brings it back is refused by the TPM"
    assert first.id in [approval.id for approval in controller.token.approvals]


def test_the_running_boot_state_is_not_revoked(controller: Controller) -> None:
    updated(controller)
    controller.forget(controller.states[0])
    with pytest.raises(Refused, match="running boot state"):
        controller.harden()
    assert controller.unlock()


def test_an_approval_for_once_ends_with_the_next_move_of_the_counter(controller: Controller) -> None:
    latch = controller.token.latch_pcr
    values = controller.tpm.client.read_pcrs("sha256", [7, latch])
    controller.approve(boot_state(values, "firmware-update", once=True))
    assert controller.harden().action == "approve"
    controller.tpm.reboot()
    boot(controller.tpm, kernel="firmware 2")
    assert controller.unlock()
    attacker = Attacker(controller)
    with pytest.raises(Refused, match="for one boot only"):
        controller.harden()
    assert controller.harden("boot_change").action == "approve"
    controller.forget(controller.states[-1])
    assert controller.harden().action == "revoke"
    assert controller.unlock()
    controller.tpm.reboot()
    boot(controller.tpm, kernel="evil kernel")
    attacker.put_back(enrolment=True)
    assert controller.refusal() == "revoked"


def test_a_header_that_somebody_changed_is_not_opened(controller: Controller) -> None:
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, OTHER_KEY, slot="2")
    assert controller.refusal() == "header_changed"
    with pytest.raises(Refused, match="header_change"):
        controller.harden()
    assert controller.harden("header_change").action == "authenticate"
    assert controller.unlock()


def test_a_header_that_somebody_changed_is_not_opened_though_the_record_of_it_was_too(controller: Controller) -> None:
    """Only the MAC is left then, for which the TPM's secret is needed."""
    enrolment = read_enrolment("data", controller.root)
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, OTHER_KEY, slot="2")
    digest = controller.header_digest()
    write_enrolment(enrolment._replace(pins=enrolment.pins._replace(header_digest=digest)), controller.root)
    assert controller.refusal() == "header_changed"


def test_a_header_from_before_is_not_opened_by_any_mixture_of_what_was_copied(controller: Controller) -> None:
    attacker = Attacker(controller)
    old_token = controller.token
    announce_change("data", controller.root)
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, OTHER_KEY, slot="2")
    assert controller.harden().action == "authenticate"
    assert controller.unlock()
    new_token = controller.token
    now = read_enrolment("data", controller.root)

    attacker.put_back()
    assert controller.refusal() == "header_rolled_back"
    attacker.put_back(enrolment=True)
    assert controller.refusal() == "revoked"
    # The approvals of now with the header and the MAC of then.
    grafted = old_token._replace(approvals=new_token.approvals)
    cryptsetup.import_token(controller.volume.device, "1", grafted.to_json())
    write_enrolment(attacker.enrolment._replace(token=grafted), controller.root)
    assert controller.refusal() == "header_rolled_back"
    # And the epoch of now as well: the MAC is of another one.
    forged = grafted._replace(header_epoch=new_token.header_epoch)
    cryptsetup.import_token(controller.volume.device, "1", forged.to_json())
    write_enrolment(attacker.enrolment._replace(token=forged), controller.root)
    assert controller.refusal() == "header_changed"
    write_enrolment(now, controller.root)


def test_a_token_from_before_neither_shuts_an_approved_boot_out_nor_stays(controller: Controller) -> None:
    """Only the token of then is put back: its approvals are revoked, those on record are not."""
    old = controller.token
    updated(controller)
    controller.forget(controller.states[-1])
    assert controller.harden().action == "revoke"
    cryptsetup.import_token(controller.volume.device, "1", old.to_json())
    assert controller.unlock()
    assert controller.harden().action == "approve"
    header = require_header(controller.volume.device)
    assert header.tokens["1"] == controller.token.to_json()
    assert controller.harden().action is None
    assert controller.unlock()


def test_while_a_change_is_announced_no_mac_is_asked_for(controller: Controller) -> None:
    announce_change("data", controller.root)
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, OTHER_KEY, slot="2")
    assert controller.unlock()
    assert controller.harden().action == "authenticate"
    assert read_enrolment("data", controller.root).pins.header_digest is not None
    assert controller.harden().action is None


def prepared_revocation(controller: Controller) -> Callable[[], object]:
    updated(controller)
    controller.forget(controller.states[-1])
    return controller.harden


def prepared_authentication(controller: Controller) -> Callable[[], object]:
    announce_change("data", controller.root)
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, OTHER_KEY, slot="2")
    cryptsetup.kill_slot(controller.volume.device, "2", RECOVERY_KEY)
    return controller.harden


def prepared_seal(controller: Controller) -> Callable[[], object]:
    controller.tpm.measure(9, "initrd")
    return lambda: controller.harden("boot_change", pcrs=(4, 7, 9))


def one_step_less(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count each step that writes to the disk or to the TPM."""
    for module, name in (
        (cryptsetup, "add_key"),
        (cryptsetup, "kill_slot"),
        (cryptsetup, "import_token"),
        (cryptsetup, "remove_token"),
        (_counter, "increment"),
        (boot_keyslot, "write_enrolment"),
        (tpm_keyslot, "write_enrolment"),
    ):
        monkeypatch.setattr(module, name, budget.counted(getattr(module, name)))


@pytest.mark.parametrize("prepared", [prepared_revocation, prepared_authentication, prepared_seal])
def test_wherever_the_power_is_cut_the_volume_opens_and_the_next_run_ends_it(
    prepared: Callable[[Controller], Callable[[], object]],
    tpm: SoftwareTpm,
    volume: Volume,
    tmp_path: Path,
) -> None:
    for steps in range(12):
        format_volume(volume.device)
        root = tmp_path / f"root{steps}"
        controller = Controller(tpm, volume, root)
        tpm.client.call("tpm2_clear")
        tpm.reboot()
        boot(tpm)
        controller.harden()
        act = prepared(controller)
        with pytest.MonkeyPatch.context() as patch:
            one_step_less(Budget(steps), patch)
            try:
                act()
            except InterruptedError:
                pass
            else:
                assert steps > 2, "nothing was cut off"
                return
        assert controller.unlock(), f"after {steps} steps"
        act()
        assert controller.unlock()
        assert controller.token.header_epoch == counted(controller)
    raise AssertionError("it did not come to its end")
