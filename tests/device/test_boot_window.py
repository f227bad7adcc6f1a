# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A boot partition that stays read-only through packages that write to it, whatever becomes of them on the way."""

from __future__ import annotations

import json

import pytest

from tests.device.conftest import Play, on, succeed, wait_until
from tests.lab import Device

pytestmark = [pytest.mark.minutes(8), pytest.mark.campaign, pytest.mark.usefixtures("hardened")]

# Nothing but what this file is about, which makes a run quicker.
VARIABLES: dict[str, list[str]] = {
    "encrypted_storage_volumes": [],
    "credentials_files": [],
    "credentials_extra_files": [],
}
WINDOW = "/usr/lib/edgesec/boot-window"
CLOSED = "findmnt -no OPTIONS /boot/efi | grep -qw ro && [ ! -e /run/edgesec/boot-window/state.json ]"
FILE = "/boot/efi/edge-kernel"
PACKAGE = f"""
set -e
mkdir -p /root/p/DEBIAN
cd /root/p/DEBIAN
cat >control <<EOF
Package: edge-kernel
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.com>
Description: writes to the boot partition
EOF
cat >postinst <<EOF
#!/bin/sh
set -e
echo new >{FILE}
if [ -e /root/wait ]; then sync; touch /run/waiting; sleep 600; fi
EOF
cat >prerm <<EOF
#!/bin/sh
rm -f {FILE}
EOF
chmod 755 postinst prerm
dpkg-deb --root-owner-group --build /root/p /root/edge-kernel.deb
"""
# Beside the session, so that it goes on when that ends.
BESIDE = "systemd-run --quiet --collect --unit=beside"
INSTALL = f"rm -f /run/waiting; touch /root/wait; {BESIDE} dpkg --install /root/edge-kernel.deb"


def harden(run: Play, *options: str) -> int:
    """How much a run has changed."""
    return succeed(run, "harden", VARIABLES, *options).changed


@pytest.fixture(scope="module")
def hardened(device: Device, run: Play) -> None:
    """Hardened, and with a package to install."""
    before = on(device, "cat /etc/fstab")
    predicted = harden(run, "--check", "--diff")
    assert on(device, "cat /etc/fstab") == before, "check mode has done something"
    assert harden(run) == predicted
    assert harden(run) == 0
    assert without_options(on(device, "cat /etc/fstab")) == without_options(before)
    on(device, PACKAGE)


def without_options(fstab: str) -> list[str]:
    """The lines, byte by byte, but for the options of those that are mounted at boot directories."""
    lines = fstab.splitlines(keepends=True)
    return [line.replace(line.split()[3], "", 1) if " /boot" in line else line for line in lines]


def assert_closed(device: Device) -> None:
    wait_until(device, CLOSED, 15)
    refused = device.ssh("touch /boot/efi/x")
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr


@pytest.mark.parametrize(
    ("install", "remove"), [("apt-get -y install", "apt-get -y purge"), ("dpkg --install", "dpkg --purge")]
)
def test_a_package_is_installed_and_removed_while_it_is_read_only(device: Device, install: str, remove: str) -> None:
    assert_closed(device)
    on(device, f"{install} /root/edge-kernel.deb")
    on(device, CLOSED)
    assert on(device, f"cat {FILE}") == "new\n"
    on(device, f"{remove} edge-kernel")
    on(device, f"{CLOSED} && ! [ -e {FILE} ]")
    assert_closed(device)


def test_it_is_read_only_within_seconds_after_dpkg_was_killed_and_the_rest_is_done_later(device: Device) -> None:
    on(device, INSTALL)
    wait_until(device, "[ -e /run/waiting ]", 60)
    assert device.ssh(f"{WINDOW} status").returncode == 3
    assert "dpkg install" in on(device, f"{WINDOW} status --json || true")
    on(device, "systemctl list-units --no-legend 'edgesec-boot-window-*' | grep -q running")
    on(device, "systemctl kill --signal=KILL beside; rm /root/wait")
    assert_closed(device)
    on(device, "dpkg --configure -a")
    assert on(device, "dpkg-query -W -f '${Status}' edge-kernel") == "install ok installed"
    assert_closed(device)
    on(device, "dpkg --purge edge-kernel")


def test_a_killed_watcher_is_started_again(device: Device) -> None:
    on(device, f"{WINDOW} open --for 20")
    on(device, "sleep 1; systemctl kill --signal=KILL 'edgesec-boot-window-*'")
    assert device.ssh(CLOSED).returncode != 0
    wait_until(device, CLOSED, 40)


def test_after_a_power_cut_in_the_middle_it_boots_read_only_and_the_rest_is_done(device: Device) -> None:
    on(device, INSTALL)
    wait_until(device, "[ -e /run/waiting ]", 60)
    assert device.ssh(CLOSED).returncode != 0
    device.power_cut()
    device.start()
    assert_closed(device)
    on(device, "rm /root/wait; dpkg --configure -a")
    assert on(device, f"cat {FILE}") == "new\n"
    assert_closed(device)
    assert on(device, "systemctl --failed --no-legend").strip() == ""


def test_what_a_person_has_opened_closes_by_itself(device: Device) -> None:
    assert on(device, f"{WINDOW} open --for 60").startswith("writable until ")
    on(device, "echo person >/boot/efi/person && rm /boot/efi/person")
    wait_until(device, CLOSED, 180)
    assert device.ssh(f"{WINDOW} run sh -c 'touch /boot/efi/run && rm /boot/efi/run; exit 7'").returncode == 7
    assert_closed(device)


def test_a_writer_is_named_and_waited_for(device: Device) -> None:
    on(device, f"{WINDOW} open")
    writes = "touch /run/writing; while [ -e /run/writing ]; do sleep 1; done"
    on(device, f"{BESIDE} sh -c 'exec 7>/boot/efi/log; {writes}; rm /boot/efi/log'")
    wait_until(device, "[ -e /run/writing ]", 30)
    refused = device.ssh(f"{WINDOW} close")
    assert refused.returncode == 4
    assert "writes /boot/efi/log" in refused.stderr
    on(device, "rm /run/writing")
    wait_until(device, CLOSED, 180)
    on(device, "journalctl -b --no-pager -t edgesec-boot-window | grep -q 'writes /boot/efi/log'")


def test_a_run_of_the_role_leaves_an_open_window_alone(device: Device, run: Play) -> None:
    on(device, f"{WINDOW} open")
    harden(run)
    assert device.ssh(CLOSED).returncode != 0
    on(device, f"{WINDOW} close")
    assert_closed(device)
    assert harden(run) == 0


def test_after_a_reboot_it_is_read_only(device: Device) -> None:
    device.reboot()
    assert_closed(device)


def test_without_windows_the_hooks_are_gone_and_come_back(device: Device, run: Play) -> None:
    hook = "[ -e /etc/dpkg/dpkg.cfg.d/edgesec-boot-window ]"
    on(device, hook)
    for windows in (False, True):
        played = run("harden", "-e", json.dumps({**VARIABLES, "boot_mounts_windows": windows}))
        assert played.rc == 0, played.output
        assert (device.ssh(hook).returncode == 0) is windows
        assert (device.ssh("dpkg --install /root/edge-kernel.deb").returncode == 0) is windows
        assert_closed(device)
