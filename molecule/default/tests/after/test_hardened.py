# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After hardening: files, modes, units and the LUKS2 header. Containers show no more than that."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.setup.collection import ROOT
from tests.support.playbook import play

INVENTORIES = [Path(__file__).parents[2] / "inventory" / "hosts.yml", ROOT / "build" / "container" / "inventory.json"]
STORE = ROOT / "build" / "container" / "edgesec-store"
VOLUME = "/var/lib/edge.img"


def header(host: Host) -> dict[str, dict[str, dict[str, object]]]:
    with host.sudo():
        document: dict[str, dict[str, dict[str, object]]] = json.loads(
            host.check_output("cryptsetup luksDump --dump-json-metadata %s", VOLUME)
        )
    return document


def test_the_boot_partition_is_restricted_and_keeps_its_source(host: Host) -> None:
    assert host.file("/etc/fstab").content_string == (
        "PARTLABEL=esp /boot/efi vfat umask=0077,noauto,ro,nosuid,nodev,noexec 0 2\n"
    )


@pytest.mark.parametrize(
    ("path", "owner", "group", "mode"),
    [
        ("/etc/edge/tls/device.key", "root", "root", 0o600),
        ("/etc/edge/mqtt.password", "edge", "edge", 0o600),
        ("/etc/shadow", "root", "shadow", 0o640),
        ("/usr/lib/edgesec/unlock", "root", "root", 0o755),
        ("/etc/systemd/system/edgesec-unlock@.service", "root", "root", 0o644),
        ("/etc/edgesec/tpm/data.json", "root", "root", 0o644),
    ],
)
def test_owner_and_mode(host: Host, path: str, owner: str, group: str, mode: int) -> None:
    with host.sudo():
        file = host.file(path)
        assert (file.user, file.group, file.mode) == (owner, group, mode)


def test_the_header_has_a_recovery_slot_a_tpm_slot_and_its_token(host: Host) -> None:
    metadata = header(host)
    assert sorted(metadata["keyslots"]) == ["0", "1"]
    (token,) = metadata["tokens"].values()
    assert (token["type"], token["keyslots"]) == ("edgesec-tpm2", ["1"])
    assert metadata["segments"]["0"]["encryption"] == "aes-xts-plain64"


def test_openssl_gets_the_recovery_key_that_opens_keyslot_0(host: Host) -> None:
    (envelope,) = (STORE / "hosts" / host.backend.get_hostname() / "recovery").glob("*.cms")
    key = subprocess.run(
        [
            *("openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(envelope)),
            *("-recip", str(STORE / "escrow/certificate.pem"), "-inkey", str(STORE / "escrow/key.pem")),
        ],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    with host.sudo():
        opened = "printf %%s %s | cryptsetup open --test-passphrase --key-slot 0 --key-file - %s"
        assert host.run(opened, key, VOLUME).rc == 0
        assert host.run(opened, key[:-1], VOLUME).rc == 2


def test_the_unlocker_is_enabled_and_systemd_understands_its_unit(host: Host) -> None:
    assert host.service("edgesec-unlock@data.service").is_enabled
    with host.sudo():
        assert host.check_output("systemd-analyze verify --man=no edgesec-unlock@data.service 2>&1") == ""


def test_check_mode_predicts_nothing_more(host: Host, tmp_path: Path) -> None:
    name = host.backend.get_hostname()
    played = play(
        "harden", INVENTORIES, tmp_path, f"--limit={name}", "--check", "--diff", "-e", f"edgesec_store={STORE}"
    )
    assert played.rc == 0, played.output
    assert played.recap[name]["changed"] == 0, played.output


def test_the_report_of_the_host_passes_what_harden_can_bring_to_pass(host: Host) -> None:
    report = json.loads((ROOT / "build/container/edgesec-reports" / f"{host.backend.get_hostname()}.json").read_text())
    failed = [control["id"] for control in report["controls"] if control["verdict"] == "fail" and control["role"]]
    assert failed == []
