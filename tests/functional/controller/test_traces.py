# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection keeps on a device goes, and nothing else: below a directory, with the key of a real TPM."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device import traces
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.traces import find, remove
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.storage_root_key import MARK, make_srk
from tests.functional.conftest import Budget, SoftwareTpm
from tests.support.controller import Controller

OURS = (
    "etc/systemd/system/edgesec-unlock@.service",
    "etc/systemd/system/multi-user.target.wants/edgesec-unlock@data.service",
    "etc/systemd/system/systemd-fsck@dev-mapper-data.service.requires/edgesec-unlock@data.service",
    "usr/lib/edgesec/unlock",
    "usr/lib/edgesec/0123456789abcdef/edgesec/_unlock/main.py",
    "etc/edgesec/unlock.sha256",
    "run/edgesec/unlock/data.json",
    "etc/apt/apt.conf.d/90edgesec",
    "etc/kernel/install.d/95-edgesec.install",
    "etc/dpkg/dpkg.cfg.d/edgesec-boot-window",
    "run/motd.d/edgesec",
)
OTHERS = (
    "etc/systemd/system/edge.service",
    "etc/systemd/system/multi-user.target.wants/edge.service",
    "usr/lib/edge/run",
    "etc/edge/config",
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    root = tmp_path / "root"
    for name in (*OURS, *OTHERS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return str(root)


def files(root: str) -> set[str]:
    return {str(path.relative_to(root)) for path in Path(root).rglob("*") if not path.is_dir()}


def enrol(root: str, device: str) -> None:
    """As much of an enrolment as tells which device it is of."""
    pins: dict[str, Any] = {"uuid": "u", "label": "l", "cipher": "c", "sector_size": 4096, "data_offset": 0}
    pins.update(volume_key_fingerprint="f", keyslots=["0"], token_types=[])
    token = {
        "type": "edgesec-tpm2",
        "v": 1,
        "bank": "sha256",
        "keyslots": ["1"],
        "srk_name": "00",
        "pub": "",
        "priv": "",
    }
    token.update(authkey="", latch_pcr=15, nv="0x01800010", hdr_mac=None, hdr_epoch=0, approvals=[])
    path = Path(root, "etc/edgesec/tpm/data.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"v": 1, "name": "data", "device": device, "pins": pins, "token": token}))


def test_found_removed_and_nothing_left_to_remove(root: str, tpm: SoftwareTpm) -> None:
    make_srk(tpm.client, root)
    found = find(tpm.client, root)
    assert found.srk
    assert len(found.as_list()) == 11
    assert files(root) == {*OURS, *OTHERS, MARK}

    remove(found, tpm.client)
    assert files(root) == set(OTHERS)
    assert tpm.client.srk_name() is None
    assert find(tpm.client, root).as_list() == []


def test_a_revocation_counter_goes_and_one_of_others_in_its_place_stays(
    root: str, tpm: SoftwareTpm, volume: Volume
) -> None:
    controller = Controller(tpm, volume, Path(root))
    controller.harden()
    index = controller.token.counter
    assert f"the revocation counter at {index:#x} in the TPM" in find(tpm.client, root).as_list()
    tpm.client.call("tpm2_nvundefine", "-C", "o", hex(index))
    tpm.client.call("tpm2_nvdefine", "-C", "o", "-s", "8", hex(index))
    assert find(tpm.client, root).counters == ()
    tpm.client.call("tpm2_nvundefine", "-C", "o", hex(index))
    assert controller.harden("boot_change").action == "approve"
    cryptsetup.erase_keyslots(volume.device)
    remove(find(tpm.client, root), tpm.client)
    assert tpm.client.nv_indices() == set()


def test_a_storage_root_key_of_others_stays(root: str, tpm: SoftwareTpm) -> None:
    name = tpm.client.create_srk()
    remove(find(tpm.client, root), tpm.client)
    assert tpm.client.srk_name() == name


def test_one_that_took_the_place_of_ours_stays_too(root: str, tpm: SoftwareTpm) -> None:
    make_srk(tpm.client, root)
    subprocess.run(["tpm2_clear", "-Q", "-T", tpm.tcti, "-c", "p"], check=True, capture_output=True)
    name = tpm.client.create_srk()
    found = find(tpm.client, root)
    assert not found.srk
    remove(found, tpm.client)
    assert tpm.client.srk_name() == name


def test_without_a_tpm_the_rest_goes(root: str, tpm: SoftwareTpm) -> None:
    make_srk(tpm.client, root)
    tpm.stop()
    found = find(tpm.client, root)
    assert not found.srk
    remove(found, tpm.client)
    assert files(root) == set(OTHERS)


def test_while_a_sealed_volume_is_there_everything_stays(root: str, tpm: SoftwareTpm, volume: Volume) -> None:
    make_srk(tpm.client, root)
    enrol(root, volume.device)
    before = files(root)
    with pytest.raises(Refused, match="the volume data that was sealed to the TPM is still there"):
        remove(find(tpm.client, root), tpm.client)
    assert files(root) == before
    assert tpm.client.srk_name() is not None
    cryptsetup.erase_keyslots(volume.device)
    remove(find(tpm.client, root), tpm.client)
    assert files(root) == set(OTHERS)


def test_it_goes_on_from_wherever_it_was_cut(root: str, tpm: SoftwareTpm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever removal is the last one of a run."""
    make_srk(tpm.client, root)
    runs = 0
    while find(tpm.client, root).as_list():
        budget = Budget(1)
        with monkeypatch.context() as patch:
            for owner, name in ((traces, "remove_srk"), (os, "unlink")):
                patch.setattr(owner, name, budget.counted(getattr(owner, name)))
            with contextlib.suppress(InterruptedError):
                remove(find(tpm.client, root), tpm.client)
        runs += 1
    assert runs > 4
    assert files(root) == set(OTHERS)
    assert tpm.client.srk_name() is None
