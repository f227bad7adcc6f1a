# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compromised devices in a fleet: each lies in another way to every module, in every playbook and every role.

Afterwards the controller has run, written and signed nothing that it was not asked to, the variables of the other
hosts are those of the inventory, and each liar is named with what it said.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.setup.collection import COLLECTIONS

PLAYBOOKS = ["audit", "harden", "approve", "recover", "rotate", "unlock", "decommission"]
# What those say whom ansible-core would obey.
STEERING = {
    "a-facts": r"[\w, ]+ among its facts",
    "b-inventory": "add_host",
    "c-new-host": "add_host",
    "d-group": "add_group",
    "e-stats": "ansible_stats",
}
ROLES = sorted(path.parent.name for path in (Path(__file__).parents[3] / "roles").glob("*/tasks"))
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\u2028\u200b\x9b"
FORGED = {
    "schema": 1,
    "host_level": {"level": "L3", "why": "trust me", "not_covered": []},
    "volumes": [],
    "controls": [],
}
TABLE = {
    "hosts": [{"name": "everything", "status": "judged", "reason": "", "level": "L3", "fail": [], "unknown": []}],
    "since": "",
    "changes": {},
}
# Stands in for the device's Python: whatever module is sent to it, it prints an answer of its own.
LIAR = """\
#!/bin/sh
[ $# -gt 0 ] || cat > /dev/null
exec cat "$0.answer"
"""
# Finds nothing to do, and can say nothing of the device.
IDLE = """\
#!/bin/sh
case "$*$(cat "${1:--}" | head -c 4000000 | grep -c compliance_facts)" in
*compliance_facts*|*[1-9]) exec cat "$0.answer" ;;
*) echo '{"changed": false, "steps": [], "volumes": [], "traces": []}' ;;
esac
"""


class Fleet:
    """Hosts on the local connection, some of them liars, and a directory that shows what was written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.owned = directory / "OWNED"
        self.elsewhere = directory / "elsewhere"
        self.hosts: dict[str, dict[str, Any]] = {}
        # What a device would have the controller use.
        command = ["/bin/sh", "-c", f"touch {self.owned}; cat; exit 1"]
        self.poison = {
            "device_identity_ca_command": command,
            "device_identity_library": "/usr/lib/x.so",
            "edgesec_store": str(self.elsewhere),
            "compliance_report_dir": str(self.elsewhere),
            "compliance_baseline": "/etc/passwd",
            "compliance_result": {"judgement": json.dumps(FORGED)},
            "tpm_sealing_accept": ["boot_change", "tpm_change"],
            "tpm_sealing_provider": "systemd",
            "tpm_sealing_approve": "once",
            "encrypted_storage_escrow_certificates": [str(self.elsewhere / "certificate.pem")],
            "edgesec_test_recovery": True,
            "rotate_escrow": True,
            "inventory_dir": str(self.elsewhere),
            "ansible_connection": "local",
        }
        self.variables = {
            "ansible_connection": "local",
            "ansible_become": False,
            "edgesec_store": str(directory / "store"),
            "compliance_report_dir": str(directory / "reports"),
            "encrypted_storage_volumes": [{"name": "data", "device": "/dev/disk/by-partlabel/none", "mount": "/data"}],
            "encrypted_storage_core_dumps": "keep",
            "device_identity_packages": ["softhsm2"],
            "device_identity_ca_command": [],
            "credentials_files": [{"path": "/etc/none-of-this"}],
            "boot_mounts_paths": ["/none"],
        }
        # Who has the first host has what is done once for the whole fleet.
        self.liar("a-facts", {"ansible_facts": {**self.poison, "edgesec_tpm": {"volumes": []}}})
        self.liar("b-inventory", {"changed": True, "add_host": self._host("z-honest", command)})
        self.liar("c-new-host", {"changed": True, "add_host": self._host("ghost", command)})
        self.liar("d-group", {"changed": True, "add_group": "owned", "parent_groups": ["all"]})
        self.liar("e-stats", {"ansible_stats": {"data": {HOSTILE: HOSTILE}, "aggregate": False}})
        self.liar("f-failed", {"failed": True, "msg": HOSTILE, "judgement": "no json", "fleet_summary": TABLE})
        self.liar(
            "g-text", {**self._everything(), "msg": HOSTILE, "warnings": [HOSTILE], "deprecations": [{"msg": HOSTILE}]}
        )
        self.liar(
            "h-shape", {"ansible_facts": {"edgesec_tpm": HOSTILE}, "steps": {"a": HOSTILE}, "files": 7, "rc": "0"}
        )
        self.liar("i-noise", f"{HOSTILE}\n{json.dumps({'changed': False})}\n{HOSTILE} and more")
        self.liar("j-crash", f"Traceback {HOSTILE}")
        self.liar("k-deep", '{"a":' * 5000 + "1" + "}" * 5000)
        self.liar("l-internal", {"_ansible_no_log": True, "_ansible_verbose_always": HOSTILE, "results": HOSTILE})

        self.banner("m-banner")

    @staticmethod
    def _host(name: str, command: list[str]) -> dict[str, Any]:
        variables = {"ansible_connection": "local", "device_identity_ca_command": command, "edgesec_store": "/owned"}
        return {"host_name": name, "groups": ["all"], "host_vars": variables}

    @staticmethod
    def _everything() -> dict[str, Any]:
        return {
            "changed": True, "rc": 0, "stdout": HOSTILE, "steps": [HOSTILE], "needs_key": True, "uuid": HOSTILE,
            "judgement": json.dumps(FORGED), "failing_roles": [], "obstacles": [], "fleet_summary": TABLE,
            "diff": {"before": HOSTILE, "after": HOSTILE}, "plan": HOSTILE, "intent": "create", "traces": [HOSTILE],
            "csr": HOSTILE, "token_exists": False, "action": HOSTILE, "why": HOSTILE, "exception": HOSTILE,
        }  # fmt: skip

    def liar(self, name: str, answer: Mapping[str, Any] | str) -> None:
        python = self.directory / f"python-{name}"
        python.write_text(LIAR)
        python.chmod(0o755)
        Path(f"{python}.answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
        self.hosts[name] = {**self.variables, "ansible_python_interpreter": str(python)}

    def banner(self, name: str) -> None:
        """A host that is never reached, and says something on the way."""
        ssh = self.directory / "ssh"
        ssh.write_text(f"#!/bin/sh\nprintf '%s\\n' '{HOSTILE}' >&2\nexit 255\n")
        ssh.chmod(0o755)
        self.hosts[name] = {**self.variables, "ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}

    @property
    def liars(self) -> list[str]:
        return [name for name in self.hosts if name != "z-honest"]

    def honest(self, python: str = sys.executable) -> None:
        self.hosts["z-honest"] = {**self.variables, "ansible_python_interpreter": python}

    def idle(self) -> None:
        """An honest host on which nothing is done, in playbooks that would change this machine."""
        python = self.directory / "python-idle"
        python.write_text(IDLE)
        python.chmod(0o755)
        facts: dict[str, Any] = {
            f"edgesec_{area}": {} for area in ("boot", "credentials", "identity", "platform", "storage", "tpm")
        }
        Path(f"{python}.answer").write_text(json.dumps({"changed": False, "ansible_facts": facts}))
        self.honest(str(python))

    def play(self, *playbooks: str, **settings: str) -> str:
        """All that ansible-playbook printed; no variable of another host may have changed at the end."""
        inventory = self.directory / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": self.hosts}}))
        playbook = self.directory / "play.yml"
        # What a liar has set for itself is refused where it would be used.
        others = sorted(set(self.hosts) - set(self.liars))
        as_they_were = [
            f"groups.all | sort == {sorted(self.hosts)}",
            "'owned' not in groups",
            *(
                f"{others} | map('extract', hostvars, '{name}') | unique | list in {[[], [self.variables[name]]]}"
                for name in ("edgesec_store", "compliance_report_dir", "device_identity_ca_command")
            ),
        ]
        tasks = [{"ansible.builtin.assert": {"that": as_they_were}}]
        # Where a batch that fails ends the run, nothing comes after it.
        after = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
        playbook.write_text(json.dumps([*({"ansible.builtin.import_playbook": name} for name in playbooks), after]))
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", str(inventory), "-e", "edgesec_serial=100%", "--diff", str(playbook)),
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                # As ansible-core has it by default.
                "ANSIBLE_INJECT_FACT_VARS": "True",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORKS": "4",
                "ANSIBLE_CALLBACKS_ENABLED": "edgesec.hardening.compliance",
                "ANSIBLE_SHOW_CUSTOM_STATS": "1",
                **settings,
            },
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        output = done.stdout + done.stderr
        # Hosts have failed, or some of them could not be reached.
        assert done.returncode in (2, 4, 6), output
        self.assert_nothing_was_done(output)
        return output

    def assert_nothing_was_done(self, output: str) -> None:
        assert not self.owned.exists(), output
        assert not self.elsewhere.exists()
        assert "everything" not in output.rsplit("PLAY RECAP", maxsplit=1)[-1]
        assert [each for each in output if not (each.isprintable() or each in "\n\t")] == [], output
        assert "Traceback (most recent call last)" not in output
        assert recap(output).get("localhost", {}).get("failed", 0) == 0, output
        made = [path for path in self.directory.rglob("store/hosts/*") if path.name in self.liars]
        assert made == [], "something was signed or escrowed for a liar"


def recap(output: str) -> dict[str, dict[str, int]]:
    lines = output.rsplit("PLAY RECAP", maxsplit=1)[-1].splitlines()[1:]
    return {
        line.split()[0]: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}
        for line in lines
        if "unreachable=" in line
    }


def assert_named(output: str) -> None:
    """Who would have steered the controller is named, with what it said."""
    for name, said in STEERING.items():
        found = re.findall(rf"{name}: (?:edgesec[.]hardening|ansible[.]\w+)[.]\w+: its answer has {said}", output)
        assert found, f"{name}: {output}"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_playbook_does_what_a_device_says(fleet: Fleet, playbook: str) -> None:
    fleet.idle()
    output = fleet.play(f"edgesec.hardening.{playbook}")
    assert_named(output)
    counts = recap(output)
    assert {name for name in STEERING if counts[name]["failed"] != 1} == set()
    assert {counts[name]["changed"] for name in STEERING} == {0}
    if playbook in ("audit", "unlock", "decommission"):
        assert counts["localhost"]["ok"] == 1, "it was not seen that no variable of another host has changed"


def test_the_others_are_judged_and_the_report_says_who_lied(fleet: Fleet) -> None:
    fleet.honest()
    output = fleet.play("edgesec.hardening.audit")
    report = json.loads((fleet.directory / "reports" / "fleet" / "report.json").read_text())
    hosts = {host["name"]: host for host in report["hosts"]}
    assert {name: host["status"] for name, host in hosts.items()} == {
        **dict.fromkeys(fleet.liars, "failed"),
        "m-banner": "unreachable",
        "z-honest": "judged",
    }
    for name, said in STEERING.items():
        assert re.search(f"{name}: .*its answer has {said}", hosts[name]["reason"])
    assert "ansible_facts.edgesec_tpm, where dict is documented" in hosts["h-shape"]["reason"]
    assert all(each.isprintable() for host in report["hosts"] for each in host["reason"])
    assert sorted(path.name for path in (fleet.directory / "reports").iterdir()) == ["fleet", "z-honest.json"]
    assert f"{len(hosts)} hosts: 1 L0, {len(fleet.liars) - 1} failed, 1 unreachable" in output.split("COMPLIANCE")[1]


def role_alone(fleet: Fleet, role: str, *, gather_facts: bool) -> str:
    playbook = fleet.directory / "role.yml"
    playbook.write_text(
        json.dumps([{"hosts": "all", "gather_facts": gather_facts, "roles": [f"edgesec.hardening.{role}"]}])
    )
    return str(playbook)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone_does_not_use_variables_that_the_host_has_set(fleet: Fleet, role: str) -> None:
    """What setup gathered from a liar is a variable of the play, with the defaults of ansible-core."""
    fleet.hosts = {"a-facts": fleet.hosts["a-facts"]}
    output = fleet.play(role_alone(fleet, role, gather_facts=True))
    assert "a-facts: the facts of this host: set the variables compliance_baseline, " in output
    assert "inject_facts_as_vars = False" in output


@pytest.mark.parametrize("role", ROLES)
def test_a_role_alone_does_not_do_what_a_device_says(fleet: Fleet, role: str) -> None:
    """Neither in answer to modules of the collection nor to those of ansible-core that the role runs first."""
    fleet.hosts = {name: fleet.hosts[name] for name in STEERING}
    if role == "credentials":
        fleet.variables["credentials_files"] = []
    assert_named(fleet.play(role_alone(fleet, role, gather_facts=False)))


def test_where_facts_are_no_variables_nobody_is_refused_for_them(fleet: Fleet) -> None:
    fleet.hosts = {"a-facts": fleet.hosts["a-facts"]}
    output = fleet.play(role_alone(fleet, "device_identity", gather_facts=True), ANSIBLE_INJECT_FACT_VARS="False")
    assert "the facts of this host" not in output
    assert "a-facts: ansible.legacy.command: its answer has ansible_connection, " in output


def test_a_play_of_its_user_that_calls_one_module_is_as_safe(fleet: Fleet) -> None:
    fleet.hosts = {"a-facts": fleet.hosts["a-facts"]}
    playbook = fleet.directory / "own.yml"
    tasks = [
        {"edgesec.hardening.tpm_facts": {}, "ignore_errors": True},
        {"ansible.builtin.assert": {"that": ["compliance_baseline is undefined", "ansible_facts == {}"]}},
        {"ansible.builtin.fail": {"msg": "as it should be"}},
    ]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    assert "as it should be" in fleet.play(str(playbook))


# What ansible-core leaves among facts, and reads again when it connects or copies.
CONNECTING = {
    "ansible_control_path": "/root/.ansible/cp/of-another-host",
    "ansible_control_path_dir": "{elsewhere}",
    "ansible_host_key_checking": False,
    "ansible_scp_executable": "{command}",
    "ansible_sftp_executable": "{command}",
    "ansible_ssh_host_key_checking": False,
}


@pytest.mark.parametrize("name", CONNECTING)
def test_a_cached_fact_that_sets_how_the_controller_connects_is_refused_before_it_does(fleet: Fleet, name: str) -> None:
    command = fleet.directory / "command"
    command.write_text(f"#!/bin/sh\ntouch {fleet.owned}\nexit 255\n")
    command.chmod(0o755)
    fleet.hosts.clear()
    value = CONNECTING[name]
    said = value.format(elsewhere=fleet.elsewhere, command=command) if isinstance(value, str) else value
    fleet.liar("a-facts", {"changed": False, "ansible_facts": {"ansible_hostname": "a", name: said}})
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(fleet.directory / "cache")}
    gather = fleet.directory / "gather.yml"
    cached = [{"ansible.builtin.fail": {"msg": f"cached: {{{{ {name} }}}}"}}]
    gather.write_text(json.dumps([{"hosts": "a-facts", "tasks": cached}]))
    assert f"cached: {said}" in fleet.play(str(gather), **cache)
    fleet.hosts["a-facts"] |= {"ansible_connection": "ssh", "ansible_ssh_executable": str(command)}
    output = fleet.play(role_alone(fleet, "boot_mounts", gather_facts=False), **cache)
    assert f"a-facts: the facts of this host: set the variables {name}, " in output


def test_the_facts_of_an_honest_host_are_no_reason_to_refuse_it(fleet: Fleet) -> None:
    fleet.hosts.clear()
    fleet.honest()
    playbook = fleet.directory / "honest.yml"
    tasks = [
        {"ansible.builtin.assert": {"that": ["ansible_hostname is defined", "ansible_facts | length > 50"]}},
        {"edgesec.hardening.checked_variables": {}},
        {"ansible.builtin.fail": {"msg": "as it should be"}},
    ]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": True, "tasks": tasks}]))
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(fleet.directory / "cache")}
    for _gathered_and_from_the_cache in range(2):
        output = fleet.play(str(playbook), **cache, ANSIBLE_GATHERING="smart")
        assert "as it should be" in output
        assert "the facts of this host" not in output


def test_a_diff_that_is_made_of_the_content_of_a_device_steers_no_terminal(fleet: Fleet) -> None:
    """The controller half of copy fetches the file that is there, and decodes it for the diff."""
    fleet.hosts.clear()
    there = {"exists": True, "isdir": False, "checksum": "0" * 40, "size": 1}
    content = base64.b64encode(f"{HOSTILE}\n".encode()).decode()
    fleet.liar("a-slurp", {"changed": True, "stat": there, "content": content, "encoding": "base64", "state": "file"})
    playbook = fleet.directory / "copy.yml"
    copy = {"module": "copy", "arguments": {"dest": str(fleet.directory / "target"), "content": "mine\n"}}
    tasks = [{"edgesec.hardening.stock_module": copy}, {"ansible.builtin.fail": {"msg": "as it should be"}}]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    output = fleet.play(str(playbook))
    assert r"-\x1b]0;owned" in output
    assert "as it should be" in output


def test_no_line_of_a_device_looks_like_one_of_another_host(fleet: Fleet) -> None:
    fleet.hosts.clear()
    forged = "why\nok: [z-honest]\n\nTASK [all is well] ***\nchanged: [z-honest]\n[ERROR]: z-honest"
    diff = {"prepared": forged, "before_header": forged}
    said = {"msg": forged, "warnings": [forged], "diff": diff}
    fleet.liar("a-failed", {"failed": True, **said})
    fleet.liar("b-done", {"changed": True, **said, "diff": {**diff, "before": "a", "after": "b"}})
    fleet.liar("c-noise", forged)
    ssh = fleet.directory / "ssh"
    ssh.write_text(f"#!/bin/sh\nprintf '%s\\n' '{forged}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    fleet.hosts["d-banner"] = {**fleet.variables, "ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}
    playbook = fleet.directory / "own.yml"
    file = {"module": "file", "arguments": {"path": str(fleet.directory / "x"), "state": "directory"}}
    tasks = [{"edgesec.hardening.stock_module": file}, {"ansible.builtin.fail": {"msg": "as it should be"}}]
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    output = fleet.play(str(playbook))
    lines = output.splitlines()
    assert [line for line in lines if re.match(r"(ok|changed): \[z-honest|TASK \[all|\[ERROR\]: z-honest", line)] == []
    assert output.count("why") >= 4


def test_a_refusal_is_printed_once_and_as_an_error_of_the_task(fleet: Fleet) -> None:
    fleet.hosts = {"b-inventory": fleet.hosts["b-inventory"]}
    playbook = fleet.directory / "own.yml"
    block = {
        "block": [{"edgesec.hardening.tpm_facts": {}}],
        "rescue": [{"ansible.builtin.fail": {"msg": "rescued: {{ ansible_failed_result.msg }}"}}],
    }
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [block]}]))
    output = fleet.play(str(playbook))
    assert "An exception occurred" not in output
    assert "rescued: b-inventory: edgesec.hardening.tpm_facts: its answer has add_host, " in output


def test_what_an_earlier_run_has_cached_of_the_first_host_costs_that_host_alone(fleet: Fleet) -> None:
    fleet.hosts = {"a-facts": fleet.hosts["a-facts"]}
    fleet.honest()
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(fleet.directory / "cache")}
    gather = fleet.directory / "gather.yml"
    fails = [{"ansible.builtin.fail": {"msg": "the facts are in the cache"}}]
    gather.write_text(json.dumps([{"hosts": "a-facts", "tasks": fails}]))
    fleet.play(str(gather), **cache)
    output = fleet.play("edgesec.hardening.audit", **cache)
    report = json.loads((fleet.directory / "reports" / "fleet" / "report.json").read_text())
    assert {host["name"]: host["status"] for host in report["hosts"]} == {"a-facts": "failed", "z-honest": "judged"}
    assert "a-facts: the facts of this host: set the variables compliance_baseline, " in report["hosts"][0]["reason"]
    assert recap(output)["a-facts"]["failed"] == 1
    assert recap(output)["z-honest"]["failed"] == 0
