# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An identity in real PKCS#11 tokens (SoftHSM2, and tpm2-pkcs11 on swtpm), given by the role with ansible-playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._identity import key_pair as element
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import (
    issued_by_command,
    load_request,
    new_ca,
)
from tests.functional.conftest import SoftwareTpm
from tests.functional.controller.test_key_playbooks import HOST, words
from tests.support.identity_board import ALTERED, CA, PIN, SO_PIN, Board, Server, board_with_softhsm
from tests.support.module_runner import run_module

pytestmark = pytest.mark.minutes(3)

TPM_LIBRARY = "/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so"
LIST_NAMES = "org.freedesktop.DBus.ListNames"


@pytest.fixture
def soft(tmp_path: Path) -> Board:
    return board_with_softhsm(tmp_path)


@pytest.fixture
def manager(tpm: SoftwareTpm, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The TCTI of a resource manager before the TPM, as /dev/tpmrm0 is on a device."""
    if not os.path.exists("/usr/sbin/tpm2-abrmd"):
        pytest.skip("tpm2-abrmd is not installed")
    # Unlike /dev/tpmrm0, a bare swtpm keeps what a program that ends has loaded.
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address=1"], stdout=subprocess.PIPE)
    assert bus.stdout is not None
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().decode().strip())
    allowed = ["--allow-root"] if os.geteuid() == 0 else []
    daemon = subprocess.Popen(["/usr/sbin/tpm2-abrmd", "--session", *allowed, f"--tcti={tpm.tcti}"])
    for _attempt in range(100):
        listed = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", LIST_NAMES]
        if b"com.intel.tss2.Tabrmd" in subprocess.run(listed, capture_output=True, check=True).stdout:
            break
        time.sleep(0.05)
    yield "tabrmd:bus_type=session"
    for process in (daemon, bus):
        process.terminate()
        process.wait(10)


@pytest.fixture
def board(tmp_path: Path, manager: str) -> Board:
    if not os.path.exists(TPM_LIBRARY):
        pytest.skip("libtpm2-pkcs11-1 is not installed")
    (tmp_path / "store-of-tpm").mkdir()
    environment = {
        "TPM2_PKCS11_STORE": str(tmp_path / "store-of-tpm"),
        "TPM2_PKCS11_TCTI": manager,
        "TSS2_LOG": "all+NONE",
        "DBUS_SESSION_BUS_ADDRESS": os.environ["DBUS_SESSION_BUS_ADDRESS"],
    }
    return Board(tmp_path, TPM_LIBRARY, environment)


def test_check_do_check_again_do_again(soft: Board) -> None:
    for options, changed in ((("--check", "--diff"), 1), (("-vvvv",), 1), (("--check",), 0), ((), 0)):
        done = soft.play(*options)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout, words(done)
        assert soft.certificate.exists() == (options != ("--check", "--diff"))
        if soft.certificate.exists():
            assert soft.pin not in done.stdout + done.stderr
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path, CA[0])
    yield made
    made.socket.close()


@pytest.mark.parametrize("key_type", ["ec-p256", "rsa-2048"])
def test_a_key_in_a_tpm_is_accepted_by_a_server_and_renewed(board: Board, server: Server, key_type: str) -> None:
    wanted: dict[str, Any] = {"endpoint": server.endpoint, "key_type": key_type}
    board.give(days=10, renew_before_days=5, **wanted)
    assert [dict(field[0] for field in seen["subject"]) for seen in server.accepted] == [{"commonName": HOST}]
    assert board.labels() == ["device"]
    first = board.issued
    assert isinstance(first.public_key(), ec.EllipticCurvePublicKey) == (key_type == "ec-p256")

    assert not board.module(renew_before_days=5, **wanted).changed
    probed = board.module(renew_before_days=30, check=True, **wanted)
    assert probed.changed
    assert probed.values["why"].startswith("the certificate expires on")
    request = board.ask(renew_before_days=30, **wanted)
    assert board.labels() == ["device", "device.next"]
    assert board.ask(renew_before_days=30, **wanted) != "", "asked again, it uses the key that it has made"
    assert board.labels() == ["device", "device.next"]
    issued = board.issue(request)
    assert board.module(pin=PIN, issued=issued, renew_before_days=30, **wanted).changed
    assert board.labels() == ["device"]
    assert board.issued.public_key() != first.public_key()
    assert [int(seen["serialNumber"], 16) for seen in server.accepted] == [
        first.serial_number,
        board.issued.serial_number,
    ]
    assert not board.module(renew_before_days=30, **wanted).changed


def test_a_server_that_refuses_leaves_the_old_key_in_use(soft: Board, tmp_path: Path) -> None:
    soft.give(days=10, renew_before_days=5)
    before = soft.certificate.read_bytes()
    stranger = Server(tmp_path, new_ca()[0])
    wanted: dict[str, Any] = {"endpoint": stranger.endpoint}
    issued = soft.issue(soft.ask(**wanted))
    refused = soft.module(pin=PIN, issued=issued, **wanted)
    assert "did not accept the new certificate" in refused.error
    assert refused.values["reason"] == "handshake"
    assert (soft.certificate.read_bytes(), soft.labels()) == (before, ["device", "device.next"])
    stranger.socket.close()


RENAMES = "element.rename(session, 'device', 'device.old')", "element.rename(session, 'device.next', 'device')"


@pytest.mark.parametrize("renamed", [1, 2])
def test_a_change_that_was_interrupted_before_the_certificate_is_undone(soft: Board, renamed: int) -> None:
    soft.give(days=10, renew_before_days=5)
    before = soft.certificate.read_bytes()
    soft.ask()
    soft.inside("; ".join(RENAMES[:renamed]))
    assert soft.module(check=True, renew_before_days=5).values["why"] == "a key replacement was interrupted"
    assert soft.module(pin=PIN, renew_before_days=5).changed
    assert soft.certificate.read_bytes() == before
    assert soft.labels() == ["device", "device.next"]
    assert not soft.module(renew_before_days=5).changed
    issued = soft.issue(soft.ask())
    assert soft.module(pin=PIN, issued=issued).changed
    assert soft.labels() == ["device"]


def test_a_change_that_was_interrupted_after_the_certificate_is_finished(soft: Board) -> None:
    soft.give(days=10, renew_before_days=5)
    issued = soft.issue(soft.ask())
    soft.inside("; ".join(RENAMES))
    soft.certificate.write_text(issued)
    assert soft.module(check=True).values["action"] == "settle"
    assert soft.module(pin=PIN).changed
    assert soft.labels() == ["device"]
    assert not soft.module().changed


def test_a_wrong_pin_is_tried_once(board: Board) -> None:
    board.give()
    tries = []
    for _each in range(6):
        refused = board.module(pin="271829", renew_before_days=400)
        assert refused.error
        tries.append(refused.values["reason"])
    # The TPM locks after three; were a PIN tried twice, it would lock sooner.
    assert tries[:3] == ["pin_wrong"] * 3
    assert tries[-1] == "pin_locked"
    assert "271829" not in board.module(pin="271829", renew_before_days=400).error


def test_a_key_that_was_outside_its_token_is_refused(soft: Board) -> None:
    soft.ask()
    made = """
        element.destroy(session, 'device')
        from os import urandom
        both = {p11.TOKEN: True, p11.LABEL: b'device', p11.ID: b'1'}
        session.generate(p11.EC_KEY_PAIR_GEN, {**both, p11.EC_PARAMS: element.P256},
                         {**both, p11.SIGN: True, p11.SENSITIVE: False, p11.EXTRACTABLE: True})
"""
    soft.inside("\n        ".join(line.strip() for line in made.strip().splitlines()))
    refused = soft.module(pin=PIN)
    assert "extractable is true" in refused.error
    assert refused.values["reason"] == "key_extractable"
    assert not soft.certificate.exists()


@pytest.mark.parametrize("key_type", ["ec-p256", "rsa-2048"])
def test_a_key_whose_signature_is_wrong_is_not_taken(soft: Board, key_type: str) -> None:
    wanted: dict[str, Any] = {"pin": PIN, "so_pin": SO_PIN, "key_type": key_type}
    refused = soft.module(altered="wrong signature", **wanted)
    assert "does not verify" in refused.error
    assert refused.values["reason"] == "signature_wrong"
    assert "csr" not in refused.values
    assert not soft.certificate.exists()
    assert soft.module(**wanted).values["csr"]


@pytest.mark.parametrize(
    ("altered", "seen"),
    [("no renaming", "C_SetAttributeValue failed with CKR 0x54"), ("renaming absent", "has no C_SetAttributeValue")],
)
def test_a_token_whose_keys_cannot_be_renamed_keeps_the_key_in_use(soft: Board, altered: str, seen: str) -> None:
    soft.give(days=10, renew_before_days=5)
    before = soft.certificate.read_bytes(), facts(soft)["key"]["public_key"]
    issued = soft.issue(soft.ask())
    assert seen in soft.module(altered=altered, pin=PIN, issued=issued).error
    assert (soft.certificate.read_bytes(), facts(soft)["key"]["public_key"]) == before
    assert not soft.module(renew_before_days=5).changed


def test_no_token_is_made_in_a_secure_element(soft: Board, tmp_path: Path) -> None:
    before = sorted((tmp_path / "tokens").rglob("*"))
    asked: list[dict[str, Any]] = [{}, {"pin": PIN, "so_pin": SO_PIN}]
    for pins in asked:
        refused = soft.module(altered="secure element", **pins)
        assert "may lock the secure element permanently" in refused.error
        assert refused.values["reason"] == "token_missing"
        assert sorted((tmp_path / "tokens").rglob("*")) == before
    soft.give()
    assert not soft.module(altered="secure element").changed, "one that was made by others is used"


def test_a_certificate_of_another_key_or_time_is_refused_and_one_in_place_is_replaced(soft: Board) -> None:
    soft.give()
    good = soft.certificate.read_bytes()
    soft.ask(renew_before_days=400)
    stranger = new_ca()[0].decode()
    refused = soft.module(pin=PIN, issued=stranger, renew_before_days=400)
    assert refused.error
    assert refused.values["reason"] == "certificate_wrong"
    assert soft.certificate.read_bytes() == good

    soft.certificate.write_text(stranger)
    probed = soft.module(check=True)
    assert probed.values["why"] == "the certificate is for another key"
    soft.give()
    assert not soft.module().changed


def test_a_token_that_is_missing_and_a_library_that_is_none(soft: Board) -> None:
    soft.give()
    gone = soft.module(token="other", pin=PIN)
    assert "was not found" in gone.error
    assert "edgesec" in gone.error
    assert gone.values["reason"] == "token_missing"
    for library in ("/nowhere.so", "/etc/passwd"):
        assert soft.module(library=library).values["reason"] == "library"


def test_a_program_of_the_operators_issues_the_certificate(soft: Board, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA[0])
    (tmp_path / "ca.key").write_bytes(CA[1])
    request = load_request(soft.ask(), HOST)
    command = [
        *("openssl", "x509", "-req", "-in", "/dev/stdin", "-days", "30"),
        *("-CA", str(tmp_path / "ca.pem"), "-CAkey", str(tmp_path / "ca.key"), "-CAcreateserial"),
    ]
    assert soft.module(pin=PIN, issued=issued_by_command(command, request, HOST)).changed
    soft.issued.verify_directly_issued_by(x509.load_pem_x509_certificate(CA[0]))
    assert soft.issued.not_valid_after_utc > datetime.now(UTC)
    for wrong, seen in ((["false"], "ended with 1"), (["cat"], "printed no certificate"), (["/none"], "cannot be run")):
        with pytest.raises(EdgesecError, match=seen):
            issued_by_command(wrong, request, HOST)
    with pytest.raises(EdgesecError, match="another key"):
        issued_by_command(["cat", str(tmp_path / "ca.pem")], request, HOST)


def test_with_debugging_on_no_pin_is_shown(soft: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_DEBUG", "1")
    asked: list[dict[str, Any]] = [{}, {"pin": PIN, "ca_key_passphrase": "of-the-CA"}]
    for variables in asked:
        done = soft.play("-vvvv", **variables)
        assert done.returncode == 2
        assert "Unset ANSIBLE_DEBUG" in done.stdout
        secrets = [soft.pin, PIN, "of-the-CA"]
        assert [secret for secret in secrets if secret in done.stdout + done.stderr] == []
        assert not soft.certificate.exists()


def tokens(board: Board) -> list[str]:
    """Labels of the tokens that SoftHSM2 shows, the empty slot's included."""
    shown = subprocess.check_output(
        ["softhsm2-util", "--show-slots"], env={**os.environ, **board.environment}, text=True
    )
    return [line.split(":", 1)[1].strip() for line in shown.splitlines() if "Label:" in line]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"token": "x" * 33}, "has a label of 33 bytes; a label has 1 to 32"),
        ({"token": "ü" * 17}, "has a label of 34 bytes"),
        ({"token": "edge "}, "has a label with a blank at either end"),
        ({"token": "edge\n"}, "has a label with a blank at either end"),
        ({"common_name": "g" * 65}, "has 65 characters; a certificate allows at most 64"),
        ({"common_name": " "}, "is empty"),
        ({"renew_before_days": 10, "valid_days": 10}, "each run would replace the key and its certificate"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is(soft: Board, variables: dict[str, Any], words: str) -> None:
    for _each in range(2):
        refused = soft.play(**variables)
        assert refused.returncode == 2
        assert words in " ".join(refused.stdout.split()), refused.stdout
        assert tokens(soft) == [""]
    assert not (soft.store.path / "hosts" / HOST).exists()


def test_a_ca_that_ends_soon_does_not_make_a_new_certificate_at_each_run(soft: Board, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(CA[0])
    (tmp_path / "ca.key").write_bytes(CA[1])
    issuer = {"ca_certificate": str(tmp_path / "ca.pem"), "ca_key": str(tmp_path / "ca.key")}
    # The CA of the tests ends in 20 years.
    window = {"valid_days": 10_000, "renew_before_days": 9_000}
    for _each in range(2):
        refused = soft.play(**issuer, **window)
        assert refused.returncode == 2
        assert "or replace a CA that ends soon" in " ".join(refused.stdout.split()), refused.stdout
        assert not soft.certificate.exists()
    assert soft.harden(**issuer) > 0
    assert soft.harden(**issuer) == 0


@pytest.mark.parametrize(("pin", "size"), [("123", 3), ("1" * 300, 300)])
def test_a_pin_of_a_length_that_the_token_does_not_take_is_not_tried(soft: Board, pin: str, size: int) -> None:
    refused = soft.module(pin=pin, so_pin=SO_PIN)
    assert refused.values["reason"] == "pin_length"
    assert f"accepts a PIN of 4 to 255 bytes, but the given one has {size}" in refused.error
    assert tokens(soft) == [""]
    soft.give()
    refused = soft.module(pin=pin, renew_before_days=400)
    assert refused.values["reason"] == "pin_length"


@pytest.mark.parametrize("left", ["device", "device.next"])
def test_a_key_of_another_kind_that_is_not_in_use_is_not_certified(soft: Board, left: str) -> None:
    if left == "device.next":
        soft.give()
    soft.ask(renew_before_days=400)
    assert left in soft.labels()
    rsa_key: dict[str, Any] = {"key_type": "rsa-2048", "renew_before_days": 400}
    issued = soft.issue(soft.ask(**rsa_key), days=800)
    assert soft.module(pin=PIN, issued=issued, **rsa_key).changed
    assert soft.labels() == ["device"]
    assert not soft.module(**rsa_key).changed


def facts(board: Board, probe: bool = True, altered: str = "", **changes: Any) -> dict[str, Any]:
    within = (sys.executable, ALTERED, altered) if altered else ()
    named = ("library", "environment", "certificate", "pin_file")
    identity = {**{name: board.arguments[name] for name in named}, "probe": probe, **changes}
    found: dict[str, Any] = run_module("identity_facts", {"identity": identity}, within=within).values["ansible_facts"]
    return dict(found["edgesec_identity"])


@pytest.mark.parametrize("which", ["soft", "board"])
def test_facts_are_the_same_from_the_record_and_from_the_token(which: str, request: pytest.FixtureRequest) -> None:
    board: Board = request.getfixturevalue(which)
    board.give()
    recorded, live = facts(board, probe=False), facts(board)
    assert (recorded["error"], live["error"]) == (None, None)
    assert (recorded["key"]["live"], live["key"]["live"]) == (False, True)
    for name in ("token_kind", "public_key", "attributes"):
        assert recorded["key"][name] == live["key"][name], name
    # A TPM that the kernel does not drive may be any program that listens; one behind a resource manager is the host's.
    assert live["key"]["token_kind"] == ("software" if which == "soft" else "virtual_tpm")
    assert live["key"]["public_key"] == live["certificate"]["public_key"]
    assert live["certificate"]["not_after"] == board.issued.not_valid_after_utc.timestamp()

    assert facts(board, altered="wrong signature")["error"]["reason"] == "signature_wrong"
    board.pin_file.write_text("271829")
    assert facts(board)["error"]["reason"] == "pin_wrong"
    board.pin_file.unlink()
    assert facts(board)["error"]["reason"] == "pin_missing"
    board.pin_file.write_text(PIN)
    assert facts(board, token="other")["error"]["reason"] == "token_missing"
    assert facts(board, library="/nowhere.so")["error"]["reason"] == "library"
