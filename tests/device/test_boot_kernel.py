# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A boot partition that stays read-only while kernel packages come and go, under a console that is closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.device.conftest import Play, claimed, on, succeed, wait_until
from tests.lab import Device
from tests.lab.grub import UPDATE

pytestmark = [pytest.mark.minutes(25), pytest.mark.campaign]

# Nothing but what this file is about, which makes a run quicker.
VARIABLES: dict[str, Any] = {
    "encrypted_storage_volumes": [],
    "encrypted_storage_core_dumps": "keep",
    "credentials_files": [],
    "credentials_extra_files": [],
    "boot_console_emergency_delay": 5,
}
PLACES = ("/boot", "/boot/efi")
NO_WINDOW = "[ ! -e /run/edgesec/boot-window/state.json ]"
# Beside the session, so that it goes on when that ends.
APT = "systemd-run --quiet --collect --unit=beside --setenv=DEBIAN_FRONTEND=noninteractive apt-get -y"
KERNELS = "dpkg-query -Wf '${db:Status-Status} ${Package}\\n' 'linux-image-[0-9]*' | sed -n 's/^installed //p'"
# Fails once, in the way that a file system does which is not there.
FAILS_ONCE = """\
[Unit]
DefaultDependencies=no
After=systemd-remount-fs.service
Before=local-fs.target
ConditionPathExists=/root/fail
OnFailure=emergency.target
OnFailureJobMode=replace-irreversibly
[Service]
Type=oneshot
ExecStart=rm /root/fail
ExecStart=false
[Install]
WantedBy=local-fs.target
"""


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with claimed("kernel", layout="grub") as device:
        yield device


@pytest.fixture(scope="module", autouse=True)
def hardened(device: Device, run: Play) -> None:
    before = on(device, "cat /etc/fstab /boot/grub/grub.cfg")
    predicted = harden(run, "--check", "--diff")
    assert on(device, "cat /etc/fstab /boot/grub/grub.cfg") == before, "check mode has done something"
    assert harden(run) == predicted
    assert harden(run) == 0


def harden(run: Play, *options: str) -> int:
    """How much a run has changed."""
    return succeed(run, "harden", VARIABLES, *options).changed


def assert_read_only(device: Device) -> None:
    on(device, NO_WINDOW)
    for place in PLACES:
        refused = device.ssh(f"touch {place}/x")
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr


def other_kernel(device: Device) -> str:
    """The package of the kernel that does not run."""
    running = on(device, "uname -r").strip()
    (other,) = (name for name in on(device, KERNELS).split() if not name.endswith(running))
    return other


def begin_to_install(device: Device) -> None:
    """Begin to put a kernel over itself, and return in the midst of its initrd."""
    on(device, f"{APT} --reinstall install {UPDATE}/linux-image-[0-9]*.deb")
    wait_until(device, "pgrep -f mkinitramfs", 120)
    assert device.ssh(NO_WINDOW).returncode != 0


def finish(device: Device) -> None:
    """What a person does after an upgrade that was cut short; the next boot is that of the newest kernel."""
    assert_read_only(device)
    on(device, "DEBIAN_FRONTEND=noninteractive dpkg --configure -a 2>&1")
    assert on(device, "dpkg --audit") == ""
    assert_read_only(device)
    device.reboot()
    assert_read_only(device)


def test_it_boots_while_nobody_is_there_and_the_menu_can_be_edited_by_nobody(device: Device) -> None:
    assert_read_only(device)
    device.reboot()
    assert_read_only(device)
    assert on(device, "systemctl --failed --no-legend").strip() == ""
    assert on(device, "cat /proc/sys/kernel/panic").strip() == "30"
    assert on(device, "cat /proc/cmdline").split()[-1] == "panic=30"
    menu = on(device, "cat /boot/grub/grub.cfg")
    assert 'set superusers=""\n' in menu
    assert menu.count("--unrestricted") > 0


def test_what_grub_mkconfig_makes_later_is_closed_as_well(device: Device, run: Play) -> None:
    before = on(device, "cat /boot/grub/grub.cfg")
    on(device, "update-grub 2>&1")
    assert on(device, "cat /boot/grub/grub.cfg") == before
    assert_read_only(device)
    assert harden(run) == 0


def test_a_newer_kernel_is_installed_by_apt_and_boots(device: Device, run: Play) -> None:
    before = on(device, "uname -r")
    on(device, f"DEBIAN_FRONTEND=noninteractive apt-get -y install {UPDATE}/*.deb 2>&1")
    assert_read_only(device)
    device.reboot()
    assert on(device, "uname -r") != before
    assert_read_only(device)
    assert harden(run) == 0


def test_apt_and_dpkg_are_killed_half_way(device: Device) -> None:
    begin_to_install(device)
    on(device, "systemctl kill --signal=KILL beside")
    wait_until(device, f"{NO_WINDOW} && findmnt -no OPTIONS /boot | grep -qw ro", 60)
    finish(device)


def test_the_power_is_cut_half_way(device: Device) -> None:
    begin_to_install(device)
    device.power_cut()
    device.start()
    finish(device)


def test_the_kernel_of_before_is_removed_by_apt(device: Device) -> None:
    package = other_kernel(device)
    on(device, f"DEBIAN_FRONTEND=noninteractive apt-get -y purge {package} 2>&1")
    assert_read_only(device)
    release = package.removeprefix("linux-image-")
    assert release not in on(device, "ls /boot; cat /boot/grub/grub.cfg")
    device.reboot()
    assert_read_only(device)


def test_a_boot_that_fails_gives_no_shell_and_is_tried_again(device: Device) -> None:
    on(device, "cat >/etc/systemd/system/fails-once.service", stdin=FAILS_ONCE)
    on(device, "systemctl --quiet enable fails-once && touch /root/fail && sync")
    device.reboot()
    said = device.serial_log.read_text("utf-8", "replace")
    assert "The system did not start. Reboot in 5 seconds." in said
    assert "for maintenance" not in said
    on(device, "[ ! -e /root/fail ]")
    assert on(device, "systemctl --failed --no-legend").strip() == ""


def test_a_boot_that_grub_noted_is_recorded_as_good(device: Device) -> None:
    """As GRUB does by itself on Ubuntu."""
    on(device, "/usr/lib/edgesec/boot-window run grub-editenv /boot/grub/grubenv set recordfail=1")
    assert_read_only(device)
    device.reboot()
    assert_read_only(device)
    assert "recordfail" not in on(device, "grub-editenv /boot/grub/grubenv list")
