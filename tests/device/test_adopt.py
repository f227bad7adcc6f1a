# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes of others are adopted on a real kernel: one that is in use meanwhile, and one of LUKS1."""

from __future__ import annotations

import json

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(4), pytest.mark.campaign]

UUIDS = {"data": "5c1f2d0e-8a3b-4c6d-9e7f-000000000001", "spare": "5c1f2d0e-8a3b-4c6d-9e7f-000000000002"}
THEIRS = "correct horse"
# The first with a keyslot of systemd's beside the passphrase, and mounted; the second is LUKS1, open and not mounted.
FILL = f"""
set -e
printf '{THEIRS}' >/run/theirs
chmod 600 /run/theirs
make() {{ cryptsetup luksFormat -q --type $2 --uuid $3 --pbkdf $4 --pbkdf-force-iterations $5 $6 \\
        -d /run/theirs /dev/disk/by-partlabel/$1
    cryptsetup open -d /run/theirs /dev/disk/by-partlabel/$1 $1
    mkfs.ext4 -q /dev/mapper/$1
    mkdir /$1
    mount /dev/mapper/$1 /$1
    for number in $(seq 50); do head -c 400000 /dev/urandom >/$1/f$number; done
    sync; }}
# As cheap as it gets, for an emulated processor.
make data luks2 {UUIDS["data"]} argon2id 4 --pbkdf-memory=32768
make spare luks1 {UUIDS["spare"]} pbkdf2 1000
systemd-cryptenroll --unlock-key-file=/run/theirs --tpm2-device=auto /dev/disk/by-partlabel/data
printf '%s\\n' '# mine' 'data PARTLABEL=data none luks' 'later /dev/disk/by-id/stick /root/key noauto' >/etc/crypttab
echo "UUID=$(blkid -s UUID -o value /dev/mapper/data) /data ext4 noatime 0 2" >>/etc/fstab
systemctl daemon-reload
sha256sum /data/f* /spare/f* >/root/before
umount /spare
"""


def variables(*names: str, **more: object) -> tuple[str, str]:
    volumes = [
        {
            "name": name,
            "device": f"/dev/disk/by-partlabel/{name}",
            "mount": f"/{name}",
            "on_existing_data": "adopt",
            "consent": UUIDS[name],
            "mount_options": ["nodev", "nosuid", "noexec"],
        }
        for name in names
    ]
    passphrases = dict.fromkeys(names, THEIRS)
    return "-e", json.dumps(
        {"encrypted_storage_volumes": volumes, "encrypted_storage_adopt_passphrases": passphrases, **more}
    )


@pytest.fixture(scope="module", autouse=True)
def theirs(device: Device) -> None:
    on(device, FILL)


def test_luks1_is_refused_while_it_is_open(device: Device, run: Play) -> None:
    seen = on(device, "head -c 4M /dev/disk/by-partlabel/spare | sha256sum")
    refused = run("harden", *variables("spare"))
    assert refused.rc != 0
    assert "LUKS1 is converted to LUKS2 only while it is closed" in " ".join(refused.output.split())
    assert on(device, "head -c 4M /dev/disk/by-partlabel/spare | sha256sum") == seen
    on(device, "cryptsetup close spare")


def test_both_are_adopted_and_sealed_while_one_is_in_use(device: Device, run: Play) -> None:
    on(device, "systemd-run --unit=writer sh -c 'while :; do date >>/data/log; sleep 0.1; done'")
    predicted = run("harden", "--check", *variables("data", "spare"))
    assert predicted.rc == 0, predicted.output
    played = run("harden", *variables("data", "spare"))
    assert played.rc == 0, played.output
    on(device, "systemctl is-active writer && sha256sum --quiet -c /root/before")
    assert on(device, "cat /etc/crypttab") == "# mine\nlater /dev/disk/by-id/stick /root/key noauto\n"
    line = on(device, "grep ' /data ' /etc/fstab").split()
    assert line[0] == "/dev/mapper/data"
    assert {"noatime", "nodev", "nosuid", "noexec", "nofail"} <= set(line[3].split(","))
    assert {"nodev", "nosuid", "noexec"} <= set(on(device, "findmnt -no options /data").strip().split(","))
    again = run("harden", *variables("data", "spare"))
    assert again.rc == 0, again.output
    assert again.changed == 0


def test_flags_take_effect_while_it_is_open_and_systemds_keyslot_goes(device: Device, run: Play) -> None:
    assert "allow_discards" not in on(device, "dmsetup table data")
    wanted = variables("data", "spare", encrypted_storage_discard=True, encrypted_storage_flags=["no-read-workqueue"])
    volumes = json.loads(wanted[1])
    volumes["encrypted_storage_volumes"][0]["retire_keyslots"] = ["1"]
    wanted = ("-e", json.dumps(volumes))
    played = run("harden", *wanted)
    assert played.rc == 0, played.output
    for flag in ("allow_discards", "no_read_workqueue"):
        assert flag in on(device, "dmsetup table data")
    assert "systemd-tpm2" not in on(device, "cryptsetup luksDump /dev/disk/by-partlabel/data")
    assert run("harden", *wanted).changed == 0
    played = run("harden", *variables("data", "spare"))
    assert played.rc == 0, played.output
    assert "workqueue" not in on(device, "dmsetup table data")


def test_after_a_reboot_the_unlocker_has_opened_both(device: Device) -> None:
    device.reboot()
    on(device, "sha256sum --quiet -c /root/before")
