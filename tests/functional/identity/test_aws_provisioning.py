# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS IoT in fleet provisioning, as its documentation has it, behind a real broker that asks for certificates."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from awscrt.mqtt import Connection, QoS
from awsiot import mqtt_connection_builder
from cryptography import x509

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.aws import FleetProvisioning, issued_by_aws
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import issue, load_request, new_ca
from tests.functional.controller.test_key_playbooks import HOST
from tests.lab.host import free_port
from tests.support.identity_board import Board, board_with_softhsm
from tests.support.server_certificate import server_certificate

CREATE, PROVISION = "$aws/certificates/create-from-csr/json", "$aws/provisioning-templates/edge/provision/json"
AMAZON = new_ca()
CONFIGURATION = """\
listener {port} 127.0.0.1
cafile {directory}/clients.pem
certfile {directory}/server.pem
keyfile {directory}/server.key
require_certificate true
use_identity_as_username true
user root
"""


@dataclass
class Aws:
    """What answers, and what it was asked."""

    directory: Path
    port: int
    refuses: str = ""
    answers_with: bytes = b""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def serve(self) -> Connection:
        connection = mqtt_connection_builder.mtls_from_path(
            str(self.directory / "claim.pem"),
            str(self.directory / "claim.key"),
            endpoint="localhost",
            port=self.port,
            ca_filepath=str(self.directory / "server.pem"),
            client_id="aws",
        )
        connection.connect().result(20)
        self.connection = connection
        for topic, answer in ((CREATE, self.create), (PROVISION, self.provision)):
            connection.subscribe(topic, QoS.AT_LEAST_ONCE, answer)[0].result(20)
        return connection

    def create(self, topic: str, payload: bytes, **_more: Any) -> None:
        request = json.loads(payload)
        self.asked.append(request)
        csr = x509.load_pem_x509_csr(request["certificateSigningRequest"].encode())
        pem = self.answers_with.decode() or issue(csr, *AMAZON, 365, name="Amazon").partition("\n-----BEGIN")[0]
        self.say(topic, "csr", {"certificateId": "1", "certificatePem": pem, "certificateOwnershipToken": "owned"})

    def provision(self, topic: str, payload: bytes, **_more: Any) -> None:
        self.asked.append(json.loads(payload))
        self.say(topic, "template", {"thingName": HOST, "deviceConfiguration": {}})

    def say(self, topic: str, what: str, accepted: dict[str, Any]) -> None:
        refused = {"statusCode": 400, "errorCode": "InvalidParameters", "errorMessage": f"the {what} will not do"}
        end, answer = ("rejected", refused) if self.refuses == what else ("accepted", accepted)
        self.connection.publish(f"{topic}/{end}", json.dumps(answer), QoS.AT_LEAST_ONCE)


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    port, claims = free_port(), new_ca()
    directory = tmp_path / "aws"
    directory.mkdir()
    (directory / "clients.pem").write_bytes(claims[0])
    server_certificate(directory)
    request = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=claim -keyout claim.key -out claim.csr"
    subprocess.run(["openssl", *request.split()], cwd=directory, check=True, capture_output=True)
    csr = x509.load_pem_x509_csr((directory / "claim.csr").read_bytes())
    (directory / "claim.pem").write_text(issue(csr, *claims, 2, name="claims"))
    (directory / "broker.conf").write_text(CONFIGURATION.format(port=port, directory=directory))
    broker = subprocess.Popen(["mosquitto", "-c", str(directory / "broker.conf")], stderr=subprocess.DEVNULL)
    found = Aws(directory, port)
    try:
        for _attempt in range(100):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        connection = found.serve()
        yield found
        connection.disconnect().result(20)
    finally:
        broker.terminate()
        broker.wait(10)


@pytest.fixture
def soft(tmp_path: Path) -> Board:
    return board_with_softhsm(tmp_path)


def settings(aws: Aws, **changes: Any) -> FleetProvisioning:
    files = {name: (aws.directory / f"{name}.pem").read_bytes() for name in ("claim", "server")}
    key = (aws.directory / "claim.key").read_bytes()
    given = {
        "template": "edge",
        "parameters": {"SerialNumber": "7"},
        "port": aws.port,
        "ca": files["server"],
        **changes,
    }
    return FleetProvisioning("localhost", files["claim"], key, **given)


def test_the_role_has_a_certificate_from_aws_iot_and_asks_once(soft: Board, aws: Aws) -> None:
    named = {
        "endpoint": "localhost",
        "port": aws.port,
        "claim_certificate": str(aws.directory / "claim.pem"),
        "claim_key": str(aws.directory / "claim.key"),
        "ca": str(aws.directory / "server.pem"),
        "template": "edge",
        "parameters": {"SerialNumber": 7},
    }
    given = soft.play(aws=named)
    assert given.returncode == 0, given.stdout
    soft.issued.verify_directly_issued_by(x509.load_pem_x509_certificate(AMAZON[0]))
    created, provisioned = aws.asked
    assert set(created) == {"certificateSigningRequest"}, "the key would be made elsewhere"
    assert provisioned == {"certificateOwnershipToken": "owned", "parameters": {"SerialNumber": "7"}}
    again = soft.play(aws=named)
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert len(aws.asked) == 2


@pytest.mark.parametrize(
    ("refuses", "words"),
    [("csr", "did not certify the request: InvalidParameters, the csr"), ("template", "template edge")],
)
def test_what_aws_refuses_is_told_and_nothing_is_changed(soft: Board, aws: Aws, refuses: str, words: str) -> None:
    aws.refuses = refuses
    with pytest.raises(EdgesecError, match=words):
        issued_by_aws(settings(aws), load_request(soft.ask(), HOST), HOST)
    assert not soft.certificate.exists()


def test_a_certificate_of_another_key_is_refused_before_it_is_made_active(soft: Board, aws: Aws) -> None:
    aws.answers_with = AMAZON[0]
    with pytest.raises(EdgesecError, match="certificate of another key"):
        issued_by_aws(settings(aws), load_request(soft.ask(), HOST), HOST)
    assert len(aws.asked) == 1


def test_a_claim_that_is_not_taken_and_an_endpoint_that_is_not_there(soft: Board, aws: Aws) -> None:
    request = load_request(soft.ask(), HOST)
    other = settings(aws, ca=AMAZON[0])
    with pytest.raises(EdgesecError, match="fleet provisioning at localhost: rejects"):
        issued_by_aws(other, request, HOST)
    with pytest.raises(EdgesecError, match="cannot be reached"):
        issued_by_aws(settings(aws, port=1), request, HOST)
