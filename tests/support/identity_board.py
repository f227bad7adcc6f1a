# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device with a PKCS#11 token, which is this machine, its controller, and a server that asks for its certificate."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography import x509

from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import issue, load_request, new_ca
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from tests.functional.controller.test_key_playbooks import HOST, words
from tests.setup.collection import COLLECTIONS
from tests.support.module_runner import Result, run_module
from tests.support.server_certificate import server_certificate
from tests.support.soft_token import MODULE as SOFTHSM

ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
ALTERED = str(Path(__file__).with_name("altered_library.py"))
ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.device_identity]
"""
# Reads a token in a process of its own, as the modules do.
LOOK = """\
import json, sys
from ansible_collections.edgesec.hardening.plugins.module_utils._identity import key_pair as element, pkcs11 as p11
place = element.Place(*json.loads(sys.argv[1]))
with element.opened(place) as library:
    with library.session(element.token_named(library, place), sys.argv[2].encode()) as session:
        {what}
"""
LABELS = "print(json.dumps(sorted(session.attribute(h, p11.LABEL).decode() for h in session.find({p11.CLASS: 3}))))"


PIN, SO_PIN = "271828-of-user", "31415926-of-so"
CA = new_ca()


class Server:
    """A TLS server on loopback that asks for a certificate of the CA; it keeps whose it accepted."""

    def __init__(self, directory: Path, accepts: bytes) -> None:
        trusted = directory / "clients.pem"
        key, self.certificate = server_certificate(directory)
        trusted.write_bytes(accepts)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.context.load_verify_locations(trusted)
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.accepted: list[dict[str, Any]] = []
        self.socket = socket.create_server(("localhost", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def endpoint(self) -> dict[str, Any]:
        return {"host": "localhost", "port": self.socket.getsockname()[1], "ca": str(self.certificate)}

    def _serve(self) -> None:
        while True:
            try:
                client, _address = self.socket.accept()
            except OSError:
                return
            with closing(client):
                try:
                    with self.context.wrap_socket(client, server_side=True) as tls:
                        self.accepted.append(tls.getpeercert() or {})
                        tls.unwrap()
                except OSError:
                    pass


class Board:
    """A device, which is this machine with a token, and its controller."""

    def __init__(self, directory: Path, library: str, environment: dict[str, str]) -> None:
        self.directory, self.library, self.environment = directory, library, environment
        self.certificate = directory / "identity" / "device.pem"
        self.pin_file = directory / "identity" / "pin"
        self.store = FleetStore(str(directory / "store"))
        self.playbook = directory / "role.yml"
        self.playbook.write_text(ROLE)

    @property
    def pin(self) -> str:
        pin = self.store.secret(HOST, "pkcs11-edgesec-pin")
        assert pin is not None
        return pin.decode()

    @property
    def issued(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "library": self.library,
            "environment": self.environment,
            "common_name": HOST,
            "certificate": str(self.certificate),
            "pin_file": str(self.pin_file),
            "store": "/nowhere",
        }

    def play(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        named = {name: value for name, value in self.arguments.items() if name != "store"}
        inventory = self.directory / "inventory.json"
        known = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "edgesec_store": str(self.store.path),
            **{f"device_identity_{name}": value for name, value in named.items()},
            **{f"device_identity_{name}": value for name, value in variables.items()},
        }
        inventory.write_text(json.dumps({"all": {"hosts": {HOST: known}}}))
        return subprocess.run(
            [ANSIBLE_PLAYBOOK, "-i", str(inventory), str(self.playbook), *options],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
                "ANSIBLE_REMOTE_TEMP": str(self.directory / "remote"),
            },
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def harden(self, **variables: Any) -> int:
        """Run the role; returns how many tasks changed something."""
        done = self.play(**variables)
        assert done.returncode == 0, words(done)
        return int(done.stdout.rsplit("changed=", 1)[1].split()[0])

    def module(self, check: bool = False, altered: str = "", **more: Any) -> Result:
        within = (sys.executable, ALTERED, altered) if altered else ()
        return run_module("identity_certificate", {**self.arguments, **more}, check=check, within=within)

    def ask(self, **more: Any) -> str:
        """Have the device ask for a certificate, as the action does."""
        result = self.module(pin=PIN, so_pin=SO_PIN, **more)
        assert result.changed
        return str(result.values["csr"])

    def issue(self, request: str, days: int = 365) -> str:
        return issue(load_request(request, HOST), *CA, days, name="test")

    def give(self, days: int = 365, **more: Any) -> None:
        """Give the device its key and certificate."""
        issued = self.issue(self.ask(**more), days)
        assert self.module(pin=PIN, issued=issued, **more).changed

    def inside(self, what: str) -> str:
        """Do something in a session with the token."""
        place = json.dumps([self.library, self.environment, "edgesec", "device"])
        done = subprocess.run(
            [sys.executable, "-c", LOOK.replace("{what}", what), place, PIN],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def labels(self) -> list[str]:
        return list(json.loads(self.inside(LABELS)))


def board_with_softhsm(directory: Path) -> Board:
    """A device whose token is SoftHSM2."""
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {directory / 'tokens'}\nlog.level = ERROR\n")
    return Board(directory, SOFTHSM, {"SOFTHSM2_CONF": str(configuration)})
