# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A key in the device's TPM, made by the role, is what AWS's own Python device SDK connects to a broker with.

The image of the device has libtpm2-pkcs11-1, gnutls-bin and mosquitto. The wheels of the SDK are fetched on the host
and put on the device as they are, since that has no network.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.device.conftest import Play, on
from tests.lab import Device
from tests.support.server_certificate import server_certificate

pytestmark = [pytest.mark.minutes(6), pytest.mark.campaign]

LIBRARY = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so"
STORE = "/etc/tpm2_pkcs11"
CERTIFICATE, PIN_FILE = "/etc/edgesec/identity/device.pem", "/etc/edgesec/identity/pin"
WHEELS = ("awsiotsdk==1.31.0", "awscrt==0.36.1")
BROKER = """\
listener 8883 127.0.0.1
cafile /etc/broker/clients.pem
certfile /etc/broker/server.pem
keyfile /etc/broker/server.key
require_certificate true
use_identity_as_username true
log_type all
"""
CLIENT = """\
import sys, threading
from awscrt import io, mqtt5
from awsiot import mqtt5_client_builder
library, label, certificate, pin = sys.argv[1:3] + [sys.argv[3], open(sys.argv[4]).read().strip()]
done, said = threading.Event(), []
def end(word):
    said.append(word)
    done.set()
client = mqtt5_client_builder.mtls_with_pkcs11(
    pkcs11_lib=io.Pkcs11Lib(file=library, behavior=io.Pkcs11Lib.InitializeFinalizeBehavior.STRICT),
    user_pin=pin, token_label="edgesec", private_key_label=label, cert_filepath=certificate,
    ca_filepath="/etc/broker/server.pem", endpoint="localhost", port=8883, client_id="edge",
    on_lifecycle_connection_success=lambda _data: end("CONNECTED"),
    on_lifecycle_connection_failure=lambda data: end(f"FAILED {data.exception}"))
client.start()
done.wait(60)
client.stop()
print(said[0] if said else "NOTHING")
"""


def options(**variables: Any) -> tuple[str, str]:
    named = {
        "device_identity_library": LIBRARY,
        "device_identity_environment": {"TPM2_PKCS11_STORE": STORE},
        "device_identity_probe": True,
        **variables,
    }
    return "-e", json.dumps(named)


def connected(device: Device, certificate: str = CERTIFICATE, pin_file: str = PIN_FILE) -> str:
    """What the SDK says of a connection."""
    arguments = shlex.join([LIBRARY, "device", certificate, pin_file])
    environment = f"TPM2_PKCS11_STORE={STORE} PYTHONPATH=/opt/sdk"
    return on(device, f"{environment} python3 - {arguments}", stdin=CLIENT).strip()


def put(device: Device, path: Path, directory: str) -> None:
    subprocess.run([*device.ssh_argv(), f"cat >{directory}/{path.name}"], input=path.read_bytes(), check=True)


@pytest.fixture(scope="module", autouse=True)
def sdk(device: Device, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The SDK, unmodified, where Python on the device finds it."""
    wheels = tmp_path_factory.mktemp("wheels")
    version = on(device, "python3 -c 'import sys; print(\"%d%d\" % sys.version_info[:2])'").strip()
    platforms = [word for name in ("manylinux2014_x86_64", "any") for word in ("--platform", name)]
    python = ["--python-version", version, "--implementation", "cp", "--abi", "abi3", "--abi", f"cp{version}"]
    fetch = ["pip", "download", "-q", "--no-deps", "--only-binary=:all:", *python, *platforms]
    subprocess.run([sys.executable, "-m", *fetch, "-d", str(wheels), *WHEELS], check=True)
    on(device, "mkdir -p /opt/sdk")
    for wheel in sorted(wheels.iterdir()):
        put(device, wheel, "/opt")
        on(device, f"python3 -m zipfile -e /opt/{wheel.name} /opt/sdk && rm /opt/{wheel.name}")


@pytest.fixture(scope="module", autouse=True)
def broker(device: Device, run: Play, controller: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A broker that lets in who has a certificate of the store's CA, which the first run of the role makes."""
    on(device, "modprobe -a tpm_crb tpm_tis 2>/dev/null; test -c /dev/tpmrm0")
    given = run("harden", *options())
    assert given.rc == 0, given.output[-4000:]
    (ca,) = controller.rglob("identity/ca.pem")
    on(device, "mkdir -p /etc/broker && cat >/etc/broker/clients.pem", stdin=ca.read_text())
    on(device, "cat >/etc/broker/broker.conf", stdin=BROKER)
    for path in server_certificate(tmp_path_factory.mktemp("broker")):
        put(device, path, "/etc/broker")
    on(device, "chown -R mosquitto /etc/broker")
    on(device, "systemd-run --unit=broker -p User=mosquitto mosquitto -c /etc/broker/broker.conf")


def test_the_sdk_connects_with_the_key_in_the_tpm(device: Device, run: Play) -> None:
    assert connected(device) == "CONNECTED"
    assert f"u'{device.host}'" in on(device, "journalctl -u broker --no-pager")
    again = run("harden", *options())
    assert again.rc == 0, again.output
    assert again.changed == 0, again.output


def test_after_a_reboot_it_still_does(device: Device) -> None:
    device.reboot()
    on(device, "systemd-run --unit=broker -p User=mosquitto mosquitto -c /etc/broker/broker.conf")
    assert connected(device) == "CONNECTED"


def test_a_renewal_is_proven_to_the_broker_and_the_old_key_is_gone(device: Device, run: Play) -> None:
    before = on(device, f"cat {CERTIFICATE}")
    endpoint = {"host": "localhost", "port": 8883, "ca": "/etc/broker/server.pem"}
    window = {"device_identity_renew_before_days": 400, "device_identity_valid_days": 800}
    renewed = run("harden", *options(device_identity_endpoint=endpoint, **window))
    assert renewed.changed > 0, renewed.output
    assert on(device, f"cat {CERTIFICATE}") != before
    assert connected(device) == "CONNECTED"
    on(device, "cat >/tmp/old.pem", stdin=before)
    assert connected(device, certificate="/tmp/old.pem").startswith("FAILED")


def test_a_wrong_pin_is_told_by_the_audit(device: Device, run: Play, controller: Path) -> None:
    on(device, f"cp -p {PIN_FILE} /run/pin && printf 271829 >{PIN_FILE}")
    audited = run("audit", *options())
    report = json.loads((controller / "reports" / f"{device.host}.json").read_text())
    seen = {control["id"]: control["actual"] for control in report["controls"]}
    assert "pin_wrong" in seen["identity.key.in_element"], audited.output
    on(device, f"cp -p /run/pin {PIN_FILE}")
    assert connected(device) == "CONNECTED"


def test_nothing_of_the_key_or_its_pin_is_on_the_disk_but_in_its_file(device: Device) -> None:
    pin = on(device, f"cat {PIN_FILE}").strip()
    found = on(device, f"grep -rlF {pin} /etc /var /opt /root /home /usr/lib/edgesec 2>/dev/null || true").split()
    assert found == [PIN_FILE]
