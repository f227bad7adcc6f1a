# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook audit with real ansible-playbook, on this machine by the local connection, as whoever runs the test."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.setup.collection import COLLECTIONS

Inventory = dict[str, Any]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    with path.open("wb") as stream:
        stream.truncate(8 << 20)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "device.key"
    path.write_text("a secret that is in no report")
    path.chmod(0o644)
    return path


@pytest.fixture
def variables(image: Path, key: Path) -> dict[str, Any]:
    return {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "encrypted_storage_volumes": [{"name": "data", "device": str(image), "mount": "/data"}],
        "credentials_files": [{"path": str(key)}],
    }


GONE = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "ansible_ssh_retries": 0}


def audit(directory: Path, hosts: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    inventory = directory / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    return play(directory, "audit", "-i", str(inventory), *arguments)


def play(directory: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), f"edgesec.hardening.{playbook}", *arguments],
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_INJECT_FACT_VARS": "False",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_CALLBACKS_ENABLED": "edgesec.hardening.compliance",
        },
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_device_is_judged_and_left_as_it_is(
    tmp_path: Path, variables: dict[str, Any], image: Path, key: Path
) -> None:
    done = audit(tmp_path, {"gw-001": variables})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    report = tmp_path / "edgesec-reports" / "gw-001.json"
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    document = json.loads(report.read_text())
    verdicts = {control["id"]: control["verdict"] for control in document["controls"]}
    assert verdicts["storage.writable.encrypted"] == "fail"
    assert verdicts["credentials.files.permissions"] == "fail"
    assert document["host"] == "gw-001"
    assert document["host_level"]["level"] == "L0"
    assert document["facts"]["edgesec_storage"]["volumes"][0]["blank"] is True
    assert set(document["facts"]) == {
        f"edgesec_{area}" for area in ("boot", "credentials", "identity", "platform", "storage", "tpm")
    }
    assert "FAIL     storage.writable.encrypted" in done.stdout
    assert "a secret that" not in report.read_text() + done.stdout
    assert not any(image.read_bytes())
    assert stat.S_IMODE(key.stat().st_mode) == 0o644


def test_check_mode_judges_as_well_and_writes_no_report(tmp_path: Path, variables: dict[str, Any]) -> None:
    done = audit(tmp_path, {"gw-001": variables}, "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "storage.writable.encrypted" in done.stdout
    assert "1 host: 1 L0" in done.stdout.split("PLAY RECAP")[1]
    assert not (tmp_path / "edgesec-reports").exists()


def fleet_report(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "edgesec-reports" / "fleet" / "report.json").read_text())
    return found


def test_a_device_that_cannot_be_reached_or_judged_is_in_the_report(tmp_path: Path, variables: dict[str, Any]) -> None:
    wrong = {**variables, "encrypted_storage_unlock": "magic"}
    done = audit(tmp_path, {"gw-001": variables, "gw-002": GONE, "gw-003": wrong})
    assert done.returncode == 2
    reports = tmp_path / "edgesec-reports"
    assert (reports / "gw-001.json").exists()
    assert not (reports / "gw-002.json").exists()
    hosts = {host["name"]: host for host in fleet_report(tmp_path)["hosts"]}
    assert {name: host["status"] for name, host in hosts.items()} == {
        "gw-001": "judged",
        "gw-002": "unreachable",
        "gw-003": "failed",
    }
    assert "Connection refused" in hosts["gw-002"]["reason"]
    assert "magic" in hosts["gw-003"]["reason"]
    recap = done.stdout.split("PLAY RECAP")[1]
    assert [line.split()[0] for line in recap.splitlines() if "failed=1" in line] == ["gw-002", "gw-003"]
    # The callback's table is the last thing that is shown.
    assert "3 hosts: 1 L0, 1 failed, 1 unreachable" in recap.split("COMPLIANCE")[1]
    assert stat.S_IMODE((reports / "fleet").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (reports / "fleet").iterdir()} == {0o600}


def test_a_fleet_of_which_nothing_can_be_reached_has_a_report(tmp_path: Path) -> None:
    done = audit(tmp_path, {"gw-001": GONE, "gw-002": GONE})
    assert done.returncode == 2
    assert [host["status"] for host in fleet_report(tmp_path)["hosts"]] == ["unreachable", "unreachable"]


def test_the_policy_says_what_fails_the_play(tmp_path: Path, variables: dict[str, Any], key: Path) -> None:
    waived = ("hardware.secure_element.present", "hardware.secure_element.api")
    waiver = {"hosts": "*", "reason": "no such hardware here", "expires": "2099-12-31"}
    waivers = [{**waiver, "control": each} for each in waived]
    variables = {**variables, "compliance_site_policy": {"waivers": waivers}}
    hosts = {"gw-001": variables, "gw-002": {**variables, "credentials_files": []}}
    done = audit(tmp_path, hosts, "-e", "compliance_fail_on=required", "-e", "compliance_report_formats=json")
    assert done.returncode == 2
    recap = done.stdout.split("PLAY RECAP")[1]
    assert [line.split()[0] for line in recap.splitlines() if "failed=1" in line] == ["gw-001"]
    assert (
        "credentials.files.permissions"
        in done.stderr + done.stdout.split("Fail hosts that were not judged or do not comply")[1]
    )
    assert [path.name for path in (tmp_path / "edgesec-reports" / "fleet").iterdir()] == ["report.json"]

    # Mended, the next report says so, and the play passes.
    key.chmod(0o600)
    done = audit(tmp_path, hosts, "-e", "compliance_fail_on=required")
    assert done.returncode == 0, done.stdout + done.stderr
    moved = {(each["host"], each["control"], each["after"]) for each in fleet_report(tmp_path)["changes"]["verdicts"]}
    assert moved == {("gw-001", "credentials.files.permissions", "pass")}
    assert "1 mended" in done.stdout


def test_a_saved_report_is_written_in_other_formats(tmp_path: Path, variables: dict[str, Any]) -> None:
    assert audit(tmp_path, {"gw-001": variables}).returncode == 0
    saved = tmp_path / "edgesec-reports" / "fleet" / "report.json"
    kept = saved.read_bytes()
    named = ("-e", f"compliance_saved_report={saved}", "-e", "compliance_report_formats=csv,oscal")
    done = play(tmp_path, "report", *named)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in saved.parent.iterdir()} == {
        "report.json",
        "report.html",
        "report.csv",
        "report.oscal.json",
    }
    assert saved.read_bytes() == kept
    assert play(tmp_path, "report").returncode == 2
    done = play(tmp_path, "report", *named, "-e", "compliance_report_formats=asff")
    assert done.returncode == 2
    assert "needs an AWS account" in done.stdout + done.stderr


def test_two_hundred_devices_are_one_report(tmp_path: Path) -> None:
    judged = tmp_path / "play.yml"
    play_text = [
        {
            "hosts": "all",
            "gather_facts": False,
            "tasks": [
                {
                    "ansible.builtin.set_fact": {
                        "compliance_result": {"judgement": "{{ {} | edgesec.hardening.judge({}) | to_json }}"}
                    }
                },
                {
                    "edgesec.hardening.compliance_report": {
                        "directory": str(tmp_path / "fleet"),
                        "hosts": "{{ ansible_play_hosts_all }}",
                    },
                    "run_once": True,
                    "register": "report",
                },
                {"ansible.builtin.debug": {"msg": "{{ report.table[-1] }}"}, "run_once": True},
            ],
        }
    ]
    judged.write_text(json.dumps(play_text))
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": {f"gw-{number:03}": {} for number in range(200)}}}))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, judged],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 hosts: 200 L0" in done.stdout
    assert len(json.loads((tmp_path / "fleet" / "report.json").read_text())["hosts"]) == 200


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"encrypted_storage_volumes": "data"}, "encrypted_storage_volumes"),
        ({"encrypted_storage_volumes": [{"name": "data", "device": "vda3", "mount": "/data"}]}, "not absolute"),
        ({"encrypted_storage_unlock": "magic"}, "encrypted_storage_unlock"),
        ({"credentials_files": [{"path": "/k", "mode": 384}]}, "384"),
        ({"compliance_site_policy": {"waivers": [{"control": "boot.root"}]}}, "compliance_site_policy.waivers[0]"),
        ({"compliance_declared": {"boot.root.verified": {}}}, "compliance_declared.boot.root.verified"),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path, variables: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    done = audit(tmp_path, {"gw-001": {**variables, **wrong}})
    assert done.returncode == 2
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_reports_do_not_land_in_an_inventory_that_is_a_directory(tmp_path: Path, variables: dict[str, Any]) -> None:
    """There ansible would take them for inventories at the next run."""
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    done = audit(inventory, {"gw-001": variables}, "-i", str(inventory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in inventory.iterdir()] == ["inventory.json"]
    assert (tmp_path / "edgesec-reports" / "gw-001.json").is_file()


def test_a_site_policy_file_waives_for_its_hosts_and_adds_a_control(tmp_path: Path, variables: dict[str, Any]) -> None:
    site = tmp_path / "site.yml"
    site.write_text(
        """
severities: {storage.writable.encrypted: critical}
waivers:
  - {control: storage.writable.encrypted, hosts: gw-*, reason: the disk comes next week, expires: 2999-01-01}
controls:
  - id: site.python.there
    title: Python is there
    recommendation: 3.1.2.3.4
    fact: edgesec_platform.python
    operator: matches
    expected: '3\\..*'
    remedy: Install it
"""
    )
    declared = {"hardware.puf.used": {"by": "the maker", "reason": "it is on the board"}}
    mine = {**variables, "compliance_site_policy": str(site), "compliance_declared": declared}
    done = audit(tmp_path, {"gw-001": mine, "hub": mine})
    assert done.returncode == 0, done.stdout + done.stderr
    seen = {}
    for host in ("gw-001", "hub"):
        document = json.loads((tmp_path / "edgesec-reports" / f"{host}.json").read_text())
        seen[host] = {control["id"]: control for control in document["controls"]}
        assert seen[host]["site.python.there"]["verdict"] == "pass"
        assert seen[host]["storage.writable.encrypted"]["severity"] == "critical"
        assert seen[host]["hardware.puf.used"]["evidence"] == "declared"
        assert [volume["level"] for volume in document["volumes"]] == ["L0"]
    assert seen["gw-001"]["storage.writable.encrypted"]["verdict"] == "waived"
    assert seen["hub"]["storage.writable.encrypted"]["verdict"] == "fail"
    assert "waived   storage.writable.encrypted" in done.stdout
