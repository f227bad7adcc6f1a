# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""approve.yml and recover.yml with real ansible-playbook, on a volume in a file that is sealed to a software TPM."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.luks_token import Token, parse_token
from tests.functional.conftest import RECOVERY_KEY, UUID, SoftwareTpm, boot
from tests.functional.controller.test_key_playbooks import HOST, Fleet, words
from tests.support.namespace import Namespace

pytestmark = pytest.mark.minutes(2)

ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.tpm_sealing]
"""


class Device(Fleet):
    """A device with an /etc, a /usr/lib and a /run of its own, which has been sealed."""

    def __init__(self, directory: Path, volume: Volume, tpm: SoftwareTpm, space: Namespace) -> None:
        super().__init__(directory, volume)
        self.within = space.enter
        self.variables.update(tpm_sealing_pcrs=[4, 7], tpm_sealing_tcti=tpm.tcti, encrypted_storage_unlock="tpm")
        self.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
        playbook = directory / "seal.yml"
        playbook.write_text(ROLE)
        self.done(self.play(str(playbook)), changes=True)

    @staticmethod
    def done(played: subprocess.CompletedProcess[str], *, changes: bool) -> None:
        assert played.returncode == 0, words(played)
        assert ("changed=0" not in played.stdout) == changes, words(played)

    def approve(self, what: str, *options: str, changes: bool = True) -> None:
        self.done(self.play("approve", *options, tpm_sealing_approve=what), changes=changes)

    @property
    def token(self) -> Token:
        header = header_of(self.device)
        assert header is not None
        return parse_token(header.tokens["1"])

    @property
    def approved(self) -> list[tuple[str, bool]]:
        """On the device, which is as in the store."""
        states = [(state.id, state.once) for state in self.store.boot_states(HOST)]
        assert sorted(states) == sorted((approval.id, approval.once) for approval in self.token.approvals)
        return states


@pytest.fixture
def device(tmp_path: Path, volume: Volume, tpm: SoftwareTpm, space: Namespace) -> Device:
    layers = tmp_path / "layers"
    layers.mkdir()
    try:
        space.run("mount", "-t", "tmpfs", "tmpfs", str(layers))
        for place in ("etc", "usr/lib"):
            space.run("mkdir", "-p", f"{layers}/{place}/upper", f"{layers}/{place}/work")
            options = f"lowerdir=/{place},upperdir={layers}/{place}/upper,workdir={layers}/{place}/work"
            space.run("mount", "-t", "overlay", "overlay", "-o", options, f"/{place}")
        space.run("mount", "-t", "tmpfs", "tmpfs", "/run")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no /etc of its own can be made here: {error.stderr}")
    return Device(tmp_path, volume, tpm, space)


def test_a_changed_boot_state_is_approved_and_the_one_before_pruned(device: Device, tpm: SoftwareTpm) -> None:
    (first,) = device.approved
    tpm.reboot()
    boot(tpm, kernel="kernel 2")
    device.approve("observe", "--check")
    assert device.approved == [first], "check mode does nothing"
    device.approve("observe")
    assert len(device.approved) == 2
    device.approve("observe", changes=False)
    epoch = device.token.header_epoch
    device.approve("prune", "--check")
    device.approve("prune")
    assert len(device.approved) == 1
    assert first not in device.approved
    assert device.token.header_epoch == epoch + 1
    device.approve("prune", changes=False)
    assert (device.store_path / "hosts" / HOST / "approvals" / "retired" / f"{first[0]}.json").exists()


def test_a_boot_is_let_through_once_and_no_more_after_it_was_pruned(device: Device, tpm: SoftwareTpm) -> None:
    device.approve("once")
    device.approve("once", changes=False)
    assert [once for _state, once in device.approved].count(True) == 1
    tpm.reboot()
    boot(tpm, kernel="firmware 2")
    refused = device.play("approve", tpm_sealing_approve="prune")
    assert refused.returncode == 2
    assert "is approved only once" in words(refused)
    device.approve("observe")
    device.approve("prune")
    assert [once for _state, once in device.approved] == [False]


def test_what_cannot_be_predicted_is_refused_and_nothing_approved(device: Device) -> None:
    before = device.approved
    refused = device.play("approve", tpm_sealing_approve="predict")
    assert refused.returncode == 2
    assert "PCRs of the SHA-256 bank" in words(refused) or "binary_bios_measurements" in words(refused)
    assert device.approved == before


def test_where_nothing_is_sealed_there_is_nothing_to_approve(device: Device) -> None:
    subprocess.run([*device.within, "rm", "/etc/edgesec/tpm/data.json"], check=True)
    refused = device.play("approve")
    assert refused.returncode == 2
    assert "is sealed to the TPM, so there is no boot state to approve" in words(refused)


def test_a_tpm_that_was_cleared_is_recovered_from(device: Device, tpm: SoftwareTpm) -> None:
    tpm.client.call("tpm2_clear")
    srk_name = device.token.srk_name
    device.done(device.play("recover", "--check"), changes=True)
    device.done(device.play("recover"), changes=True)
    header = header_of(device.device)
    assert header is not None
    (token,) = map(parse_token, header.tokens.values())
    assert token.srk_name != srk_name
    device.done(device.play("recover"), changes=False)


def test_after_a_rotation_the_secret_vouches_for_the_header_as_it_is_then(device: Device) -> None:
    before = device.token
    device.done(device.play("rotate"), changes=True)
    assert device.token.header_epoch == before.header_epoch + 1
    assert device.token.header_mac not in (None, before.header_mac)
    device.approve("observe", changes=False)


def test_a_rotation_seals_nothing_that_is_not_sealed(device: Device) -> None:
    subprocess.run([*device.within, "rm", "/etc/edgesec/tpm/data.json"], check=True)
    before = device.token
    device.done(device.play("rotate"), changes=True)
    assert device.token == before


def test_boot_states_are_named_as_they_are(device: Device) -> None:
    playbook = device.directory / "state.yml"
    tasks = {
        "edgesec.hardening.boot_state": {"store": "{{ edgesec_store }}", "pcr_values": {"4": "00"}, "latch_pcr": 14}
    }
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [tasks]}]))
    refused = device.play(str(playbook))
    assert "A value has 64 hexadecimal digits" in words(refused)
