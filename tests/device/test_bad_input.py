# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cannot be hardened is refused before anything is changed: one clear error, and the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(4), pytest.mark.campaign]

# All that harden would change, and the first of every byte of the data partition that it could.
STATE = """
sha256sum /etc/fstab
head -c 20M /dev/disk/by-partlabel/data | sha256sum
findmnt -no options /boot/efi
stat -c '%n %U %G %a' /etc/edge/tls/device.key /etc/edge/mqtt.password
ls -d /etc/edgesec /usr/lib/edgesec /data 2>/dev/null
ls /dev/mapper
true
"""


def refused(device: Device, run: Play, *options: str) -> str:
    """Run harden, which must refuse and change nothing; returns what it printed."""
    before = on(device, STATE)
    played = run("harden", *options)
    assert played.rc != 0, played.output
    assert played.changed == 0, played.output
    assert on(device, STATE) == before
    assert "Traceback" not in played.output
    return " ".join(played.output.replace("\\n", "\n").split())


@contextmanager
def away(device: Device, path: str) -> Iterator[None]:
    """Take a file away for a while."""
    on(device, f"mv {path} {path}.away")
    try:
        yield
    finally:
        on(device, f"mv {path}.away {path}")


def variables(**values: object) -> tuple[str, str]:
    return "-e", json.dumps(values)


def volumes(**changes: object) -> tuple[str, str]:
    return variables(
        encrypted_storage_volumes=[
            {"name": "data", "device": "/dev/disk/by-partlabel/data", "mount": "/data", **changes}
        ]
    )


def test_an_unknown_device(device: Device, run: Play) -> None:
    message = refused(device, run, *volumes(device="/dev/disk/by-partlabel/dta"))
    assert "/dev/disk/by-partlabel/dta" in message
    assert "no such device" in message or "there is no" in message.lower()


def test_a_device_that_is_mounted(device: Device, run: Play) -> None:
    message = refused(device, run, *volumes(device="/dev/disk/by-partlabel/root"))
    assert "ext4" in message


@pytest.mark.parametrize(
    "wrong",
    [
        {"encrypted_storage_volumes": {"name": "data"}},
        {"encrypted_storage_volumes": [{"name": "data"}]},
        {"encrypted_storage_unlock": "prayer"},
        {"tpm_sealing_pcrs": "four"},
        {"boot_mounts_options": {"ro": True}},
        {"credentials_extra_files": [{"owner": "root"}]},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_variable_of_a_wrong_type(device: Device, run: Play, wrong: dict[str, object]) -> None:
    message = refused(device, run, *variables(**wrong))
    assert next(iter(wrong)).split("_", 1)[0] in message
    assert "Validation of arguments failed" in message or "argument" in message


def test_pcrs_that_nothing_was_measured_into(device: Device, run: Play) -> None:
    message = refused(device, run, *variables(tpm_sealing_pcrs=[4, 12]))
    assert "12" in message
    assert "tpm_sealing_pcrs" in message


def test_pcr_7_alone(device: Device, run: Play) -> None:
    assert "pcr7_only" in refused(device, run, *variables(tpm_sealing_pcrs=[7]))


def test_no_cryptsetup(device: Device, run: Play) -> None:
    with away(device, "/usr/sbin/cryptsetup"):
        message = refused(device, run)
    assert "cryptsetup" in message
    assert "apt install" in message


def test_a_tpm_that_does_not_answer(device: Device, run: Play) -> None:
    with away(device, "/dev/tpmrm0"):
        message = refused(device, run)
    assert "TPM" in message
    assert "does not answer" in message


def test_an_unsupported_distribution(device: Device, run: Play) -> None:
    with away(device, "/etc/os-release"):
        on(device, "printf 'ID=plan9\nVERSION_ID=4\n' >/etc/os-release")
        message = refused(device, run)
    assert "plan9" in message
    assert "edgesec_accept_untested_distribution" in message


def test_a_device_that_cannot_be_reached(device: Device, run: Play) -> None:
    before = on(device, STATE)
    played = run("harden", "-e", "ansible_port=1")
    assert played.rc != 0
    assert played.recap[device.host]["unreachable"] == 1
    assert on(device, STATE) == before


def test_pipelining_that_is_kept_off_is_refused_before_a_key_is_sent(device: Device, run: Play) -> None:
    """The last to run: what comes before storage is hardened by then."""
    before = on(device, "head -c 20M /dev/disk/by-partlabel/data | sha256sum")
    played = run("harden", "-e", "ansible_pipelining=false")
    assert played.rc != 0
    assert "pipelining is off" in " ".join(played.output.split())
    assert on(device, "head -c 20M /dev/disk/by-partlabel/data | sha256sum") == before


def test_a_device_that_holds_data(device: Device, run: Play) -> None:
    on(device, "mkfs.ext4 -q -L PRECIOUS /dev/disk/by-partlabel/data")
    uuid = on(device, "blkid -p -s UUID -o value /dev/disk/by-partlabel/data").strip()
    message = refused(device, run)
    assert "PRECIOUS" in message
    assert uuid in message
