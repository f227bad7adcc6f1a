# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TPMs whose SHA-256 bank is off or has not all PCRs, and PCRs with nothing but separators: a real TPM each."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm_status import Wish, preview
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls import tpm as controls_tpm
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View
from ansible_collections.edgesec.hardening.plugins.plugin_utils._judging import preflight
from tests.functional.conftest import SoftwareTpm, boot
from tests.support.controller import Controller
from tests.support.module_runner import run_module

POLICY = View(
    {
        "tpm_sealing_pcrs": [4, 7],
        "tpm_sealing_accept": [],
        "tpm_sealing_provider": "edgesec",
        "tpm_sealing_public_key": "",
        "encrypted_storage_unlock": "tpm",
    },
    "",
)
ALLOCATIONS = {
    "sha384 alone": ("sha1:none+sha256:none+sha384:all+sha512:none", r"SHA-256 bank .* is off \(active: sha384\)"),
    "sha1 alone": ("sha1:all+sha256:none+sha384:none+sha512:none", r"SHA-256 bank .* is off \(active: sha1\)"),
    "two others": ("sha1:all+sha256:none+sha384:none+sha512:all", r"SHA-256 bank .* is off \(active: sha1, sha512\)"),
    "not all PCRs": ("sha1:none+sha256:0,1,2,3,7+sha384:all+sha512:none", r"SHA-256 bank has no PCR 4\b.*sha256"),
}


def allocate(tpm: SoftwareTpm, banks: str) -> None:
    environment = {**os.environ, "TPM2TOOLS_TCTI": tpm.tcti}
    for command in (["tpm2_pcrallocate", banks], ["tpm2_shutdown", "-c"]):
        subprocess.run(command, env=environment, check=True, capture_output=True)
    tpm.reboot()
    boot(tpm)


def facts_of(tpm: SoftwareTpm) -> dict[str, Any]:
    facts: dict[str, Any] = run_module("tpm_facts", {"volumes": [], "tcti": tpm.tcti}).values["ansible_facts"]
    return {**facts, "edgesec_platform": {"tools": {"tpm2_unseal": "/usr/bin/tpm2_unseal"}}}


def refusals(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> list[str]:
    """What each way of sealing says."""
    controller = Controller(tpm, volume, tmp_path)
    said = []
    for attempt in (
        controller.look,
        lambda: preview(volume, tpm.client, Wish((4, 7))),
    ):
        with pytest.raises(Refused) as refused:
            attempt()
        said.append(str(refused.value))
    return said


@pytest.mark.parametrize("name", ALLOCATIONS)
def test_a_bank_that_is_off_is_named_with_what_turns_it_on(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, name: str
) -> None:
    banks, words = ALLOCATIONS[name]
    allocate(tpm, banks)
    facts = facts_of(tpm)
    (problem,) = preflight._tpm(View(facts, ""), POLICY)
    finding = controls_tpm._measured(View(facts, ""), POLICY)
    assert finding.verdict == "fail"
    said = [str(problem), f"{finding.actual}. {finding.by_hand}", *refusals(tpm, volume, tmp_path)]
    for each in said:
        assert "tpm2_pcrallocate sha256:all" in each
        assert "firmware setup" in each
        assert "then reboot" in each
        assert "Reboot the device" not in each
    for each in (*said, facts["edgesec_tpm"]["reason"]):
        assert re.search(words, each), each


def test_a_bank_that_is_on_has_no_reason_to_tell(tpm: SoftwareTpm) -> None:
    facts = facts_of(tpm)
    assert facts["edgesec_tpm"]["reason"] is None
    assert preflight._tpm(View(facts, ""), POLICY) == []


def test_a_volume_whose_bank_was_turned_off_stays_closed_with_a_reason(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path
) -> None:
    controller = Controller(tpm, volume, tmp_path)
    controller.harden()
    allocate(tpm, "sha1:none+sha256:none+sha384:all+sha512:none")
    with pytest.raises(EdgesecError):
        controller.unlock()
    with pytest.raises(Refused, match=r"SHA-256 bank .* is off"):
        controller.look()


@pytest.mark.parametrize("separators", [(bytes(4),), (b"\xff" * 4,), (bytes(4), bytes(4)), (b"\1\0\0\0", bytes(4))])
def test_a_pcr_with_nothing_but_separators_is_not_sealed_to(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, separators: tuple[bytes, ...]
) -> None:
    for each in separators:
        tpm.client.extend(12, {"sha256": hashlib.sha256(each).digest()})
    controller = Controller(tpm, volume, tmp_path)
    with pytest.raises(Refused, match=r"measured nothing into \[12\]"):
        controller.look(pcrs=(4, 7, 12))
    facts = facts_of(tpm)
    assert controls_tpm.unmeasured(View(facts, ""), [4, 7, 12]) == [12]
    tpm.client.extend(12, {"sha256": hashlib.sha256(b"a command line").digest()})
    assert controller.look(pcrs=(4, 7, 12)).action == "seal"
    assert controls_tpm.unmeasured(View(facts_of(tpm), ""), [4, 7, 12]) == []
