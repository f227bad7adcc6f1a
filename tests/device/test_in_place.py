# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file system in use is encrypted where it is, the power is cut again and again, and no file changes."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import HEADER_BYTES, Malformed, read_header
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.reencryption import Progress, progress
from tests.device.conftest import Play, on, wait_until
from tests.lab import Device
from tests.support.playbook import play_on

pytestmark = pytest.mark.minutes(9)

# How often the power is cut: first while the header takes its place, then while the data is encrypted. As often as is
# quick enough for every change; a campaign asks for more.
CUTS = int(os.environ.get("EDGESEC_POWER_CUTS", "4"))
SEED = int(os.environ.get("EDGESEC_SEED", "2026"))

BEGIN = Path(__file__).with_name("support") / "begin_in_place.yml"
PARTITION = "/dev/disk/by-partlabel/spare"
VOLUME = {
    "name": "data",
    "device": PARTITION,
    "mount": "/data",
    "on_existing_data": "encrypt_in_place",
    "consent": "OLDDATA",
    "services": ["recorder.service"],
}
FILL = f"""
set -e
mkfs.ext4 -q -L OLDDATA {PARTITION} 300M
mkdir /data
printf 'PARTLABEL=spare /data ext4 defaults,noatime 0 2' >>/etc/fstab
systemctl daemon-reload
mount /data
python3 - <<'END'
import os, random
source = random.Random(5)
for number in range(2000):
    directory = f"/data/d{{number % 50}}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{{directory}}/f{{number}}", "wb") as file:
        file.write(source.randbytes(source.choice([200, 3000, 40_000, 250_000])))
END
cat >/usr/local/bin/recorder <<'END'
#!/usr/bin/python3
import os, time
with open("/data/record", "a") as file:
    while True:
        file.write(f"{{time.time()}}\\n")
        file.flush()
        os.fsync(file.fileno())
        time.sleep(0.5)
END
chmod +x /usr/local/bin/recorder
cat >/etc/systemd/system/recorder.service <<'END'
[Unit]
RequiresMountsFor=/data
[Service]
ExecStart=/usr/local/bin/recorder
Restart=always
RestartSec=1
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet --now recorder.service
sync
"""
DIGESTS = "cd /data && find d* -type f | sort | xargs sha256sum"
STATE = f"grep /data /etc/fstab; findmnt -no source,options /data; blkid -p {PARTITION}; ls /dev/mapper"


def variables(**changes: object) -> tuple[str, str]:
    return "-e", json.dumps({"encrypted_storage_volumes": [{**VOLUME, **changes}]})


@pytest.fixture(scope="module")
def digests(device: Device) -> str:
    """The device holds data, which a service adds to."""
    on(device, FILL)
    lines = on(device, DIGESTS)
    assert len(lines.splitlines()) == 2000
    return lines


def test_check_mode_predicts_and_does_nothing(device: Device, run: Play, digests: str) -> None:
    before = on(device, STATE)
    played = run("harden", "--check", "--diff", *variables())
    assert played.rc == 0, played.output
    assert f"{PARTITION}: file system in clear" in played.output
    assert on(device, STATE) == before
    assert on(device, DIGESTS) == digests


def test_another_file_system_than_the_one_that_is_meant(device: Device, run: Play, digests: str) -> None:
    before = on(device, STATE)
    played = run("harden", *variables(consent="NEWDATA"))
    assert played.rc != 0
    assert "OLDDATA" in played.output
    assert "Nothing was changed" in " ".join(played.output.split())
    assert on(device, STATE) == before
    assert on(device, DIGESTS) == digests


def test_a_file_system_that_is_in_use(device: Device, run: Play, digests: str) -> None:
    """Nobody has said that the service may be stopped. What was prepared waits for the next run."""
    before = on(device, STATE)
    played = run("harden", *variables(services=[]))
    assert played.rc != 0
    assert "recorder (pid" in " ".join(played.output.split())
    assert on(device, STATE) == before
    assert on(device, DIGESTS) == digests
    assert on(device, "systemctl is-active recorder.service").strip() == "active"
    device.snapshot("prepared")


def begin(device: Device, controller: Path) -> None:
    """What harden does next; it is not waited for."""
    played = play_on(device, str(BEGIN), controller, *variables())
    assert played.rc == 0, played.output


def on_the_disk(device: Device) -> Progress | None:
    """How far the encryption is, as the disk of a device without power tells; None before there is a whole header."""
    data = device.read_partition("spare")
    try:
        header = read_header(data[:HEADER_BYTES])
    except Malformed:
        return None
    return progress(header, len(data)) or Progress(len(data), len(data))


def nothing_is_lost(device: Device, digests: str) -> None:
    assert on(device, "findmnt -no target /data").strip() == "/data"
    assert on(device, DIGESTS) == digests


@pytest.mark.parametrize("number", range(CUTS // 4))
def test_a_power_cut_while_the_header_takes_its_place(
    device: Device, controller: Path, digests: str, number: int
) -> None:
    device.restore("prepared")
    moment = random.Random(SEED + number).uniform(0, 8)
    begin(device, controller)
    time.sleep(moment)
    device.power_cut()
    seen = on_the_disk(device)
    device.start()
    wait_until(device, "findmnt /data", 120)
    nothing_is_lost(device, digests)
    print(f"\npower cut {moment:.1f} s after the beginning: {seen}")
    if seen is None:
        assert on(device, "findmnt -no source /data").strip() == "/dev/vda5"


def test_power_cuts_while_the_data_is_encrypted(device: Device, controller: Path, digests: str) -> None:
    device.restore("prepared")
    # As slow as the flash of a small board, so that there is something left to cut into.
    device.throttle(3 << 20)
    begin(device, controller)
    source = random.Random(SEED)
    done = 0
    steps = []
    for cut in range(CUTS - CUTS // 4):
        # By turns while it goes on, and in the midst of the boot that is to go on with it.
        if cut % 2 == 0:
            device.wait()
            wait_until(device, "grep -qE 'encrypting|done' /run/edgesec/work/encrypt-data.json")
            time.sleep(source.uniform(0, 12))
        else:
            time.sleep(source.uniform(3, 45))
        device.power_cut()
        seen = on_the_disk(device)
        assert seen is not None
        assert seen.done >= done, "what was encrypted has become less"
        done = seen.done
        steps.append(100 * seen.done // seen.total)
        device.start(wait=False)
    device.throttle(None)
    device.wait()
    print(f"\nencrypted at each power cut, in percent: {steps}")
    assert max(steps) > min(steps), "no boot has gone on with it"
    wait_until(device, "findmnt /data", 120)
    nothing_is_lost(device, digests)
    wait_until(device, f"! cryptsetup luksDump {PARTITION} | grep -q ^Requirements")
    nothing_is_lost(device, digests)


def test_harden_finds_nothing_left_to_do_but_what_is_not_storage(device: Device, run: Play, digests: str) -> None:
    assert run("harden", *variables()).rc == 0
    again = run("harden", *variables())
    assert again.rc == 0, again.output
    assert again.recap[device.host]["changed"] == 0
    nothing_is_lost(device, digests)
    assert on(device, "systemctl is-active recorder.service").strip() == "active"
    assert on(device, "findmnt -no source /data").strip() == "/dev/mapper/data"
    options = on(device, "grep ' /data ' /etc/fstab").split()[3].split(",")
    assert {"noatime", "nodev", "nosuid", "nofail"} <= set(options)
    assert not [option for option in options if option.startswith("x-edgesec")]


def test_it_is_opened_by_the_tpm_after_the_next_boot(device: Device, digests: str) -> None:
    device.stop()
    device.start()
    wait_until(device, "findmnt /data", 120)
    nothing_is_lost(device, digests)
    assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "ok"


def test_no_file_is_on_the_disk_in_clear(device: Device) -> None:
    sample = on(device, "head -c 64 /data/d0/f1950 | od -An -v -tx1")
    device.stop()
    assert bytes.fromhex("".join(sample.split())) not in device.read_partition("spare")
