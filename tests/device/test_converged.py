# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each role by itself on a device that is already hardened: nothing changes, and few commands are sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.device.conftest import Play
from tests.device.support.hardened import Hardened
from tests.lab import Device

pytestmark = pytest.mark.minutes(4)

ONE_ROLE = Path(__file__).with_name("support") / "one_role.yml"
# Commands sent to a device on which the role has nothing to do: one for each thing that it can change.
ROUND_TRIPS = {
    "boot_console": 2,
    "boot_mounts": 2,
    "compliance": 1,
    "credentials": 1,
    "device_identity": 0,
    "encrypted_storage": 3,
    "tpm_sealing": 2,
}


@pytest.fixture(scope="module")
def device(hardened: Hardened) -> Device:
    return hardened.device


@pytest.mark.parametrize(("role", "trips"), ROUND_TRIPS.items())
def test_a_role_by_itself_changes_nothing_and_asks_no_more_than_it_has_to(run: Play, role: str, trips: int) -> None:
    alone = run(str(ONE_ROLE), "-vvv", "-e", f"one_role={role}")
    assert (alone.rc, alone.changed) == (0, 0), alone.output
    assert alone.round_trips == trips
