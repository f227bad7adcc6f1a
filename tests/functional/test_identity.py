# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An identity in real PKCS#11 tokens (SoftHSM2, and tpm2-pkcs11 on swtpm), given by the role with ansible-playbook."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.edgesec.hardening.plugins.module_utils import _cryptoki as p11
from ansible_collections.edgesec.hardening.plugins.module_utils import _element as element
from ansible_collections.edgesec.hardening.plugins.module_utils._element import Place
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuer import load_request, new_ca
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store import FleetStore
from tests.functional.conftest import SoftwareTpm
from tests.functional.soft_token import MODULE as SOFTHSM
from tests.functional.test_key_playbooks import HOST, words
from tests.module_runner import Result, run_module
from tests.setup.collection import COLLECTIONS

TPM_LIBRARY = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so"
ANSIBLE_PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
ROLE = """\
- hosts: all
  gather_facts: false
  roles: [edgesec.hardening.device_identity]
"""
# Reads a token in a process of its own, as the modules do.
LOOK = """\
import json, sys
from ansible_collections.edgesec.hardening.plugins.module_utils import _cryptoki as p11, _element as element
place = element.Place(*json.loads(sys.argv[1]))
with element.opened(place) as library:
    with library.session(element.token_named(library, place), sys.argv[2].encode()) as session:
        {what}
"""
LABELS = "print(json.dumps(sorted(session.attribute(h, p11.LABEL).decode() for h in session.find({p11.CLASS: 3}))))"


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

    def module(self, check: bool = False, **more: Any) -> Result:
        return run_module("identity_certificate", {**self.arguments, **more}, check=check)

    def inside(self, what: str, pin: str = "", key: str = "device") -> str:
        """Do something in a session with the token."""
        place = json.dumps([self.library, self.environment, "edgesec", key])
        done = subprocess.run(
            [sys.executable, "-c", LOOK.replace("{what}", what), place, pin or self.pin],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def labels(self) -> list[str]:
        return list(json.loads(self.inside(LABELS)))


@pytest.fixture
def soft(tmp_path: Path) -> Board:
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    return Board(tmp_path, SOFTHSM, {"SOFTHSM2_CONF": str(configuration)})


@pytest.fixture
def board(tmp_path: Path, tpm: SoftwareTpm) -> Board:
    if not os.path.exists(TPM_LIBRARY):
        pytest.skip("libtpm2-pkcs11-1 is not installed")
    (tmp_path / "store-of-tpm").mkdir()
    return Board(
        tmp_path,
        TPM_LIBRARY,
        {"TPM2_PKCS11_STORE": str(tmp_path / "store-of-tpm"), "TPM2_PKCS11_TCTI": tpm.tcti, "TSS2_LOG": "all+NONE"},
    )


def test_check_do_check_again_do_again(soft: Board) -> None:
    for options, changed in ((("--check", "--diff"), 1), (("-vvvv",), 1), (("--check",), 0), ((), 0)):
        done = soft.play(*options)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout, words(done)
        assert soft.certificate.exists() == (options != ("--check", "--diff"))
        if soft.certificate.exists():
            assert soft.pin not in done.stdout + done.stderr
    assert soft.labels() == ["device"]
    assert soft.pin_file.read_text() == soft.pin
    assert soft.pin_file.stat().st_mode & 0o7777 == 0o600
    names = soft.issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    usage = soft.issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.CLIENT_AUTH]
    ca = x509.load_pem_x509_certificate((soft.store.path / "identity/ca.pem").read_bytes())
    soft.issued.verify_directly_issued_by(ca)
    record = json.loads(Path(f"{soft.certificate}.json").read_text())
    assert record["token_kind"] == "software"
    assert record["attributes"] == {name: wanted for name, (_number, wanted) in element.WANTED.items()}
