# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From hardening to the end of its life, with a real kernel, firmware, TPM and disk: the promises of the README."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest

from tests.device.conftest import IMPORT_INSTALLED, Play, on, recovery_key
from tests.lab import Device

pytestmark = [pytest.mark.minutes(13), pytest.mark.usefixtures("secrets")]

MESSAGE = "kept over everything that follows"
OUTCOME = "/run/edgesec/unlock/data.json"
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
def secrets(device: Device, controller: Path, run: Play) -> list[bytes]:
    """Hardens the device; every test below is of the hardened device."""
    predicted = run("harden", "--check", "--diff")
    assert predicted.rc == 0, predicted.output
    assert predicted.changed >= 5
    assert on(device, "ls /dev/mapper").split() == ["control"], "check mode has done something"

    hardened = run("harden", "-vvv")
    assert hardened.rc == 0, hardened.output[-4000:]
    assert hardened.changed >= predicted.changed
    on(device, f"echo {MESSAGE!r} >/data/message && sync")
    secrets = secrets_of(device, controller)
    log = hardened.log.read_bytes()
    assert [secret for secret in secrets if secret in log] == [], "a secret is in the log of harden -vvv"
    return secrets


def test_a_second_run_changes_nothing_and_check_mode_predicts_that(run: Play) -> None:
    for options in ((), ("--check", "--diff")):
        again = run("harden", "-vvv", *options)
        assert again.rc == 0, again.output
        assert again.changed == 0, again.output
        assert again.round_trips == 1, "a converged device costs one call that observes it"


@pytest.mark.parametrize(("role", "trips"), ROUND_TRIPS.items())
def test_a_role_by_itself_changes_nothing_and_asks_no_more_than_it_has_to(run: Play, role: str, trips: int) -> None:
    alone = run(str(ONE_ROLE), "-vvv", "-e", f"one_role={role}")
    assert (alone.rc, alone.changed) == (0, 0), alone.output
    assert alone.round_trips == trips


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


# From here on the device is taken out of use.

SEEN = "findmnt -n /data; cat /etc/fstab; find /etc/edgesec /usr/lib/edgesec; tpm2_getcap handles-persistent"


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
        assert f"decommission_consent: {device.name}" in told
    predicted = run("decommission", "--check", "--diff", *consent(device.name))
    assert predicted.rc == 0, predicted.output
    assert predicted.changed == 2
    assert on(device, SEEN) == seen
    assert on(device, "systemctl is-active writer").strip() == "active"


def test_decommission_leaves_nothing_to_open_and_nothing_to_open_it_with(
    device: Device, run: Play, controller: Path
) -> None:
    on(device, "! cmp -s -n 1000000 -i 16777216:0 /dev/disk/by-partlabel/data /dev/zero")
    done = run("decommission", "-vvv", *consent(device.name))
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
        again = run("decommission", *options, *consent(device.name))
        assert again.rc == 0, again.output
        assert again.changed == 0
    device.stop()
    assert not any(device.read_partition("data"))
    device.start()
    assert on(device, "systemctl --failed --no-legend").strip() == ""
