# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`python3 -m tests.container up`, and `down`: the containers of the test, reached by SSH as a device is."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.lab import ssh
from tests.lab.errors import LabError
from tests.lab.progress import step
from tests.setup.collection import ROOT

from . import image
from .podman import Podman

STATE = ROOT / "build" / "container"
INVENTORY = STATE / "inventory.json"
SUITES = {"bookworm": "edgesec-bookworm", "trixie": "edgesec-trixie"}
AUTHORIZE = "install -d -m 0700 -o edge -g edge ~edge/.ssh && cat > ~edge/.ssh/authorized_keys"


def up() -> None:
    """Start one fresh container for each Debian release, and write their inventory."""
    down()
    STATE.mkdir(parents=True)
    podman = Podman(STATE)
    key = STATE / "ssh"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "edgesec-test", "-f", key], check=True)
    hosts = {}
    for suite, name in SUITES.items():
        tag = image.ensure(podman, suite)
        with step(f"container of {suite}"):
            podman.start("--name", name, "--hostname", suite, "--systemd=always", "-p", "127.0.0.1::22", tag)
            podman("exec", "-i", name, "sh", "-c", AUTHORIZE, stdin=Path(f"{key}.pub").read_text())
            port = int(podman("port", name, "22/tcp").rpartition(":")[2])
            _wait(podman, name, port)
        known_hosts = STATE / f"{suite}.known_hosts"
        host_key = podman("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
        known_hosts.write_text(f"{ssh.HOST_ALIAS} {host_key}\n")
        hosts[suite] = _variables(port, key, known_hosts)
    INVENTORY.write_text(json.dumps({"edge": {"hosts": hosts}}, indent=2) + "\n")


def down() -> None:
    """Remove the containers, the inventory and the keys."""
    if STATE.exists():
        Podman(STATE).stop(*SUITES.values())
        shutil.rmtree(STATE)


def _wait(podman: Podman, name: str, port: int) -> None:
    deadline = time.monotonic() + 120
    while not ssh.answers(port):
        if time.monotonic() > deadline:
            raise LabError(f"container {name}", "SSH did not answer within 120 s", log=podman("logs", name))
        time.sleep(0.2)
    # Prints the state of the system when it has started, and fails when a unit did.
    podman("exec", name, "systemctl", "is-system-running", "--wait")


def _variables(port: int, key: Path, known_hosts: Path) -> dict[str, str | int]:
    options = {"UserKnownHostsFile": known_hosts, "HostKeyAlias": ssh.HOST_ALIAS, "StrictHostKeyChecking": "yes"}
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": port,
        "ansible_user": "edge",
        "ansible_ssh_private_key_file": str(key),
        "ansible_ssh_common_args": " ".join(f"-o {name}='{value}'" for name, value in options.items()),
        "ansible_python_interpreter": "/usr/bin/python3",
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python3 -m tests.container", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    try:
        {"up": up, "down": down}[parser.parse_args().command]()
    except LabError as error:
        sys.exit(f"error: {error}\n{error.log}")
