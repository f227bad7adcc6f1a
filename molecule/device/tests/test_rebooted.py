# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hardened device after a reboot: what only a real kernel, firmware, TPM and disk can show."""

from __future__ import annotations

import json

from testinfra.host import Host


def test_the_volume_is_open_and_holds_what_was_written(host: Host) -> None:
    assert host.file("/data/message").content_string == "written before the reboot"
    mount = host.mount_point("/data")
    assert mount.device == "/dev/mapper/data"
    assert {"nodev", "nosuid"} <= set(mount.options)


def test_the_kernel_encrypts_it(host: Host) -> None:
    status = host.check_output("cryptsetup status data")
    assert "cipher:  aes-xts-plain64" in status
    assert "sector size:  4096" in status
    assert host.check_output("lsblk -no type /dev/mapper/data") == "crypt"


def test_the_tpm_opened_it_and_the_latch_is_set(host: Host) -> None:
    outcome = json.loads(host.check_output("cat /run/edgesec/unlock/data.json"))
    assert (outcome["reason"], outcome["latched"]) == ("ok", True)
    assert int(host.check_output("cat /sys/class/tpm/tpm0/pcr-sha256/14"), 16) != 0
    assert host.service("edgesec-unlock@data.service").is_running


def test_the_boot_partition_is_read_only(host: Host) -> None:
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(host.mount_point("/boot/efi").options)
    done = host.run("touch /boot/efi/x")
    assert done.failed
    assert "Read-only file system" in done.stderr


def test_the_credential_belongs_to_root_alone(host: Host) -> None:
    key = host.file("/etc/edge/tls/device.key")
    assert (key.user, key.group, key.mode) == ("root", "root", 0o600)


def test_no_unit_has_failed(host: Host) -> None:
    assert host.check_output("systemctl --failed --no-legend") == ""


def test_it_was_a_secure_boot(host: Host) -> None:
    variable = host.file("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c").content
    assert variable[-1:] == b"\x01"
