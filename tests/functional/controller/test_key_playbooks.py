# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks that have to do with keys, with real ansible-playbook and volumes in files, by the local connection."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.envelope import EscrowSettings, new_certificate
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore
from tests.functional.conftest import RECOVERY_KEY, UUID
from tests.setup.collection import COLLECTIONS

pytestmark = pytest.mark.minutes(3)

HOST = "gw-001"
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


class Fleet:
    """One device, which is this machine with a volume in a file, and its controller."""

    def __init__(self, directory: Path, volume: Volume) -> None:
        self.directory, self.device = directory, volume.device
        # A command that runs the command after it, such as nsenter.
        self.within: list[str] = []
        self.store_path = directory / "store"
        self.store = FleetStore(str(self.store_path))
        self.variables: dict[str, Any] = {
            "ansible_connection": "local",
            "ansible_become": False,
            "ansible_python_interpreter": sys.executable,
            "edgesec_store": str(self.store_path),
            "encrypted_storage_volumes": [{"name": volume.name, "device": volume.device}],
            # There is no TPM.
            "encrypted_storage_unlock": "controller",
            # The kernel of this machine is not a device's.
            "encrypted_storage_core_dumps": "keep",
        }

    def play(self, name: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        inventory = self.directory / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {HOST: {**self.variables, **variables}}}}))
        return subprocess.run(
            [
                *self.within,
                ANSIBLE_PLAYBOOK,
                "-i",
                inventory,
                name if name.endswith(".yml") else f"edgesec.hardening.{name}",
                *options,
            ],
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
                "ANSIBLE_INJECT_FACT_VARS": "False",
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

    def key(self) -> bytes:
        """The escrowed recovery key, as openssl alone gives it."""
        done = subprocess.run(
            [
                *("openssl", "cms", "-decrypt", "-inform", "DER"),
                *("-in", str(self.store_path / "hosts" / HOST / "recovery" / f"{UUID}.cms")),
                *("-inkey", str(self.store_path / "escrow/key.pem")),
            ],
            capture_output=True,
            check=True,
        )
        return done.stdout


@pytest.fixture
def fleet(tmp_path: Path, volume: Volume) -> Fleet:
    fleet = Fleet(tmp_path, volume)
    fleet.store.put_recovery_key(HOST, UUID, RECOVERY_KEY)
    return fleet


def words(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_audit_tests_the_recovery_keys_where_it_is_asked_to(fleet: Fleet) -> None:
    assert fleet.play("audit").returncode == 0
    assert "recovery key tested" not in fleet.store.history(HOST, UUID)
    for options in (("--check",), ()):
        done = fleet.play("audit", "-vvv", *options, edgesec_test_recovery=True)
        assert done.returncode == 0, words(done)
        assert "changed=0" in done.stdout
        assert RECOVERY_KEY.decode() not in done.stdout + done.stderr
        assert ("recovery key tested" in fleet.store.history(HOST, UUID)) == (not options)


def test_audit_fails_where_the_recovery_key_does_not_open(fleet: Fleet) -> None:
    fleet.store.put_recovery_key(HOST, UUID, b"another key")
    for options in (("--check",), ()):
        done = fleet.play("audit", *options, edgesec_test_recovery=True)
        assert done.returncode == 2
        assert "the escrowed recovery key does not open keyslot 0" in words(done)
    assert "recovery key tested" not in fleet.store.history(HOST, UUID)


def test_with_debugging_on_no_secret_is_sent_or_shown(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """ansible-core prints the arguments of each module then, whatever no_log says."""
    log = fleet.directory / "ansible.log"
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(log))
    monkeypatch.setenv("ANSIBLE_DEBUG", "1")
    done = fleet.play("rotate", "-vvvvvv")
    assert done.returncode == 2
    assert "Unset ANSIBLE_DEBUG" in words(done)
    shown = done.stdout + done.stderr + log.read_text()
    assert "done with _execute_module" in shown, "debugging was on"
    assert RECOVERY_KEY.decode() not in shown
    assert cryptsetup.opens(fleet.device, RECOVERY_KEY)

    log.unlink()
    monkeypatch.delenv("ANSIBLE_DEBUG")
    monkeypatch.setenv("ANSIBLE_LOG_VERBOSITY", "6")
    done = fleet.play("rotate", "-vvvvvv")
    assert done.returncode == 0, words(done)
    shown = done.stdout + done.stderr + log.read_text()
    assert [secret for secret in (fleet.key(), RECOVERY_KEY) if secret.decode() in shown] == []


def test_rotate_check_do(fleet: Fleet) -> None:
    predicted = fleet.play("rotate", "--check", "--diff")
    assert predicted.returncode == 0, words(predicted)
    assert "changed=1" in predicted.stdout
    assert fleet.key() == RECOVERY_KEY

    done = fleet.play("rotate", "-vvv")
    assert done.returncode == 0, words(done)
    key = fleet.key()
    assert key != RECOVERY_KEY
    assert cryptsetup.opens(fleet.device, key, slot="0")
    assert not cryptsetup.opens(fleet.device, RECOVERY_KEY)
    assert [secret for secret in (key, RECOVERY_KEY) if secret.decode() in done.stdout + done.stderr] == []
    assert fleet.store.next_recovery_key(HOST, UUID) is None
    assert {"recovery key rotated", "header backup escrowed"} <= set(fleet.store.history(HOST, UUID))


def test_a_rotation_whose_result_was_lost_is_brought_to_its_end(fleet: Fleet) -> None:
    """The device has the next key; the controller died before it could say so in the store."""
    following = fleet.store.begin_rotation(HOST, UUID)
    cryptsetup.add_key(fleet.device, RECOVERY_KEY, following, slot="1")
    cryptsetup.kill_slot(fleet.device, "0", following)
    tested = fleet.play("audit", edgesec_test_recovery=True)
    assert tested.returncode == 0, words(tested)
    assert "a rotation of the recovery key of data was interrupted" in words(tested)

    done = fleet.play("rotate")
    assert done.returncode == 0, words(done)
    assert fleet.key() == following
    header = header_of(fleet.device)
    assert header is not None
    assert list(header.keyslots) == ["0"]
    assert cryptsetup.opens(fleet.device, following, slot="0")


def test_a_certificate_that_cannot_be_used_is_refused_before_anything_changes(fleet: Fleet) -> None:
    key = fleet.store_path / "escrow" / "key.pem"
    for options in (("--check",), ()):
        done = fleet.play("rotate", *options, encrypted_storage_escrow_certificates=[str(key)])
        assert done.returncode == 2
        assert "contains a private key instead of a certificate" in words(done)
    assert fleet.key() == RECOVERY_KEY
    assert fleet.store.next_recovery_key(HOST, UUID) is None
    assert cryptsetup.opens(fleet.device, RECOVERY_KEY, slot="0")


def test_the_escrow_is_moved_to_another_certificate_and_that_once(fleet: Fleet) -> None:
    certificate, private = (fleet.directory / name for name in ("certificate.pem", "key.pem"))
    for path, content in zip((certificate, private), new_certificate(), strict=True):
        path.write_bytes(content)
    wanted = {"encrypted_storage_escrow_certificates": [str(certificate)], "rotate_escrow": True}
    for options, changed in ((("--check",), 1), ((), 1), (("--check",), 0), ((), 0)):
        done = fleet.play("rotate", "-e", "rotate_recovery=false", *options, **wanted)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout, options
    moved = FleetStore(str(fleet.store_path), EscrowSettings((str(certificate),), str(private)))
    assert moved.recovery_key(HOST, UUID) == RECOVERY_KEY
    # From now on the private key elsewhere is what opens it.
    assert "no private key for it is here" in words(fleet.play("audit", edgesec_test_recovery=True))
    elsewhere = {"encrypted_storage_escrow_key": str(private), **wanted}
    done = fleet.play("audit", edgesec_test_recovery=True, **elsewhere)
    assert done.returncode == 0, words(done)


def test_an_audit_says_where_an_envelope_is_gone_or_another_one(fleet: Fleet, tmp_path: Path) -> None:
    envelope = fleet.store_path / "hosts" / HOST / "recovery" / f"{UUID}.cms"
    mine = envelope.read_bytes()
    assert fleet.play("audit").returncode == 0
    for attack, seen in (
        (envelope.unlink, "is missing"),
        (lambda: envelope.write_bytes(b"another one"), "is not the one that was put there"),
    ):
        attack()
        for playbook in ("audit", "harden"):
            told = fleet.play(playbook)
            assert told.returncode == 2, words(told)
            assert f"recovery/{UUID}.cms {seen}" in words(told)
    envelope.write_bytes(mine)
    assert fleet.play("audit").returncode == 0
    # Made by somebody who knows the key, or by one of our own people.
    other = FleetStore(str(tmp_path / "other"))
    shutil.copytree(fleet.store_path / "escrow", tmp_path / "other" / "escrow")
    other.put_recovery_key(HOST, UUID, RECOVERY_KEY)
    envelope.write_bytes((tmp_path / "other" / "hosts" / HOST / "recovery" / f"{UUID}.cms").read_bytes())
    tested = fleet.play("audit", edgesec_test_recovery=True)
    assert "the key in it opens the volume" in words(tested)
    assert fleet.play("audit").returncode == 0
