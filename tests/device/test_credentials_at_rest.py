# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret of a service is moved into the TPM: the service has it after a reboot, and the raw disk does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(5), pytest.mark.campaign]

# Nowhere else on the disk, and not in this file as it is written there.
SECRET = "-".join(["plaintext", "of", "the", "telemetry", "service", "7f3a9c"])
SOURCE = "/etc/telemetry/password"
# Writes down, in memory, what it got; fails without.
UNIT = """
[Service]
Environment=PASSWORD_FILE=/etc/telemetry/password
RuntimeDirectory=telemetry
ExecStart=/bin/sh -c 'sha256sum <"$PASSWORD_FILE" >/run/telemetry/seen && exec sleep infinity'
[Install]
WantedBy=multi-user.target
"""
DROP_INS = "/etc/systemd/system/telemetry.service.d"
CREDENTIAL = "/etc/credstore.encrypted/telemetry.service.password"


def options(**changes: Any) -> tuple[str, str]:
    secret = {
        "unit": "telemetry.service",
        "name": "password",
        "source": SOURCE,
        "environment": "PASSWORD_FILE",
        "proof": ["/usr/bin/test", "-s", "/run/telemetry/seen"],
    }
    variables = {"credentials_at_rest": [{**secret, **changes}], "encrypted_storage_volumes": []}
    return "-e", json.dumps(variables)


def seen(device: Device) -> str:
    return on(
        device, "for i in $(seq 50); do test -s /run/telemetry/seen && break; sleep 0.2; done; cat /run/telemetry/seen"
    )


def state(device: Device) -> str:
    return on(device, f"sha256sum {SOURCE}; ls -l {SOURCE}; ls -A /etc/credstore.encrypted {DROP_INS} 2>&1; true")


@pytest.fixture(scope="module", name="digest", autouse=True)
def _digest(device: Device) -> str:
    on(device, "cat >/etc/systemd/system/telemetry.service", stdin=UNIT)
    on(device, f"install -d -m 0700 /etc/telemetry && cat >{SOURCE} && chmod 0600 {SOURCE}", stdin=SECRET)
    on(device, "systemctl daemon-reload && systemctl enable --now telemetry.service && sync")
    return seen(device)


def test_a_service_that_does_not_prove_itself_keeps_its_plaintext(device: Device, run: Play, digest: str) -> None:
    before = state(device)
    refused = run("harden", *options(proof=["/bin/false"]))
    assert refused.rc != 0
    assert "everything was restored" in " ".join(refused.output.split())
    assert state(device) == before
    assert on(device, "systemctl is-active telemetry.service").strip() == "active"
    assert seen(device) == digest


def test_check_do_check_do(device: Device, run: Play, digest: str) -> None:
    before = state(device)
    predicted = run("harden", "--check", "--diff", *options())
    assert predicted.rc == 0, predicted.output
    assert predicted.changed > 0
    assert state(device) == before

    hardened = run("harden", "-vvv", *options())
    assert hardened.rc == 0, hardened.output[-4000:]
    assert SECRET.encode() not in hardened.log.read_bytes()
    assert seen(device) == digest
    assert on(device, f"ls -A /etc/telemetry; test -s {CREDENTIAL}") == ""

    again = run("harden", *options())
    assert (again.rc, again.changed) == (0, 0), again.output


def test_a_plaintext_that_a_cut_run_left_aside_is_taken_up(device: Device, run: Play, digest: str) -> None:
    on(device, f"systemd-creds decrypt --name=password {CREDENTIAL} {SOURCE}.edgesec-plaintext")
    hardened = run("harden", *options())
    assert hardened.rc == 0, hardened.output[-4000:]
    assert seen(device) == digest
    assert on(device, "ls -A /etc/telemetry") == ""


def test_after_a_reboot_the_service_has_it(device: Device, digest: str) -> None:
    device.reboot()
    assert on(device, "systemctl is-active telemetry.service").strip() == "active"
    assert seen(device) == digest


def test_the_raw_disk_does_not_have_it(device: Device) -> None:
    on(device, "sync")
    device.stop()
    raw = device.read_partition("root")
    assert raw.count(b"telemetry.service.password") > 0, "this is not the disk"
    assert SECRET.encode() not in raw
    device.start()


def test_with_another_tpm_the_service_does_not_start_and_it_is_said_why(device: Device) -> None:
    device.stop()
    device.swap_tpm()
    device.start()
    assert on(device, "systemctl is-active telemetry.service || true").strip() != "active"
