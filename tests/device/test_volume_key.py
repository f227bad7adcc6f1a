# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume in use gets another volume key, the power is cut meanwhile, and nobody but an old header notices."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.device.conftest import Play, on, recovery_key, wait_until
from tests.lab import Device
from tests.support.playbook import Played

pytestmark = [pytest.mark.minutes(6), pytest.mark.campaign]

# How often the power is cut while the data is encrypted anew.
CUTS = int(os.environ.get("EDGESEC_POWER_CUTS", "4")) // 2
SEED = int(os.environ.get("EDGESEC_SEED", "2026"))

ROTATE = ("-e", '{"rotate_volume_key": true, "rotate_recovery": false}')
DISK = "/dev/disk/by-partlabel/data"
FILL = """
python3 - <<'END'
import os, random
source = random.Random(7)
for number in range(500):
    with open(f"/data/f{number}", "wb") as file:
        file.write(source.randbytes(source.choice([200, 3000, 40_000, 250_000])))
END
sync
"""
WRITER = "systemd-run --quiet --unit=writer sh -c 'while :; do date >>/data/log; sync /data/log; sleep 0.5; done'"
DIGESTS = "cd /data && sha256sum f*"
UNDER_WAY = f"cryptsetup luksDump {DISK} | grep -q ^Requirements"
STATE = f"cryptsetup luksDump {DISK} | sha256sum; cat /etc/edgesec/tpm/data.json; ls /dev/mapper"


@pytest.fixture(scope="module")
def digests(device: Device, run: Play) -> str:
    """The device is hardened, and its volume in use."""
    hardened = run("harden")
    assert hardened.rc == 0, hardened.output
    on(device, FILL)
    on(device, WRITER)
    lines = on(device, DIGESTS)
    assert len(lines.splitlines()) == 500
    on(device, f"cryptsetup luksHeaderBackup --header-backup-file /root/header-from-before {DISK}")
    return lines


def fingerprint(device: Device) -> str:
    pins: dict[str, str] = json.loads(on(device, "cat /etc/edgesec/tpm/data.json"))["pins"]
    return pins["volume_key_fingerprint"]


def key_slots(device: Device) -> list[str]:
    return sorted(json.loads(on(device, f"cryptsetup luksDump --dump-json-metadata {DISK}"))["keyslots"])


def test_check_mode_predicts_and_does_nothing(device: Device, run: Play, digests: str) -> None:
    before = on(device, STATE)
    predicted = run("rotate", "--check", "--diff", *ROTATE)
    assert predicted.rc == 0, predicted.output
    assert predicted.changed == 1
    assert "+another volume key" in predicted.output
    assert on(device, STATE) == before
    assert on(device, DIGESTS) == digests


def test_whenever_the_power_is_cut_the_boot_opens_it_and_goes_on(device: Device, run: Play, digests: str) -> None:
    before = fingerprint(device)
    # As slow as the flash of a small board, so that there is something left to cut into.
    device.throttle(4 << 20)
    ended: list[Played] = []
    asking = threading.Thread(target=lambda: ended.append(run("rotate", *ROTATE)))
    asking.start()
    wait_until(device, UNDER_WAY)
    source = random.Random(SEED)
    for _cut in range(CUTS):
        time.sleep(source.uniform(0, 20))
        device.power_cut()
        device.start()
        wait_until(device, "findmnt /data", 120)
        assert on(device, DIGESTS) == digests
        assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "ok"
    asking.join()
    assert ended[0].rc != 0, "the one who asked has seen the power cut"
    device.throttle(None)
    wait_until(device, f"! {UNDER_WAY}")
    wait_until(device, "grep -q done /run/edgesec/work/encrypt-data.json")
    assert on(device, DIGESTS) == digests
    assert fingerprint(device) != before
    assert key_slots(device) == ["0", "2"]


def test_what_ended_without_the_controller_is_brought_to_its_end_and_not_begun_anew(
    device: Device, run: Play, controller: Path, digests: str
) -> None:
    before = fingerprint(device)
    headers = controller / "store/hosts" / device.host / "headers"
    assert list(headers.glob("*.cms")) == [], "the one from before would make the data unreadable"
    assert len(list(headers.glob("retired/*.cms"))) == 1
    played = run("rotate", *ROTATE)
    assert played.rc == 0, played.output
    assert fingerprint(device) == before
    assert len(list(headers.glob("*.cms"))) == 1
    assert on(device, DIGESTS) == digests


def test_a_rotation_that_nobody_disturbs(device: Device, run: Play, digests: str) -> None:
    on(device, WRITER)
    before = fingerprint(device)
    played = run("rotate", "-vvv", *ROTATE)
    assert played.rc == 0, played.output[-4000:]
    assert "data: encrypted with another volume key" in played.output
    assert fingerprint(device) != before
    assert key_slots(device) == ["0", "1"]
    assert on(device, DIGESTS) == digests


def test_the_header_from_before_opens_no_data(device: Device, run: Play, controller: Path, digests: str) -> None:
    """The recovery key opens that header as ever, but what it gives is not the key of the data."""
    key = recovery_key(controller).decode()
    on(device, "systemctl stop writer; umount /data; cryptsetup close data")
    seen = []
    for header in ("/root/header-from-before", DISK):
        on(device, f"cryptsetup open --readonly --header {header} --key-file - {DISK} seen", stdin=key)
        seen.append(device.ssh("blkid -p -o value -s TYPE /dev/mapper/seen").stdout.strip())
        on(device, "cryptsetup close seen")
    assert seen == ["", "ext4"]
    opened = run("unlock")
    assert opened.rc == 0, opened.output
    assert on(device, DIGESTS) == digests


def test_harden_and_audit_find_nothing_to_do(device: Device, run: Play, digests: str) -> None:
    assert run("harden").rc == 0
    again = run("harden")
    assert again.rc == 0, again.output
    assert again.changed == 0, again.output
    tested = run("audit", "-e", '{"edgesec_test_recovery": true}')
    assert tested.rc == 0, tested.output
    assert on(device, DIGESTS) == digests


def test_the_tpm_opens_it_at_the_next_boot(device: Device, digests: str) -> None:
    device.reboot()
    wait_until(device, "findmnt /data", 120)
    assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "ok"
    assert on(device, DIGESTS) == digests
