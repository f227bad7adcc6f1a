# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Greengrass is told, against live tokens (SoftHSM2, and tpm2-pkcs11 on swtpm), and read by Java and OpenSSL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import new_ca
from tests.functional.controller.test_key_playbooks import words
from tests.functional.identity import test_identity
from tests.support.identity_board import PIN, Board, board_with_softhsm
from tests.support.namespace import Namespace
from tests.support.nucleus import Classic, Lite, compiled

soft, manager, board = test_identity.soft, test_identity.manager, test_identity.board
PROVIDER = "aws.greengrass.crypto.Pkcs11Provider"
KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
# The product never changes a PIN: C_SetPIN, by its place in CK_FUNCTION_LIST.
SET_PIN = (
    "pin, new = sys.argv[2].encode(), b'1' * 32; set_pin = p11.ctypes.CFUNCTYPE(p11.c_ulong)(library._functions[11]);"
    "assert set_pin(session._handle, pin, p11.c_ulong(len(pin)), new, p11.c_ulong(len(new))) == 0"
)


@pytest.fixture
def classic(soft: Board, space: Namespace) -> Classic:
    return Classic(soft, space)


def der(board: Board) -> bytes:
    return board.issued.public_bytes(serialization.Encoding.DER)


def test_check_do_check_again_do_again(classic: Classic) -> None:
    classic.board.give()
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = classic.module(check=check)
        assert result.changed == changed
        assert classic.init.exists() == (len(classic.certificates()) == 1) == (not (check and changed))
        assert PIN not in json.dumps(result.values)
    assert classic.init.stat().st_mode & 0o7777 == 0o600
    (drop_in,) = classic.units.glob("greengrass.service.d/*.conf")
    assert f'Environment="SOFTHSM2_CONF={classic.board.environment["SOFTHSM2_CONF"]}"' in drop_in.read_text()
    assert classic.settings["system"] == {
        "certificateFilePath": "pkcs11:object=device;type=cert",
        "privateKeyPath": "pkcs11:object=device;type=private",
    }
    configuration = classic.settings["services"][PROVIDER]["configuration"]
    assert configuration == {
        "name": "edgesec",
        "library": classic.board.library,
        "slot": result.values["slot"],
        "userPin": PIN,
    }
    assert result.values["apply_command"][:2] == ["java", f"-Droot={classic.root}"]
    assert result.values["applied"] is False
    classic.take()
    assert classic.module().values["applied"] is True


def test_the_certificate_has_the_label_and_the_id_of_the_key(classic: Classic) -> None:
    classic.board.give()
    assert classic.module().changed
    (key_id,) = json.loads(
        classic.board.inside(
            "print(json.dumps([session.attribute(h, p11.ID).hex() for h in session.find({p11.CLASS: 3})]))"
        )
    )
    assert classic.certificates() == [("device", key_id, der(classic.board))]


@pytest.mark.parametrize("key_type", ["ec-p256", "rsa-2048"])
@pytest.mark.parametrize("which", ["soft", "board"])
def test_java_finds_the_key_and_its_certificate_by_what_was_written(
    which: str, key_type: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if shutil.which("javac") is None:
        pytest.skip("no compiler of Java is installed")
    found: Board = request.getfixturevalue(which)
    found.give(key_type=key_type)
    nucleus = Classic(found, request.getfixturevalue("space"))
    assert nucleus.module().changed
    kind = "EC" if key_type == "ec-p256" else "RSA"
    assert nucleus.java(tmp_path) == f"{kind} true {found.issued.serial_number}"
    assert not nucleus.module().changed


@pytest.mark.parametrize("which", ["soft", "board"])
def test_a_renewed_certificate_takes_the_place_of_its_predecessor(which: str, request: pytest.FixtureRequest) -> None:
    found: Board = request.getfixturevalue(which)
    found.give(days=10, renew_before_days=5)
    nucleus = Classic(found, request.getfixturevalue("space"))
    assert nucleus.module().changed
    before = nucleus.init.read_bytes()
    issued = found.issue(found.ask())
    assert found.module(pin=PIN, issued=issued).changed
    first = nucleus.certificates()
    checked = nucleus.module(check=True)
    assert checked.values["steps"] == ["put the certificate into the token"]
    assert nucleus.certificates() == first
    assert nucleus.module().changed
    assert [value for _label, _id, value in nucleus.certificates()] == [der(found)]
    assert nucleus.init.read_bytes() == before
    assert not nucleus.module().changed


def test_what_was_cut_between_two_certificates_is_brought_to_its_end(classic: Classic) -> None:
    classic.board.give()
    assert classic.module().changed
    stranger = x509.load_pem_x509_certificate(new_ca()[0]).public_bytes(serialization.Encoding.DER)
    both = "{p11.CLASS: p11.CERTIFICATE, p11.CERTIFICATE_TYPE: 0, p11.TOKEN: True, p11.PRIVATE: False, p11.SUBJECT: b''"
    classic.board.inside(f"session.create({both}, p11.LABEL: b'device', p11.ID: b'1', p11.VALUE: {stranger!r}}})")
    assert len(classic.certificates()) == 2
    assert classic.module().values["steps"] == ["put the certificate into the token"]
    assert [value for _label, _id, value in classic.certificates()] == [der(classic.board)]


def spoil_pin(board: Board) -> None:
    board.pin_file.write_text("271829")


def remove_pin(board: Board) -> None:
    board.pin_file.unlink()


def other_certificate(board: Board) -> None:
    board.certificate.write_bytes(new_ca()[0])


def no_certificate(board: Board) -> None:
    board.certificate.unlink()


def extractable(board: Board) -> None:
    board.inside(
        "element.destroy(session, 'device'); both = {p11.TOKEN: True, p11.LABEL: b'device', p11.ID: b'1'};"
        "session.generate(p11.EC_KEY_PAIR_GEN, {**both, p11.EC_PARAMS: element.P256},"
        " {**both, p11.SIGN: True, p11.SENSITIVE: False, p11.EXTRACTABLE: True})"
    )


def nothing(_board: Board) -> None:
    pass


FAULTS: list[tuple[Callable[[Board], None], dict[str, Any], str, str]] = [
    (spoil_pin, {}, "pin_wrong", "refused the PIN"),
    (remove_pin, {}, "pin_missing", "cannot be read"),
    (nothing, {"token": "other"}, "token_missing", "was not found; "),
    (nothing, {"key": "other"}, "key", "the key other: is not in the token"),
    (other_certificate, {}, "certificate_wrong", "is not for the key device"),
    (no_certificate, {}, "certificate_missing", "cannot be read"),
    (extractable, {}, "key_extractable", "may exist outside its token"),
    (nothing, {"library": "/nowhere.so"}, "library", "cannot be loaded"),
]


@pytest.mark.parametrize(("fault", "more", "reason", "seen"), FAULTS)
def test_each_fault_has_its_error_and_changes_nothing(
    classic: Classic, fault: Callable[[Board], None], more: dict[str, Any], reason: str, seen: str
) -> None:
    classic.board.give()
    assert classic.module().changed
    before = (classic.init.read_bytes(), classic.certificates())
    fault(classic.board)
    for check in (True, False):
        refused = classic.module(check=check, name="changed", **more)
        assert seen in refused.error
        assert refused.values["reason"] == reason
        assert "271829" not in json.dumps(refused.values)
    assert (classic.init.read_bytes(), classic.certificates()) == before


def test_v1_is_refused_and_nothing_is_guessed(classic: Classic) -> None:
    classic.board.give()
    classic.effective.unlink()
    assert "is not installed" in classic.module().error
    (classic.root / "config" / "config.json").write_text(json.dumps({"coreThing": {}, "crypto": {}}))
    for nucleus in ("auto", "classic"):
        assert "support ended on 2026-10-07" in classic.module(nucleus=nucleus).error
    assert not classic.init.exists()


def test_a_file_that_somebody_changed_is_written_again_and_its_pin_is_not_shown(classic: Classic) -> None:
    classic.board.give()
    assert classic.module().changed
    good = classic.init.read_bytes()
    for spoiled, mode in ((good.replace(b"271828", b"314159"), 0o600), (good, 0o644), (b"271828", 0o600)):
        classic.init.write_bytes(spoiled)
        classic.init.chmod(mode)
        shown = classic.module(check=True)
        assert shown.values["steps"] == [f"write {classic.init}"]
        assert "271828" not in json.dumps(shown.values)
        assert "314159" not in json.dumps(shown.values)
        assert classic.module().changed
        assert (classic.init.read_bytes(), classic.init.stat().st_mode & 0o7777) == (good, 0o600)


def test_without_a_nucleus_nothing_can_be_applied(classic: Classic) -> None:
    classic.board.give()
    refused = classic.module(apply=True)
    assert "is missing" in refused.error
    assert not classic.init.exists()
    assert classic.certificates() == []


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("javac") is None:
        pytest.skip("no compiler of Java is installed")
    return compiled(tmp_path_factory.mktemp("nucleus"))


@pytest.fixture
def installed(classic: Classic, jar: Path) -> Classic:
    classic.board.give()
    classic.install(jar)
    return classic


STOP, START, RELOAD = "stop greengrass.service", "start greengrass.service", "daemon-reload"


def test_a_nucleus_takes_it_once(installed: Classic) -> None:
    copy = installed.root / "privKey.key"
    copy.write_bytes(KEY)
    wanted: dict[str, Any] = {"apply": True, "remove_copies": [str(copy)]}
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = installed.module(check=check, **wanted)
        assert result.changed == changed
        assert installed.asked() == ([RELOAD, STOP, START] if changed and not check else [])
        assert copy.exists() == (check and changed)
    assert result.values["applied"] is True


@pytest.mark.parametrize("fault", ["fails", "ignores", "dies"])
def test_a_nucleus_that_does_not_take_it_is_as_it_was(installed: Classic, fault: str) -> None:
    copy = installed.root / "privKey.key"
    copy.write_bytes(KEY)
    config = [installed.root / "config" / name for name in ("config.tlog", "effectiveConfig.yaml")]
    before = [path.read_bytes() for path in config]
    if fault == "dies":
        (installed.board.directory / "state").write_text("failed\n")
    else:
        (installed.root / fault).write_text("")
    refused = installed.module(apply=True, remove_copies=[str(copy)])
    assert "its former configuration is in force again" in refused.error
    assert PIN not in json.dumps(refused.values)
    assert [path.read_bytes() for path in config] == before
    assert installed.asked()[-2:] == [STOP, START]
    assert copy.exists()


def test_a_renewed_certificate_restarts_the_nucleus_where_that_is_consented_to(installed: Classic) -> None:
    assert installed.module(apply=True).changed
    installed.asked()
    for apply in (False, True):
        installed.board.give(renew_before_days=400)
        assert installed.module(apply=apply).changed
        assert installed.asked() == (["restart greengrass.service"] if apply else [])


def test_without_its_component_the_nucleus_is_left_alone(installed: Classic) -> None:
    shutil.rmtree(installed.root / "plugins")
    assert "would find no key and stay offline" in installed.module(apply=True).error
    assert installed.asked() == []
    assert not installed.init.exists()


def test_copies_are_listed_and_removed_only_by_name_and_only_when_they_are_not_needed(classic: Classic) -> None:
    classic.board.give()
    named = [classic.root / name for name in ("privKey.key", "thingCert.crt", "backup.txt")]
    for path in named:
        path.write_bytes(KEY)
    of_a_component = classic.root / "work" / "broker.key"
    of_a_component.parent.mkdir()
    of_a_component.write_bytes(KEY)
    assert classic.module().values["copies"] == sorted(map(str, named))

    wanted: dict[str, Any] = {"remove_copies": [str(path) for path in named[:2]]}
    assert "is still needed: the configuration in force" in classic.module(**wanted).error
    classic.take()
    for path in (of_a_component, classic.board.certificate):
        assert "is not one of the copies found" in classic.module(remove_copies=[str(path)]).error
    os.link(named[0], classic.root / "privKey.again")
    assert "has further hard links" in classic.module(**wanted).error
    (classic.root / "privKey.again").unlink()
    assert all(path.exists() for path in (*named, of_a_component, classic.board.certificate))

    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = classic.module(check=check, **wanted)
        assert result.changed == changed
        assert named[0].exists() == named[1].exists() == (check and changed)
    assert result.values["copies"] == [str(named[2])]
    assert of_a_component.exists()


def test_the_role_does_all_of_it(classic: Classic, monkeypatch: pytest.MonkeyPatch) -> None:
    soft = classic.board
    # The playbook is not in the namespace, so that no drop-in is to be written.
    monkeypatch.setenv("SOFTHSM2_CONF", soft.environment["SOFTHSM2_CONF"])
    greengrass = {"root": str(classic.root), "init_config": str(classic.init)}
    for options, changed in ((("--check", "--diff"), 1), (("--diff",), 2), (("--check",), 0), ((), 0)):
        done = soft.play(*options, environment={}, greengrass=greengrass)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout, words(done)
        if soft.certificate.exists():
            assert soft.pin not in done.stdout + done.stderr
    assert classic.settings["services"][PROVIDER]["configuration"]["userPin"] == soft.pin
    assert len(soft.pin) <= 31, "OpenSSL's pkcs11-provider reads no more from a file"


@pytest.fixture
def lite(space: Namespace) -> Iterator[Lite]:
    if os.geteuid():
        pytest.skip("another user is to be taken on, which root alone can")
    # pytest's own directories let no other user in.
    with tempfile.TemporaryDirectory(prefix="edgesec-test-") as directory:
        Path(directory).chmod(0o755)
        yield Lite(board_with_softhsm(Path(directory)), space)


@pytest.fixture
def provider() -> None:
    modules = subprocess.run(["openssl", "version", "-m"], capture_output=True, text=True, check=True).stdout
    if not os.path.exists(modules.split('"')[1] + "/pkcs11.so"):
        pytest.skip("pkcs11-provider is not installed (Debian 13, Ubuntu 24.04 and later)")


@pytest.mark.usefixtures("provider")
def test_lite_check_do_check_again_do_again_and_openssl_signs_as_its_user(lite: Lite) -> None:
    lite.board.give()
    lite.let_in()
    for check, changed in ((True, True), (False, True), (True, False), (False, False)):
        result = lite.module(check=check)
        assert result.changed == changed
        assert len(lite.written()) == (0 if check and changed else 3)
    assert result.values["nucleus"] == "lite"
    assert json.loads(lite.written()[Lite.FRAGMENT]) == {
        "system": {
            "privateKeyPath": "pkcs11:token=edgesec;object=device;type=private",
            "certificateFilePath": str(lite.board.certificate),
        }
    }
    assert PIN not in "".join(lite.written().values())
    assert not (lite.etc / "systemd/system/ggl.com.example.Component.service.d").exists()
    signature = lite.sign(b"data")
    key = lite.board.issued.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


@pytest.mark.usefixtures("provider")
def test_lite_whose_user_cannot_reach_the_token_is_told_before_anything_is_written(lite: Lite) -> None:
    lite.board.give()
    os.chown(lite.board.pin_file, Lite.USER_ID, 0)
    refused = lite.module()
    assert refused.values["reason"] == "unresolved"
    assert "as the user ggcore" in refused.error
    assert lite.written() == {}


def test_lite_without_the_provider_of_openssl_is_refused(lite: Lite) -> None:
    modules = subprocess.run(["openssl", "version", "-m"], capture_output=True, text=True, check=True).stdout
    if os.path.exists(modules.split('"')[1] + "/pkcs11.so"):
        pytest.skip("pkcs11-provider is installed")
    lite.board.give()
    lite.let_in()
    for check in (True, False):
        refused = lite.module(check=check)
        assert refused.values["reason"] == "tool_missing"
        assert "Install pkcs11-provider" in refused.error
    assert lite.written() == {}


def test_lite_refuses_what_it_could_not_read_or_would_not_heed(lite: Lite) -> None:
    lite.board.give()
    assert "device_identity_pin_owner: ggcore" in lite.module().error
    lite.let_in()
    lite.board.certificate.chmod(0o600)
    assert "cannot be read by ggcore" in lite.module().error
    lite.board.certificate.chmod(0o644)
    lite.write("greengrass/config.d/kit.yaml", "system:\n  privateKeyPath: /etc/greengrass/kit.key\n")
    assert "reads such files in no fixed order" in lite.module().error
    (lite.etc / "greengrass/config.d/kit.yaml").unlink()
    lite.board.inside(SET_PIN)
    lite.board.pin_file.write_text("1" * 32)
    refused = lite.module()
    assert "longer than the 31 bytes" in refused.error
    assert "1" * 31 not in refused.error
    assert lite.written() == {}
