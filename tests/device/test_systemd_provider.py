# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A volume that systemd seals and opens: after a reboot it is open and mounted, and nobody was asked for anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(4), pytest.mark.campaign]

DISK = "/dev/disk/by-partlabel/data"
GENERATOR = "/usr/lib/systemd/system-generators/systemd-cryptsetup-generator"
UNIT = "systemd-cryptsetup@data.service"
OPTIONS = (
    "-e",
    json.dumps(
        {
            "encrypted_storage_volumes": [{"name": "data", "device": DISK, "mount": "/data"}],
            "tpm_sealing_provider": "systemd",
        }
    ),
)


def report(device: Device, controller: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((controller / "reports" / f"{device.host}.json").read_text())
    return document


def verdicts(device: Device, controller: Path) -> dict[str, str]:
    return {control["id"]: control["verdict"] for control in report(device, controller)["controls"]}


def types_of_tokens(device: Device) -> list[str]:
    dumped = json.loads(on(device, f"cryptsetup luksDump --dump-json-metadata {DISK}"))
    return [str(token["type"]) for token in dumped["tokens"].values()]


def test_without_what_reads_crypttab_the_volume_is_not_sealed_and_nothing_is_written(device: Device, run: Play) -> None:
    on(device, "printf '# mine\\nlater /dev/disk/by-id/stick /root/key noauto\\n' >/etc/crypttab")
    on(device, f"mv {GENERATOR} /root/generator")
    refused = run("harden", *OPTIONS)
    assert refused.rc != 0
    assert "apt install systemd-cryptsetup" in " ".join(refused.output.split())
    assert "tpm2-device" not in on(device, "cat /etc/crypttab")
    assert types_of_tokens(device) == []
    on(device, f"mv /root/generator {GENERATOR}")


def test_the_volume_is_sealed_by_systemd_and_a_second_run_changes_nothing(device: Device, run: Play) -> None:
    predicted = run("harden", "--check", "--diff", *OPTIONS)
    assert predicted.rc == 0, predicted.output
    assert predicted.changed > 0
    assert types_of_tokens(device) == []
    hardened = run("harden", *OPTIONS)
    assert hardened.rc == 0, hardened.output[-4000:]
    assert types_of_tokens(device) == ["systemd-tpm2"]
    lines = on(device, "cat /etc/crypttab").splitlines()
    assert lines[:2] == ["# mine", "later /dev/disk/by-id/stick /root/key noauto"], "lines of others are kept"
    assert lines[2].startswith("data UUID=")
    on(device, "echo kept >/data/message && sync")
    again = run("harden", *OPTIONS)
    assert again.rc == 0, again.output
    assert again.changed == 0, again.output


def test_after_a_reboot_it_is_open_and_mounted_and_nobody_was_asked(
    device: Device, run: Play, controller: Path
) -> None:
    device.stop()
    device.start()
    assert on(device, "cat /data/message").strip() == "kept"
    assert on(device, f"systemctl is-active {UNIT} data.mount").split() == ["active", "active"]
    assert on(device, "ls /run/systemd/ask-password | grep -c ask. || true").strip() == "0"
    assert "Please enter" not in on(device, f"journalctl -b -u {UNIT} --no-pager")
    assert on(device, "systemctl --failed --no-legend").strip() == ""
    again = run("harden", *OPTIONS)
    assert again.rc == 0, again.output
    assert again.changed == 0, again.output
    seen = verdicts(device, controller)
    for identifier in ("tpm.volume.sealed", "tpm.approval.current", "tpm.unlock.enabled", "tpm.unlock.unattended"):
        assert seen[identifier] == "pass", identifier
    assert seen["storage.volume.fstab"] == "pass"
    assert seen["tpm.latch.set"] == "fail", "systemd has no latch, and none is claimed"
    assert report(device, controller)["host_level"]["level"] == "L1"


def test_in_another_boot_state_the_device_is_up_and_the_volume_closed(device: Device, run: Play) -> None:
    on(device, f"umount /data && systemctl stop {UNIT} && tpm2_pcrextend 4:sha256={'ab' * 32}")
    assert device.ssh(f"systemctl start {UNIT}").returncode != 0
    assert on(device, "ls /dev/mapper").split() == ["control"]
    refused = run("harden", *OPTIONS)
    assert refused.rc != 0
    assert "boot_change" in refused.output
    device.stop()
    device.start()
    assert on(device, "cat /data/message").strip() == "kept"


def test_from_systemd_to_edgesec_and_back(device: Device, run: Play) -> None:
    slots = json.loads(on(device, f"cryptsetup luksDump --dump-json-metadata {DISK}"))["tokens"]
    (token,) = slots.values()
    volumes = [{"name": "data", "device": DISK, "mount": "/data", "retire_keyslots": token["keyslots"]}]
    edgesec = run("harden", "-e", json.dumps({"encrypted_storage_volumes": volumes}))
    assert edgesec.rc == 0, edgesec.output
    assert types_of_tokens(device) == ["edgesec-tpm2"]
    assert "tpm2-device" not in on(device, "cat /etc/crypttab")
    back = run("harden", *OPTIONS)
    assert back.rc == 0, back.output
    assert types_of_tokens(device) == ["systemd-tpm2"]
    device.stop()
    device.start()
    assert on(device, "cat /data/message").strip() == "kept"
    assert on(device, "systemctl --failed --no-legend").strip() == ""


def test_decommission_takes_out_its_line_in_crypttab_and_no_other(device: Device, run: Play) -> None:
    consent = ("-e", json.dumps({"decommission_consent": device.host}))
    predicted = run("decommission", "--check", *OPTIONS, *consent)
    assert predicted.rc == 0, predicted.output
    assert "tpm2-device" in on(device, "cat /etc/crypttab")
    done = run("decommission", *OPTIONS, *consent)
    assert done.rc == 0, done.output
    assert on(device, "cat /etc/crypttab").splitlines() == ["# mine", "later /dev/disk/by-id/stick /root/key noauto"]
    device.stop()
    device.start()
    assert on(device, "systemctl --failed --no-legend").strip() == ""
