# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A board with 512 MiB of memory and no AES instructions, which loses its power again and again."""

from __future__ import annotations

import json
import os
import random
import time

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(40), pytest.mark.campaign]

MESSAGE = "kept over everything that follows"
CUTS = 2 * int(os.environ.get("EDGESEC_POWER_CUTS", "4"))
# Seconds after power-on: from within the firmware until after the volume has been opened, on a slow and a fast host.
CUT_BETWEEN = (5, 75)


@pytest.fixture(scope="module")
def board(device: Device) -> Device:
    device.power_cut()
    device.start(memory=512, aes=False)
    return device


def assert_open(device: Device) -> None:
    assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "ok"
    assert on(device, "cat /data/message").strip() == MESSAGE


def test_its_volume_has_a_cipher_that_it_is_quick_with(board: Device, run: Play) -> None:
    assert " aes " not in on(board, "grep flags /proc/cpuinfo")
    assert int(on(board, "awk '/^MemTotal/ {print $2}' /proc/meminfo")) < 512 * 1024
    hardened = run("harden")
    assert hardened.rc == 0, hardened.output
    on(board, f"echo '{MESSAGE}' >/data/message && sync")
    assert "xchacha12,aes-adiantum-plain64" in on(board, "cryptsetup status data")
    assert run("harden").changed == 0


def test_it_opens_by_itself_and_nothing_ran_out_of_memory(board: Device) -> None:
    board.reboot()
    assert_open(board)
    assert on(board, "journalctl -b -k --no-pager | grep -ic 'out of memory' || true").strip() == "0"


def test_power_cuts_do_not_lock_the_tpm(board: Device, run: Play) -> None:
    on(board, "sync")
    chance = random.Random(15)
    board.power_cut()
    for _cut in range(CUTS):
        board.start(wait=False)
        time.sleep(chance.uniform(*CUT_BETWEEN))
        board.power_cut()
    board.start()
    assert_open(board)
    assert "TPM2_PT_LOCKOUT_COUNTER: 0x0" in on(board, "tpm2_getcap properties-variable")
    assert run("harden").changed == 0
