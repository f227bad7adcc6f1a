# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key of another program at the storage root key's handle: judged before anything is sealed under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys import tpm_status
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm_status import SEAL, Wish, preview
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.public_area import SEALED, STORAGE, weaknesses
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.tools import SRK_HANDLE, TpmError
from tests.functional.conftest import SoftwareTpm, boot
from tests.support.controller import PCRS, Controller
from tests.support.module_runner import run_module

FIT = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
# MAX_AUTH_FAIL of swtpm.
POWER_CUTS = 3


def keep(tpm: SoftwareTpm, *how: str) -> None:
    """Make a primary key as another program would, and keep it at the storage root key's handle."""
    client = tpm.client
    client.call("tpm2_createprimary", "-Q", "-C", "o", *how, "-c", client.path("other.ctx"))
    client.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", client.path("other.ctx"), SRK_HANDLE)
    client.flush_transient()


def cut_power(tpm: SoftwareTpm) -> None:
    process = tpm._process
    assert process is not None
    process.kill()
    process.wait(10)
    tpm.start()
    boot(tpm)


def srk_facts(tpm: SoftwareTpm) -> dict[str, Any]:
    found: dict[str, Any] = run_module("tpm_facts", {"volumes": [], "tcti": tpm.tcti}).values["ansible_facts"]
    return dict(found["edgesec_tpm"]["srk"])


@pytest.mark.parametrize(
    "algorithm", ["ecc256:aes128cfb", "rsa2048:aes128cfb", "ecc384:aes256cfb", "rsa3072:aes128cfb"]
)
def test_a_key_that_is_fit_is_used_whoever_made_it(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, algorithm: str
) -> None:
    keep(tpm, "-G", algorithm, "-a", FIT)
    assert srk_facts(tpm)["weaknesses"] == []
    controller = Controller(tpm, volume, tmp_path)
    assert controller.harden().action == SEAL
    tpm.reboot()
    boot(tpm)
    assert controller.unlock()


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        # As tpm2_createprimary makes it by itself, and FAPI by its default profiles.
        (("-G", "ecc256"), ["noda_missing"]),
        (("-G", "rsa2048"), ["noda_missing"]),
        (("-G", "ecc256:aes128cfb", "-a", FIT.replace("|noda", "")), ["noda_missing"]),
        (
            ("-G", "ecc256:ecdsa-sha256:null", "-a", FIT.replace("decrypt", "sign")),
            ["decrypt_missing", "sign_set", "symmetric_weak"],
        ),
        (("-G", "ecc256:aes128cfb", "-g", "sha1", "-a", FIT), ["name_algorithm_weak"]),
    ],
)
def test_a_key_that_is_not_fit_is_refused_and_nothing_is_changed(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, how: tuple[str, ...], wrong: list[str]
) -> None:
    keep(tpm, *how)
    assert srk_facts(tpm)["weaknesses"] == wrong
    before = Path(volume.device).read_bytes()
    controller = Controller(tpm, volume, tmp_path)
    for refused in (controller.harden, lambda: preview(volume, tpm.client, Wish(PCRS))):
        with pytest.raises(Refused, match=f"the key at {SRK_HANDLE} in the TPM: .*{', '.join(wrong)}.*evictcontrol"):
            refused()
    assert Path(volume.device).read_bytes() == before
    assert not list(Path(controller.root).rglob("etc/edgesec/**/*.json")), "an enrolment"

    tpm.client.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", SRK_HANDLE)
    assert controller.harden().action == SEAL, "what the remedy says is done"


def test_a_key_with_a_password_is_refused_in_words(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> None:
    keep(tpm, "-G", "ecc256:aes128cfb", "-a", FIT, "-p", "secret")
    with pytest.raises(TpmError, match="requires a password for the key at 0x81000001"):
        Controller(tpm, volume, tmp_path).harden()
    assert not tpm.client.in_lockout()


def test_a_volume_that_was_sealed_under_such_a_key_opens_is_told_and_is_mended(
    tpm: SoftwareTpm, volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier release did it: power cuts lock the TPM, so the facts say so, and the remedy ends it."""
    keep(tpm, "-G", "ecc256")
    controller = Controller(tpm, volume, tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setattr(tpm_status, "require_fit", lambda _tpm: None)
        controller.harden()
    tpm.reboot()
    boot(tpm)
    assert controller.unlock()
    assert controller.harden().action is None, "what is sealed is left alone"
    assert srk_facts(tpm)["weaknesses"] == ["noda_missing"]
    for _each in range(POWER_CUTS):
        cut_power(tpm)
        if tpm.client.in_lockout():
            break
        controller.unlock()
    assert tpm.client.in_lockout()
    assert controller.refusal() == "tpm_lockout"

    tpm.client.call("tpm2_dictionarylockout", "-Q", "-c")
    tpm.client.call("tpm2_evictcontrol", "-Q", "-C", "o", "-c", SRK_HANDLE)
    assert controller.harden("tpm_change").action == SEAL
    for _each in range(POWER_CUTS * 3):
        cut_power(tpm)
        assert controller.unlock()
    assert not tpm.client.in_lockout()


def test_our_own_objects_are_fit(tpm: SoftwareTpm, volume: Volume, tmp_path: Path) -> None:
    controller = Controller(tpm, volume, tmp_path)
    controller.harden()
    found = tpm.client.srk()
    assert found is not None
    assert weaknesses(found[1], STORAGE) == []
    assert weaknesses(controller.token.public[2:], SEALED) == []
    assert weaknesses(found[1], SEALED) != []
