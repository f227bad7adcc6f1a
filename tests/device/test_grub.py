# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device that boots as Debian installs it, by shim and GRUB: sealed, and its next boots predicted as they come."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.device.conftest import IMPORT_INSTALLED, Play, claimed, on, succeed
from tests.lab import Device
from tests.lab.grub import UPDATE
from tests.support.playbook import Played

pytestmark = [pytest.mark.minutes(25), pytest.mark.campaign]

MESSAGE = "kept over everything that follows"
# The boot partition stays writable: what is in it is what this file changes.
VARIABLES: dict[str, list[str]] = {"boot_mounts_paths": [], "credentials_files": [], "credentials_extra_files": []}
PCRS = [4, 7, 8, 9, 14]
SHOW = "cd /sys/class/tpm/tpm0/pcr-sha256 && cat " + " ".join(str(pcr) for pcr in PCRS)

SEALED_TO = (
    IMPORT_INSTALLED
    + """
import json
from edgesec._unlock.enrolment import read_enrolment
print(json.dumps(read_enrolment("data").token.pcrs))
"""
)


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with claimed("grub", layout="grub") as device:
        yield device


@pytest.fixture(scope="module")
def sealed(device: Device, run: Play) -> None:
    """Hardened, which changes what GRUB measures, and opened by the TPM at the boot after."""
    play(run, "harden")
    on(device, f"echo '{MESSAGE}' >/data/message && sync")
    device.reboot()
    assert_open(device)


def play(run: Play, name: str, *options: str) -> Played:
    return succeed(run, name, VARIABLES, *options)


def assert_open(device: Device) -> None:
    assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "ok"
    assert on(device, "cat /data/message").strip() == MESSAGE


def assert_predicted(device: Device, run: Play) -> None:
    """The next boot is another one, is not approved until it has been predicted, and comes as predicted."""
    assert device.ssh("/usr/lib/edgesec/next-boot").returncode == 3
    before = on(device, SHOW)
    assert play(run, "approve", "-e", "tpm_sealing_approve=predict").changed > 0
    on(device, "/usr/lib/edgesec/next-boot")
    device.reboot()
    assert on(device, SHOW) != before
    assert_open(device)


def test_it_boots_by_shim_and_grub_under_secure_boot(device: Device) -> None:
    secure_boot = on(device, "od -An -tu1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c")
    assert secure_boot.split()[-1] == "1"
    assert on(device, "findmnt -no FSTYPE /boot && findmnt -no FSTYPE /boot/efi").split() == ["ext4", "vfat"]
    for text in ("MokListTrusted", "grub_cmd: menuentry Debian GNU/Linux", "kernel_cmdline: ", "Linux initrd"):
        on(device, f"grep -aq '{text}' /sys/kernel/security/tpm0/binary_bios_measurements")


@pytest.mark.usefixtures("sealed")
def test_it_is_sealed_to_what_shim_and_grub_measure(device: Device, run: Play) -> None:
    assert json.loads(on(device, "python3 -", stdin=SEALED_TO)) == PCRS
    on(device, "/usr/lib/edgesec/next-boot")
    assert play(run, "harden").changed == 0


def test_an_initrd_that_is_made_anew(device: Device, run: Play) -> None:
    on(device, "echo COMPRESSLEVEL=7 >>/etc/initramfs-tools/conf.d/edge && update-initramfs -u 2>&1")
    assert_predicted(device, run)


def test_a_kernel_update(device: Device, run: Play) -> None:
    before = on(device, "uname -r")
    on(device, f"DEBIAN_FRONTEND=noninteractive dpkg -i {UPDATE}/*.deb 2>&1")
    assert_predicted(device, run)
    assert on(device, "uname -r") != before
    play(run, "approve", "-e", "tpm_sealing_approve=prune")
    device.reboot()
    assert_open(device)


def test_the_kernel_that_is_not_used_any_more_is_removed(device: Device, run: Play) -> None:
    on(
        device,
        "for p in $(dpkg-query -Wf '${Package}\\n' 'linux-image-[0-9]*'); do"
        ' test "$p" = "linux-image-$(uname -r)" || DEBIAN_FRONTEND=noninteractive dpkg --purge "$p"; done 2>&1',
    )
    assert_predicted(device, run)


def test_a_menu_that_would_shut_it_out_is_refused_until_that_is_accepted(device: Device, run: Play) -> None:
    """Somebody has taken the lock away; with it the menu is again what was measured."""
    on(device, "rm /etc/grub.d/01_edgesec && update-grub 2>&1")
    assert device.ssh("/usr/lib/edgesec/next-boot").returncode != 0
    before = on(device, "sha256sum /boot/grub/grub.cfg")
    refused = run("harden", "-e", json.dumps(VARIABLES))
    assert refused.rc != 0
    assert "would stay closed after the next boot" in refused.output
    assert on(device, "sha256sum /boot/grub/grub.cfg") == before
    play(run, "harden", "-e", json.dumps({"boot_console_accept_boot_change": True}))
    on(device, "/usr/lib/edgesec/next-boot")


def test_another_command_line(device: Device, run: Play) -> None:
    on(device, "sed -i 's/panic=10/panic=11/' /etc/default/grub.d/edge.cfg && update-grub 2>&1")
    assert_predicted(device, run)
    on(device, "grep -w panic=11 /proc/cmdline")


def test_another_default_entry_is_not_foreseen_but_observed(device: Device, run: Play) -> None:
    on(device, "echo GRUB_DEFAULT=saved >>/etc/default/grub.d/edge.cfg && update-grub 2>&1")
    refused = run("approve", "-e", json.dumps(VARIABLES), "-e", "tpm_sealing_approve=predict")
    assert refused.rc != 0
    assert "grub.cfg" in refused.output
    device.reboot()
    assert json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"] == "pcr_mismatch"
    play(run, "approve", "-e", "tpm_sealing_approve=observe")
    assert_open(device)
