# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sealing a real LUKS2 volume to a real (software) TPM, and everything that must be refused."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import Argument, Completed
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm import apply
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.counter import Counter, begin, counter_of
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import COUNTERS, Approval, parse_token
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.sealing import unseal
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tickets import Tickets
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import Tpm2, TpmError
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import path_of, read_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.header_digest import digest_of
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.main import checked_header
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import approve, begin_counter
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.boot_state import boot_state
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.policy_key import PolicyKey
from tests.functional.conftest import RECOVERY_KEY, SoftwareTpm, boot
from tests.support.controller import PCRS, Controller, a_key

ZERO = bytes(32)


@pytest.fixture
def controller(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> Controller:
    return Controller(tpm, volume, tmp_path)


def signed(key: PolicyKey, counter: Counter, values: Mapping[int, bytes], operand: int) -> Approval:
    return approve(key, counter, boot_state(values, "x"), operand)


def digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_what_is_opened_with_is_written_from_what_was_checked(controller: Controller) -> None:
    controller.harden()
    enrolment, copy = read_enrolment("data", controller.root), Path(controller.root) / "copy"
    for _time in range(2):
        header = checked_header(enrolment, str(copy))
        assert copy.stat().st_mode & 0o7777 == 0o400
        assert header == header_of(controller.volume.device) == header_of(str(copy))
        assert copy.stat().st_size == enrolment.pins.data_offset
        assert digest_of(header, str(copy)).hex() == enrolment.pins.header_digest


def test_a_sealed_volume_opens_after_every_reboot_into_the_approved_state(controller: Controller) -> None:
    assert controller.harden().action == "seal"
    for _boot in range(2):
        controller.tpm.reboot()
        boot(controller.tpm)
        assert controller.unlock()


def test_a_second_run_has_nothing_to_do_and_writes_nothing(controller: Controller) -> None:
    controller.harden()
    before = digest(controller.volume.device)
    assert controller.harden().action is None
    assert digest(controller.volume.device) == before


def test_the_header_holds_the_recovery_slot_the_tpm_slot_and_one_token(controller: Controller) -> None:
    controller.harden()
    header = header_of(controller.volume.device)
    assert header is not None
    assert sorted(header.keyslots) == ["0", "1"]
    assert [data["type"] for data in header.tokens.values()] == ["edgesec-tpm2"]
    assert parse_token(header.tokens["1"]) == controller.token
    assert cryptsetup.opens(controller.volume.device, RECOVERY_KEY, slot="0")


def test_another_kernel_does_not_open_until_its_state_is_approved_by_name(controller: Controller) -> None:
    controller.harden()
    sealed = controller.token.private
    controller.tpm.reboot()
    boot(controller.tpm, kernel="kernel 2")
    assert controller.refusal() == "pcr_mismatch"
    with pytest.raises(Refused, match="boot_change"):
        controller.harden()
    assert controller.harden("boot_change").action == "approve"
    assert controller.unlock()
    assert controller.token.private == sealed, "an approval must not seal anew"
    controller.tpm.reboot()
    boot(controller.tpm)
    assert controller.unlock(), "the state before must stay approved"


def test_the_latch_keeps_the_secret_sealed_until_the_next_boot(controller: Controller) -> None:
    controller.harden()
    controller.tpm.reboot()
    boot(controller.tpm)
    token = controller.token
    approval = token.approvals[0]
    assert unseal(controller.tpm.client, token, approval)
    controller.tpm.measure(token.latch_pcr, "latched")
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, token, approval)
    assert refused.value.reason == "pcr_mismatch"


def test_sealing_while_the_latch_is_set_is_proven_and_opens_after_the_reboot(controller: Controller) -> None:
    controller.harden()
    controller.tpm.measure(controller.token.latch_pcr, "latched")
    latch = controller.token.latch_pcr
    status = controller.look()._replace(action="seal")
    apply(status, controller.tpm.client, controller.sign(status), RECOVERY_KEY)
    assert controller.token.latch_pcr == latch
    assert controller.token.keyslot == "2"
    assert controller.refusal() == "pcr_mismatch", "what proved the seal must not be kept"
    controller.tpm.reboot()
    boot(controller.tpm)
    assert controller.unlock()


def test_a_cleared_tpm_is_told_apart_and_sealed_anew_only_by_name(controller: Controller) -> None:
    controller.harden()
    controller.tpm.client.call("tpm2_clear")
    assert controller.refusal() == "tpm_changed"
    with pytest.raises(Refused, match="tpm_change"):
        controller.harden()
    assert controller.harden("tpm_change").action == "seal"
    assert controller.unlock()
    header = header_of(controller.volume.device)
    assert header is not None
    assert len(header.keyslots) == 2, "the dead keyslot is collected"
    assert len(header.tokens) == 1, "the dead token is collected"


class RestlessTpm(Tpm2):
    """A TPM into which something is measured just before each of the first unseals, as systemd does while it boots."""

    measurements = 2

    def call(self, tool: str, *arguments: Argument, stdin: bytes = b"") -> Completed:
        if tool == "tpm2_unseal" and self.measurements:
            self.measurements -= 1
            self.extend(10, {"sha256": b"m" * 32})
        return super().call(tool, *arguments, stdin=stdin)


def test_measurements_that_come_in_between_do_not_keep_a_volume_closed(controller: Controller) -> None:
    controller.harden()
    token = controller.token
    restless = RestlessTpm(controller.tpm.tcti, str(controller.tpm.contexts))
    assert unseal(restless, token, token.approvals[0])
    assert restless.measurements == 0
    endless = RestlessTpm(controller.tpm.tcti, str(controller.tpm.contexts))
    endless.measurements = 1000
    with pytest.raises(TpmError) as refused:
        unseal(endless, token, token.approvals[0])
    assert refused.value.reason == "pcr_changed"
    assert endless.measurements == 995, "the retries are bounded"


class CountingTpm(Tpm2):
    """A TPM that notes which tools were run."""

    def __init__(self, tcti: str, directory: str) -> None:
        super().__init__(tcti, directory)
        self.tools: list[str] = []

    def call(self, tool: str, *arguments: Argument, stdin: bytes = b"") -> Completed:
        self.tools.append(tool)
        return super().call(tool, *arguments, stdin=stdin)


def test_an_approval_is_verified_once_and_again_only_where_its_ticket_is_refused(
    controller: Controller, tmp_path: Path
) -> None:
    controller.harden()
    token, tickets = controller.token, Tickets("data", str(tmp_path / "root"))
    kept = tmp_path / "root/etc/edgesec/tpm/data.ticket"

    def tools(approval: Approval) -> list[str]:
        tpm = CountingTpm(controller.tpm.tcti, str(controller.tpm.contexts))
        assert unseal(tpm, token, approval, tickets)
        return tpm.tools

    (approval,) = token.approvals
    assert "tpm2_verifysignature" in tools(approval)
    assert not kept.exists(), "there is no directory to keep it in, which is no failure"
    kept.parent.mkdir(parents=True)
    assert "tpm2_verifysignature" in tools(approval)
    for _boot in range(2):
        controller.tpm.reboot()
        boot(controller.tpm)
        assert not {"tpm2_verifysignature", "tpm2_loadexternal"} & set(tools(approval))
    for spoilt in (
        kept.read_bytes()[:-1] + b"\0",
        kept.read_bytes()[:-20],
        b"\n",
        b"nonsense",
    ):
        kept.write_bytes(spoilt)
        assert "tpm2_verifysignature" in tools(approval), spoilt
        assert "tpm2_verifysignature" not in tools(approval), "it is kept anew"


def test_a_ticket_is_good_for_no_other_approval(controller: Controller, tmp_path: Path) -> None:
    controller.harden()
    token, tickets = controller.token, Tickets("data", str(tmp_path / "root"))
    (tmp_path / "root/etc/edgesec/tpm").mkdir(parents=True)
    (approval,) = token.approvals
    assert unseal(controller.tpm.client, token, approval, tickets)
    forged = approval._replace(operand=approval.operand + 1)
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, token, forged, tickets)
    assert refused.value.reason == "bad_signature"


def test_a_dead_tpm_is_told_apart(controller: Controller) -> None:
    controller.harden()
    controller.tpm.stop()
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, controller.token, controller.token.approvals[0])
    assert refused.value.reason == "tpm_absent"


def test_a_forged_signature_is_refused_by_the_tpm(controller: Controller) -> None:
    controller.harden()
    token = controller.token
    other = signed(a_key(), counter_of(token), {4: ZERO}, token.header_epoch)
    forged = token.approvals[0]._replace(signature=other.signature)
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, token, forged)
    assert refused.value.reason == "bad_signature"


def test_an_approval_by_another_key_is_refused_by_the_tpm(controller: Controller) -> None:
    controller.harden()
    stranger = a_key()
    values = controller.tpm.client.read_pcrs("sha256", [*PCRS, controller.token.latch_pcr])
    # A stranger with a counter of his own: all that is asserted is so, but for the key.
    counter = Counter(COUNTERS[9], stranger.public_pem(), controller.token.srk_name)
    word = base64.b64decode(begin_counter(stranger, counter.srk_name))
    approval = signed(stranger, counter, values, begin(controller.tpm.client, counter, word))
    token = controller.token._replace(authority=counter.authority, counter=counter.index)
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, token, approval)
    assert refused.value.reason == "wrong_key"


def test_an_approval_for_another_device_is_refused(controller: Controller) -> None:
    controller.harden()
    token = controller.token
    values = controller.tpm.client.read_pcrs("sha256", [*PCRS, token.latch_pcr])
    there = dataclasses.replace(counter_of(token), srk_name=b"\x00\x0b" + b"x" * 32)
    elsewhere = signed(controller.key, there, values, token.header_epoch)
    with pytest.raises(TpmError) as refused:
        unseal(controller.tpm.client, token, elsewhere)
    assert refused.value.reason == "bad_signature"


def test_a_wrong_recovery_key_changes_nothing(controller: Controller) -> None:
    status = controller.with_counter(controller.look())
    before = digest(controller.volume.device)
    with pytest.raises(EdgesecError, match="does not open keyslot 0"):
        apply(status, controller.tpm.client, controller.sign(status), b"another key")
    assert digest(controller.volume.device) == before
    assert not Path(path_of("data", controller.root)).exists()


def test_a_seal_that_cannot_be_proven_changes_nothing(controller: Controller) -> None:
    status = controller.with_counter(controller.look())
    assert status.counter is not None
    assert status.epoch is not None
    useless = controller.sign(status)._replace(proof=signed(controller.key, status.counter, {4: ZERO}, status.epoch))
    before = digest(controller.volume.device)
    with pytest.raises(TpmError):
        apply(status, controller.tpm.client, useless, RECOVERY_KEY)
    assert digest(controller.volume.device) == before


@pytest.mark.parametrize(
    ("pcrs", "message"),
    [((), "measured nothing"), ((7,), "pcr7_only"), ((4, 7, 12), r"\[12\]")],
)
def test_worthless_pcrs_are_refused(controller: Controller, pcrs: tuple[int, ...], message: str) -> None:
    before = digest(controller.volume.device)
    with pytest.raises(Refused, match=message):
        controller.look(pcrs=pcrs)
    assert digest(controller.volume.device) == before


def test_pcr_7_alone_can_be_accepted_by_name(controller: Controller) -> None:
    assert controller.look("pcr7_only", pcrs=(7,)).action == "seal"


def test_what_a_power_cut_left_half_done_is_finished_by_the_next_run(controller: Controller) -> None:
    cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, b"lost", slot="1")
    intent = Path(path_of("data", controller.root)).with_suffix(".adding")
    intent.parent.mkdir(parents=True)
    intent.write_text("1")
    assert controller.harden().action == "seal"
    assert not intent.exists()
    header = header_of(controller.volume.device)
    assert header is not None
    assert sorted(header.keyslots) == ["0", "1"]
    assert controller.unlock()


def test_keyslots_of_other_people_are_left_alone(controller: Controller) -> None:
    for slot in ("1", "2"):
        cryptsetup.add_key(controller.volume.device, RECOVERY_KEY, b"mine", slot=slot)
    before = digest(controller.volume.device)
    with pytest.raises(Refused, match="not for opening it at boot"):
        controller.harden()
    assert digest(controller.volume.device) == before


def test_the_sealed_object_and_its_parent_do_not_count_power_cuts_as_guesses(controller: Controller) -> None:
    controller.harden()
    client = controller.tpm.client
    parent = client.call("tpm2_readpublic", "-c", "0x81000001").stdout.decode()
    assert "noda" in parent
    client.write("t.pub", controller.token.public)
    client.write("t.priv", controller.token.private)
    client.call(
        "tpm2_load",
        "-C",
        "0x81000001",
        "-u",
        client.path("t.pub"),
        "-r",
        client.path("t.priv"),
        "-c",
        client.path("t.ctx"),
    )
    client.flush_transient()
    sealed = client.call("tpm2_readpublic", "-c", client.path("t.ctx")).stdout.decode()
    assert "value: fixedtpm|fixedparent|noda\n" in sealed
