# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""XFS and btrfs are encrypted where they are, with no TPM, and after a power cut the next run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(8), pytest.mark.campaign]

ROLE = str(Path(__file__).with_name("support") / "encrypted_storage.yml")
BEGIN = str(Path(__file__).with_name("support") / "begin_in_place.yml")
BTRFS: dict[str, object] = {
    "name": "data",
    "device": "/dev/disk/by-partlabel/data",
    "mount": "/data",
    "on_existing_data": "encrypt_in_place",
    "consent": "BUTTER",
    "services": [],
}
XFS: dict[str, object] = {
    **BTRFS,
    "name": "spare",
    "device": "/dev/disk/by-partlabel/spare",
    "mount": "/spare",
    "consent": "EXTENTS",
}
FILL = """
set -e
mkfs.btrfs -q -L BUTTER /dev/disk/by-partlabel/data
mkfs.xfs -q -L EXTENTS -d size=400m /dev/disk/by-partlabel/spare
for name in data spare; do
    mkdir /$name
    mount /dev/disk/by-partlabel/$name /$name
    for number in $(seq 200); do head -c 400000 /dev/urandom >/$name/f$number; done
done
printf 'LABEL=BUTTER /data btrfs compress=no 0 0\n/dev/disk/by-partlabel/spare /spare xfs noatime 0 0\n' >>/etc/fstab
systemctl daemon-reload
sync
"""


def variables(*volumes: dict[str, object]) -> tuple[str, str]:
    return "-e", json.dumps({"encrypted_storage_volumes": volumes, "encrypted_storage_unlock": "controller"})


def digests(device: Device) -> str:
    return on(device, "sha256sum /data/f* /spare/f*")


@pytest.fixture(scope="module")
def before(device: Device) -> str:
    on(device, FILL)
    return digests(device)


def test_xfs_that_fills_its_partition_is_refused(device: Device, run: Play) -> None:
    on(device, "mkfs.xfs -q -L FULL /dev/disk/by-partlabel/spare")
    seen = on(device, "sha256sum /dev/disk/by-partlabel/spare")
    played = run(ROLE, *variables({**XFS, "consent": "FULL"}))
    assert played.rc != 0
    assert "XFS cannot shrink" in played.output
    assert on(device, "sha256sum /dev/disk/by-partlabel/spare") == seen
    on(device, "wipefs -qa /dev/disk/by-partlabel/spare")


def test_btrfs_is_encrypted(device: Device, run: Play, before: str) -> None:
    played = run(ROLE, *variables(BTRFS))
    assert played.rc == 0, played.output
    assert f"{device.host}: data: encrypt" in played.output
    assert "MiB/s" in played.output
    assert digests(device) == before
    assert on(device, "findmnt -no source /data").strip() == "/dev/mapper/data"


def test_xfs_is_left_half_encrypted_by_a_power_cut_and_the_device_boots(device: Device, run: Play) -> None:
    device.throttle(5 << 20)
    assert run(BEGIN, *variables(XFS)).rc == 0
    on(device, "timeout 120 sh -c 'until grep -q encrypting /run/edgesec/work/encrypt-spare.json; do sleep 1; done'")
    device.power_cut()
    device.throttle(None)
    device.start()
    assert device.ssh("findmnt /spare").returncode != 0
    assert "online-reencrypt" in on(device, "cryptsetup luksDump /dev/disk/by-partlabel/spare")


def test_the_next_run_opens_the_one_and_goes_on_with_the_other(device: Device, run: Play, before: str) -> None:
    played = run(ROLE, *variables(BTRFS, XFS))
    assert played.rc == 0, played.output
    assert digests(device) == before
    assert "Requirements" not in on(device, "cryptsetup luksDump /dev/disk/by-partlabel/spare")
    for name, options in (("data", {"compress=no"}), ("spare", {"noatime"})):
        assert on(device, f"findmnt -no source /{name}").strip() == f"/dev/mapper/{name}"
        line = on(device, f"grep ' /{name} ' /etc/fstab").split()
        assert line[0] == f"/dev/mapper/{name}"
        assert {"nodev", "nosuid", "nofail"} | options <= set(line[3].split(","))
    again = run(ROLE, *variables(BTRFS, XFS))
    assert again.rc == 0, again.output
    assert again.changed == 0
