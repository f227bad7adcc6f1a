# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device that gets other kernel images, approved and not, and one who puts back what was on its disk before."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import HEADER_BYTES, read_primary
from tests.device.conftest import Play, on, succeed
from tests.lab import Device, kernel_image
from tests.support.forged_header import forge
from tests.support.playbook import Played

pytestmark = [pytest.mark.minutes(20), pytest.mark.campaign]

DISK = "/dev/disk/by-partlabel/data"
IMAGE = "/boot/efi/EFI/BOOT/BOOTX64.EFI"
MESSAGE = "kept over everything that follows"
ENROLMENT = "/etc/edgesec/tpm/data.json"
# The boot partition stays writable: what is in it is what this file changes.
VARIABLES: dict[str, list[str]] = {"boot_mounts_paths": [], "credentials_files": [], "credentials_extra_files": []}


@pytest.fixture(scope="module")
def images(device: Device, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Three kernel images that Secure Boot takes: the one that the device came with, and two like it."""
    present = subprocess.run([*device.ssh_argv(), "cat", IMAGE], capture_output=True, check=True).stdout
    work = tmp_path_factory.mktemp("images")
    return [present, *(kernel_image.another(present, device.keys, note, work) for note in (b"second", b"third"))]


@pytest.fixture(scope="module")
def sealed(device: Device, run: Play) -> None:
    """Hardened, and opened by the TPM at the boot after."""
    play(run, "harden")
    on(device, f"echo '{MESSAGE}' >/data/message && sync")
    device.reboot()
    assert_open(device)


def play(run: Play, name: str, *options: str) -> Played:
    return succeed(run, name, VARIABLES, *options)


def approve(run: Play, what: str, *options: str) -> Played:
    return play(run, "approve", "-e", f"tpm_sealing_approve={what}", *options)


def put_in_place(device: Device, image: bytes) -> None:
    subprocess.run([*device.ssh_argv(), f"cat >{IMAGE}.new && mv {IMAGE}.new {IMAGE} && sync"], input=image, check=True)


def boot_with(device: Device, image: bytes) -> None:
    put_in_place(device, image)
    device.reboot()


def outcome(device: Device) -> str:
    reason: str = json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"]
    return reason


def assert_open(device: Device) -> None:
    assert outcome(device) == "ok"
    assert on(device, "cat /data/message").strip() == MESSAGE


def assert_shut(device: Device, reason: str) -> None:
    assert outcome(device) == reason
    assert on(device, "ls /dev/mapper").split() == ["control"]


@pytest.mark.usefixtures("sealed")
def test_without_an_approval_the_device_is_up_and_approve_opens_it_in_the_same_boot(
    device: Device, run: Play, images: list[bytes]
) -> None:
    boot_with(device, images[1])
    assert_shut(device, "pcr_mismatch")
    refused = run("harden", "--check", "-e", json.dumps(VARIABLES))
    assert refused.rc != 0
    assert "boot_change" in refused.output
    assert_shut(device, "pcr_mismatch")
    approve(run, "observe")
    assert_open(device)
    assert approve(run, "observe").changed == 0


def test_both_boot_states_open_it_from_then_on(device: Device, run: Play, images: list[bytes]) -> None:
    device.reboot()
    assert_open(device)
    assert play(run, "harden").changed == 0
    boot_with(device, images[0])
    assert_open(device)


def test_a_pruned_boot_state_does_not_come_back_with_the_disk_of_then(
    device: Device, run: Play, images: list[bytes]
) -> None:
    boot_with(device, images[1])
    assert_open(device)
    on(device, f"cryptsetup luksHeaderBackup --header-backup-file /root/header-of-then {DISK}")
    on(device, f"cp {ENROLMENT} /root/enrolment-of-then")
    approve(run, "prune")
    assert approve(run, "prune").changed == 0
    on(device, "cp /etc/edgesec/tpm/data.json /root/enrolment-of-now")
    boot_with(device, images[0])
    assert_shut(device, "pcr_mismatch")
    on(device, f"cryptsetup luksHeaderRestore -q --header-backup-file /root/header-of-then {DISK}")
    on(device, f"cp /root/enrolment-of-then {ENROLMENT}")
    device.reboot()
    assert_shut(device, "revoked")


def test_a_token_from_before_does_not_keep_an_approved_boot_from_opening_it(
    device: Device, run: Play, images: list[bytes]
) -> None:
    """What else is in the header of then is as it is now, and the record of the device has the token of now."""
    on(device, f"cp /root/enrolment-of-now {ENROLMENT}")
    boot_with(device, images[1])
    assert_open(device)
    play(run, "harden")
    assert play(run, "harden").changed == 0


def test_after_a_rotation_the_header_with_the_old_recovery_key_is_refused(device: Device, run: Play) -> None:
    on(device, f"cryptsetup luksHeaderBackup --header-backup-file /root/before-rotation {DISK}")
    play(run, "rotate")
    device.reboot()
    assert_open(device)
    on(device, "umount /data && cryptsetup close data")
    on(device, f"cryptsetup luksHeaderRestore -q --header-backup-file /root/before-rotation {DISK}")
    device.reboot()
    assert_shut(device, "header_rolled_back")


def test_a_forged_header_with_a_keyslot_that_any_key_opens_is_refused(device: Device) -> None:
    """Both copies of it have checksums that fit; the token, and what the TPM would say to it, are as they were."""

    def null_cipher(metadata: dict[str, Any]) -> None:
        for keyslot in metadata["keyslots"].values():
            keyslot["area"]["encryption"] = "cipher_null-ecb"

    read = subprocess.run([*device.ssh_argv(), f"head -c {HEADER_BYTES} {DISK}"], capture_output=True, check=True)
    forged = forge(read.stdout, null_cipher)
    forged = forge(forged, null_cipher, at=read_primary(forged).size)
    subprocess.run([*device.ssh_argv(), f"dd of={DISK} bs=1M conv=notrunc,fsync"], input=forged, check=True)
    device.reboot()
    assert_shut(device, "header_foreign")


def test_a_header_that_is_gone_comes_back_from_escrow(device: Device, run: Play) -> None:
    on(device, f"dd if=/dev/zero of={DISK} bs=1M count=16 conv=notrunc status=none; sync")
    play(run, "recover")
    assert on(device, "cat /data/message").strip() == MESSAGE
    assert play(run, "recover").changed == 0
    device.reboot()
    assert_open(device)


def test_a_boot_that_was_predicted_opens_it_at_once(device: Device, run: Play, images: list[bytes]) -> None:
    assert device.ssh("/usr/lib/edgesec/next-boot").returncode == 0
    put_in_place(device, images[2])
    # apt, which is offline here, tells whoever has it change a package.
    assert "the next boot is not approved" in on(device, "apt-get -y remove xfsprogs 2>&1")
    assert "the next boot is not approved" in on(device, "cat /run/motd.d/edgesec")
    assert device.ssh("/usr/lib/edgesec/next-boot").returncode == 3
    predicted = approve(run, "predict")
    on(device, "/usr/lib/edgesec/next-boot && test ! -e /run/motd.d/edgesec")
    assert predicted.changed > 0
    assert approve(run, "predict").changed == 0
    device.reboot()
    assert_open(device)
    assert play(run, "harden").changed == 0
    boot_with(device, images[1])
    assert_open(device)
    approve(run, "prune")


def test_a_boot_that_cannot_be_foreseen_is_let_through_once(device: Device, run: Play, images: list[bytes]) -> None:
    approve(run, "once")
    boot_with(device, images[2])
    assert_open(device)
    approve(run, "observe")
    approve(run, "prune")
    device.reboot()
    assert_open(device)
    boot_with(device, images[0])
    assert_shut(device, "pcr_mismatch")


@pytest.mark.usefixtures("sealed")
def test_a_tpm_that_was_cleared_is_recovered_from(device: Device, run: Play) -> None:
    approve(run, "observe")
    assert_open(device)
    device.stop()
    device.swap_tpm()
    device.start()
    assert_shut(device, "tpm_changed")
    play(run, "recover")
    device.reboot()
    assert_open(device)
