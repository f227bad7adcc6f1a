# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life of a hardened device with a real kernel, firmware, TPM and disk: the promises of the README."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.device.conftest import IMPORT_INSTALLED, Play, on, recovery_key
from tests.device.support.hardened import Hardened
from tests.lab import Device

pytestmark = [pytest.mark.minutes(12), pytest.mark.usefixtures("secrets")]

MESSAGE = "kept over everything that follows"
OUTCOME = "/run/edgesec/unlock/data.json"
# Prints the sealed secret and the keyslot's key, which the running system can still get before the latch is set.
REVEAL = (
    IMPORT_INSTALLED
    + """
import json, tempfile
from edgesec._unlock.enrolment import read_enrolment
from edgesec._tpm.sealing import luks_key, unseal
from edgesec._tpm.tools import RESOURCE_MANAGER, Tpm2
enrolment = read_enrolment("data")
with tempfile.TemporaryDirectory(dir="/run") as directory:
    tpm = Tpm2(RESOURCE_MANAGER, directory)
    approvals = enrolment.token.approvals_for(tpm.read_pcrs("sha256", enrolment.token.all_pcrs))
    secret = unseal(tpm, enrolment.token, approvals[0])
print(json.dumps([secret.hex(), luks_key(secret, enrolment.pins.uuid).hex()]))
"""
)


def secrets_of(device: Device, controller: Path) -> list[bytes]:
    """Every secret of the volume, in the forms in which it could have been written down."""
    found = []
    for secret in [
        recovery_key(controller),
        *(bytes.fromhex(each) for each in json.loads(on(device, "python3 -", stdin=REVEAL))),
    ]:
        found += [secret, secret.hex().encode(), base64.b64encode(secret)]
    return found


def outcome(device: Device) -> dict[str, object]:
    document: dict[str, object] = json.loads(on(device, f"cat {OUTCOME}"))
    return document


@pytest.fixture(scope="module")
def device(hardened: Hardened) -> Device:
    return hardened.device


@pytest.fixture(scope="module")
def secrets(device: Device, controller: Path) -> list[bytes]:
    """What no disk and no log may hold; read before the first reboot sets the latch."""
    on(device, f"echo {MESSAGE!r} >/data/message && sync")
    return secrets_of(device, controller)


def test_check_mode_predicts_the_first_run(hardened: Hardened) -> None:
    assert 5 <= hardened.predicted.changed <= hardened.done.changed


def test_no_secret_is_in_the_log_of_the_first_run(hardened: Hardened, secrets: list[bytes]) -> None:
    log = hardened.done.log.read_bytes()
    assert hardened.done.round_trips > 0, "this is the log of -vvv"
    assert [secret for secret in secrets if secret in log] == []


def test_a_second_run_changes_nothing_and_check_mode_predicts_that(run: Play) -> None:
    for options in ((), ("--check", "--diff")):
        again = run("harden", "-vvv", *options)
        assert again.rc == 0, again.output
        assert again.changed == 0, again.output
        assert again.round_trips == 1, "a converged device costs one call that observes it"


def test_the_recovery_key_opens_keyslot_0(device: Device, controller: Path) -> None:
    command = "cryptsetup open --test-passphrase --key-slot 0 --key-file - /dev/disk/by-partlabel/data"
    on(device, command, stdin=recovery_key(controller).decode())


def test_no_secret_is_on_the_disk_in_clear(device: Device, secrets: list[bytes]) -> None:
    on(device, "sync")
    device.stop()
    try:
        image = device.raw_disk().read_bytes()
        assert b"edgesec-data" in image, "this is the disk that was hardened"
        assert [secret for secret in secrets if secret in image] == []
    finally:
        device.start()


def test_the_volume_is_open_after_the_boot_and_latched(device: Device) -> None:
    assert on(device, "cat /data/message").strip() == MESSAGE
    assert outcome(device)["reason"] == "ok"
    assert outcome(device)["latched"] is True
    assert on(device, "systemctl --failed --no-legend").strip() == ""


def test_the_boot_partition_is_read_only(device: Device) -> None:
    done = device.ssh("touch /boot/efi/x")
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(on(device, "findmnt -no options /boot/efi").strip().split(","))


def test_nobody_gets_the_secret_a_second_time_in_this_boot(device: Device) -> None:
    assert device.ssh("python3 -", stdin=REVEAL).returncode != 0
    on(device, "umount /data && cryptsetup close data")
    assert device.ssh("/usr/lib/edgesec/unlock data").returncode == 1
    assert outcome(device)["reason"] == "pcr_mismatch"


def test_a_foreign_volume_with_the_same_uuid_is_refused(device: Device) -> None:
    disk = "/dev/disk/by-partlabel/data"
    on(device, f"cryptsetup luksHeaderBackup --header-backup-file /root/header {disk}")
    uuid = on(device, f"cryptsetup luksUUID {disk}").strip()
    try:
        on(
            device,
            f"cryptsetup luksFormat -q --type luks2 --uuid {uuid} --label edgesec-data --pbkdf pbkdf2"
            f" --pbkdf-force-iterations 1000 --luks2-metadata-size 64k --sector-size 4096 --key-file - {disk}",
            stdin="the attacker's key",
        )
        assert device.ssh("/usr/lib/edgesec/unlock data").returncode == 1
        assert outcome(device)["reason"] == "header_foreign"
        assert on(device, "ls /dev/mapper").split() == ["control"]
    finally:
        on(device, f"cryptsetup luksHeaderRestore -q --header-backup-file /root/header {disk} && rm /root/header")


def test_a_run_opens_the_volume_with_the_escrowed_key(device: Device, run: Play) -> None:
    recovered = run("harden")
    assert recovered.rc == 0, recovered.output
    assert on(device, "cat /data/message").strip() == MESSAGE


def test_after_a_power_cut_and_with_a_swapped_tpm_the_device_is_up_and_says_why(device: Device, run: Play) -> None:
    device.power_cut()
    device.swap_tpm()
    device.start()
    assert outcome(device)["reason"] == "tpm_changed"
    assert on(device, "ls /dev/mapper").split() == ["control"]

    refused = run("harden")
    assert refused.rc != 0
    assert "tpm_change" in refused.output

    sealed = run("harden", "-e", '{"tpm_sealing_accept": ["tpm_change"]}')
    assert sealed.rc == 0, sealed.output
    assert on(device, "cat /data/message").strip() == MESSAGE
    assert (
        len(json.loads(on(device, "cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/data"))["keyslots"])
        == 2
    )


def test_the_new_seal_opens_after_a_power_cut(device: Device) -> None:
    on(device, "sync")
    device.power_cut()
    device.start()
    assert on(device, "cat /data/message").strip() == MESSAGE
    assert outcome(device)["reason"] == "ok"
