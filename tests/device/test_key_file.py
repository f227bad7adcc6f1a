# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key file on a removable token: inserted, the board without a TPM opens its volume by itself; taken away, nobody."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device

pytestmark = [pytest.mark.minutes(4), pytest.mark.campaign]

DISK = "/dev/disk/by-partlabel/data"
SPARE = "/dev/disk/by-partlabel/spare"
TOKEN = "/dev/disk/by-label/EDGEKEY"


def options(token: str = TOKEN) -> tuple[str, str]:
    variables = {
        "encrypted_storage_volumes": [{"name": "data", "device": DISK, "mount": "/data"}],
        "encrypted_storage_unlock": "keyfile-on-token",
        "encrypted_storage_token": {"device": token},
        "encrypted_storage_flags": ["measured"],
    }
    return "-e", json.dumps(variables)


def reason(device: Device) -> str:
    return str(json.loads(on(device, "cat /run/edgesec/unlock/data.json"))["reason"])


def insert_token(device: Device) -> None:
    device.insert_token()
    on(device, f"for i in $(seq 100); do test -e {TOKEN} && exit; sleep 0.2; done; exit 1")


def on_token(device: Device, command: str) -> str:
    """What a command prints in the directory of the token."""
    return on(device, f"mount {TOKEN} /mnt && (cd /mnt && {command}) && umount /mnt")


def close(device: Device) -> None:
    on(device, "if mountpoint -q /data; then umount /data; fi && cryptsetup close data")


def test_a_token_that_stays_with_the_board_is_refused_before_anything_is_changed(device: Device, run: Play) -> None:
    on(device, f"mkfs.ext4 -q {SPARE}")
    look = f"head -c 1M {DISK} | sha256sum; head -c 1M {SPARE} | sha256sum"
    before = on(device, look)
    refused = run("harden", *options(SPARE))
    assert refused.rc != 0
    assert "a key stored next to the data protects nothing" in " ".join(refused.output.split())
    assert on(device, look) == before


def test_the_volume_is_made_and_bound_to_the_token(device: Device, run: Play, controller: Path) -> None:
    insert_token(device)
    predicted = run("harden", "--check", "--diff", *options())
    assert predicted.rc == 0, predicted.output
    assert predicted.changed > 0
    assert on_token(device, "ls") == "", "check mode has made a key file"

    hardened = run("harden", "-vvv", *options())
    assert hardened.rc == 0, hardened.output[-4000:]
    key = base64.b64decode(on_token(device, "base64 edgesec/*.key"))
    assert len(key) == 32
    log = hardened.log.read_bytes()
    assert [form for form in (key, key.hex().encode(), base64.b64encode(key)) if form in log] == []
    assert '"mib_per_second": {' in hardened.output, "nothing was measured"
    assert on(device, "ls /dev/mapper").split() == ["control", "data"], "what was measured is still open"
    on(device, "echo kept >/data/message && sync")

    report = json.loads((controller / "reports" / f"{device.host}.json").read_text())
    assert report["host_level"]["level"] == "L0", "nothing is sealed, and no more than that is claimed"
    verdicts = {control["id"]: control["verdict"] for control in report["controls"]}
    assert verdicts["storage.key_file.enrolled"] == "pass"
    assert verdicts["tpm.volume.sealed"] == "not_applicable"


def test_it_opens_unattended_while_the_token_is_inserted(device: Device, run: Play) -> None:
    device.stop()
    device.start(tpm=False)
    assert reason(device) == "ok"
    assert on(device, "cat /data/message").strip() == "kept"
    assert on(device, "systemctl --failed --no-legend").strip() == ""
    assert "token-" not in on(device, "cat /proc/mounts; ls /run/edgesec"), "the token is still mounted"
    again = run("harden", *options())
    assert again.rc == 0, again.output
    assert again.changed == 0, again.output


def test_a_key_file_that_is_broken_or_gone_leaves_it_closed_and_says_so(device: Device) -> None:
    on_token(device, "mv edgesec kept && mkdir edgesec && cp kept/*.key edgesec/ && truncate -s 31 edgesec/*.key")
    close(device)
    for command, seen in (
        ("true", "key_rejected"),
        ("head -c 32 /dev/urandom >$(echo edgesec/*.key)", "key_rejected"),
        ("rm -r edgesec", "keyfile_missing"),
    ):
        on_token(device, command)
        assert device.ssh("/usr/lib/edgesec/unlock data").returncode == 1
        assert reason(device) == seen
        assert on(device, "ls /dev/mapper").split() == ["control"]
    on_token(device, "mv kept edgesec")
    on(device, "/usr/lib/edgesec/unlock data")
    assert reason(device) == "ok"


def test_without_the_token_the_device_is_up_and_its_volume_closed(device: Device) -> None:
    device.stop()
    device.remove_token()
    device.start(tpm=False)
    assert on(device, "ls /dev/mapper").split() == ["control"]
    assert reason(device) == "token_missing"


def test_who_stops_the_wait_for_the_token_is_told_so(device: Device) -> None:
    on(device, "systemctl reset-failed; systemctl start --no-block edgesec-unlock@data; sleep 10")
    on(device, "systemctl stop edgesec-unlock@data")
    assert reason(device) == "interrupted"
    assert on(device, "ls /dev/mapper; ls /run/edgesec").split() == ["control", "unlock", "unlock.lock"]


def test_once_the_token_is_back_the_volume_opens(device: Device) -> None:
    insert_token(device)
    on(device, "systemctl start edgesec-unlock@data data.mount")
    assert reason(device) == "ok"
    assert on(device, "cat /data/message").strip() == "kept"


def test_the_key_file_opens_it_with_another_volume_key_too(device: Device, run: Play) -> None:
    rotated = run("rotate", *options(), "-e", '{"rotate_volume_key": true, "rotate_recovery": false}')
    assert rotated.rc == 0, rotated.output
    assert "data: encrypted with another volume key" in rotated.output
    close(device)
    on(device, "/usr/lib/edgesec/unlock data")
    assert reason(device) == "ok"
    on(device, "systemctl start data.mount")
    assert on(device, "cat /data/message").strip() == "kept"
