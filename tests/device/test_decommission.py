# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hardened device is taken out of use."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.device.conftest import Play, on, recovery_key
from tests.device.support.hardened import Hardened
from tests.lab import Device

pytestmark = pytest.mark.minutes(6)

SEEN = "findmnt -n /data; cat /etc/fstab; find /etc/edgesec /usr/lib/edgesec; tpm2_getcap handles-persistent"


@pytest.fixture(scope="module")
def device(hardened: Hardened) -> Device:
    """Hardened, and rebooted: the TPM has opened the volume, and the latch is set."""
    hardened.device.reboot()
    return hardened.device


def consent(host: str) -> tuple[str, str]:
    services = {
        "name": "data",
        "device": "/dev/disk/by-partlabel/data",
        "mount": "/data",
        "services": ["writer.service"],
    }
    return "-e", json.dumps({"decommission_consent": host, "encrypted_storage_volumes": [services]})


def test_decommission_without_the_name_of_this_host_is_refused_with_the_plan(device: Device, run: Play) -> None:
    on(device, "systemd-run --unit=writer sh -c 'while :; do date >>/data/log; sleep 0.2; done'")
    seen = on(device, SEEN)
    for given in ((), consent("another-host")):
        refused = run("decommission", *given)
        assert refused.rc != 0
        told = " ".join(refused.output.split())
        assert "unmount /data; close /dev/mapper/data" in told
        assert f"decommission_consent: {device.host}" in told
    predicted = run("decommission", "--check", "--diff", *consent(device.host))
    assert predicted.rc == 0, predicted.output
    assert predicted.changed == 2
    assert on(device, SEEN) == seen
    assert on(device, "systemctl is-active writer").strip() == "active"


def test_decommission_leaves_nothing_to_open_and_nothing_to_open_it_with(
    device: Device, run: Play, controller: Path
) -> None:
    on(device, "! cmp -s -n 1000000 -i 16777216:0 /dev/disk/by-partlabel/data /dev/zero")
    done = run("decommission", "-vvv", *consent(device.host))
    assert done.rc == 0, done.output
    assert recovery_key(controller).decode() not in done.output
    assert on(device, "ls /dev/mapper").split() == ["control"]
    assert "/data" not in on(device, "cat /etc/fstab")
    assert device.ssh("ls -d /etc/edgesec /usr/lib/edgesec /run/edgesec /etc/systemd/system/edgesec*").stdout == ""
    # the system's own service made the storage root key before there was anything of this collection
    assert "0x81000001" in on(device, "tpm2_getcap handles-persistent").lower()
    records = sorted((controller / "store/hosts").glob("*/decommission/*.json"))
    assert [record.name.split("-")[0] for record in records] == ["data", "traces"]
    told = json.loads(records[0].read_text())["erased"]
    assert told["recovery_key"] == "opened it before, and opens nothing of it now"
    assert told["data"] == "discarded"
    for record in records:
        verify = [
            *("openssl", "dgst", "-sha256", "-verify", str(controller / "store/policy/public.pem")),
            *("-signature", f"{record}.sig", str(record)),
        ]
        assert subprocess.run(verify, capture_output=True, check=False).stdout == b"Verified OK\n"


def test_it_is_done_once_and_the_device_boots(device: Device, run: Play) -> None:
    for options in (("--check",), ()):
        again = run("decommission", *options, *consent(device.host))
        assert again.rc == 0, again.output
        assert again.changed == 0
    device.stop()
    assert not any(device.read_partition("data"))
    device.start()
    assert on(device, "systemctl --failed --no-legend").strip() == ""
