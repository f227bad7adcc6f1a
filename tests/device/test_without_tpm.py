# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A board without a TPM: refused with the way out, and encrypted with the key on the controller when told so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device
from tests.lab.booted import CLEAN

pytestmark = pytest.mark.minutes(3)


@pytest.fixture(scope="module")
def device(booted: Device) -> Iterator[Device]:
    booted.restore(CLEAN)
    booted.stop()
    booted.start(tpm=False)
    yield booted
    booted.stop()


def test_no_tpm_is_refused_with_the_way_out(device: Device, run: Play) -> None:
    played = run("harden")
    assert played.rc != 0
    assert "encrypted_storage_unlock" in played.output
    assert on(device, "ls /dev/mapper").split() == ["control"]


def test_the_controller_opens_the_volume(device: Device, run: Play, controller: Path) -> None:
    played = run("harden", "-e", "encrypted_storage_unlock=controller")
    assert played.rc == 0, played.output
    on(device, "echo kept >/data/message && sync && umount /data && cryptsetup close data")
    again = run("harden", "-e", "encrypted_storage_unlock=controller")
    assert again.rc == 0, again.output
    assert on(device, "cat /data/message").strip() == "kept"
    report = json.loads((controller / "reports" / f"{device.host}.json").read_text())
    assert report["host_level"]["level"] == "L0", "nothing is sealed, and no more than that is claimed"
    verdicts = {control["id"]: control["verdict"] for control in report["controls"]}
    assert verdicts["storage.writable.encrypted"] == "pass"
    assert verdicts["tpm.volume.sealed"] == "not_applicable"
