# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The library of a secure element is configured, and the key is made in whatever answers, which is SoftHSM2 here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.functional.controller.test_key_playbooks import words
from tests.support.identity_board import Board, board_with_softhsm
from tests.support.module_runner import Result, run_module

# As the playbooks have a device observed.
FACTS = """\
- hosts: all
  gather_facts: false
  tasks:
    - edgesec.hardening.compliance_judgement:
    - ansible.builtin.debug:
        msg: "{{ ansible_facts.edgesec_identity }}"
"""


class Files:
    """Where the files of CryptoAuthLib are."""

    def __init__(self, directory: Path) -> None:
        self.configuration = directory / "etc" / "cryptoauthlib.conf"
        self.filestore = directory / "var" / "cryptoauthlib"
        self.slot = self.filestore / "0.conf"

    @property
    def element(self) -> dict[str, Any]:
        return {
            "kind": "atecc608",
            "address": 0x36,
            "free_slots": [2],
            "objects": [{"type": "private", "label": "device", "slot": 0}],
            "configuration": str(self.configuration),
            "filestore": str(self.filestore),
        }

    def run(self, check: bool = False, **changes: Any) -> Result:
        return run_module("element_config", {"element": {**self.element, **changes}}, check=check)


@pytest.fixture(name="paths")
def _paths(tmp_path: Path) -> Files:
    return Files(tmp_path)


def mode_of(path: Path) -> int:
    return path.lstat().st_mode & 0o7777


def test_check_do_check_again_do_again(paths: Files) -> None:
    predicted = paths.run(check=True)
    assert predicted.changed
    assert predicted.values["files"] == [str(paths.configuration), str(paths.slot)]
    assert not paths.configuration.parent.exists()

    done = paths.run()
    assert (done.changed, done.values["files"], done.values["diff"]) == (
        True,
        predicted.values["files"],
        predicted.values["diff"],
    )
    assert (done.values["library"], done.values["environment"]) == ("libcryptoauth.so", {})
    assert "interface = i2c,0x6c,0x1" in paths.slot.read_text()
    assert paths.configuration.read_text().endswith(f"\nfilestore = {paths.filestore}\n")
    assert [mode_of(path) for path in (paths.configuration, paths.slot)] == [0o644, 0o644]
    assert [mode_of(path.parent) for path in (paths.configuration, paths.slot)] == [0o755, 0o755]

    written = paths.slot.stat().st_ino
    for check in (True, False):
        again = paths.run(check=check)
        assert (again.changed, again.values["files"], again.values["diff"]) == (False, [], [])
    assert paths.slot.stat().st_ino == written


def test_what_a_person_changed_is_shown_and_put_right(paths: Files) -> None:
    paths.run()
    by_hand = "interface = i2c,0xC0,1\n"
    paths.slot.write_text(by_hand)
    shown = paths.run(check=True).values["diff"]
    assert [(each["before_header"], each["before"]) for each in shown] == [(str(paths.slot), by_hand)]
    assert paths.slot.read_text() == by_hand
    assert paths.run().values["files"] == [str(paths.slot)]

    paths.slot.chmod(0o666)
    assert paths.run().changed
    assert mode_of(paths.slot) == 0o644

    paths.slot.rename(paths.filestore / "elsewhere")
    paths.slot.symlink_to("elsewhere")
    assert paths.run().changed
    assert not paths.slot.is_symlink()
    assert not paths.run().changed


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_a_file_of_somebody_else_is_replaced(paths: Files) -> None:
    paths.run()
    os.chown(paths.slot, 1, 1)
    assert paths.run().values["files"] == [str(paths.slot)]
    assert paths.slot.stat().st_uid == 0


def test_other_slots_and_the_keys_of_the_library_are_left_alone(paths: Files) -> None:
    paths.filestore.mkdir(parents=True, mode=0o755)
    others = {name: f"{name}\n" for name in ("1.conf", "0.2.conf", "slot.conf.tmpl")}
    for name, text in others.items():
        (paths.filestore / name).write_text(text)
    assert paths.run().changed
    assert {name: (paths.filestore / name).read_text() for name in others} == others
    assert sorted(path.name for path in paths.filestore.iterdir()) == sorted([*others, "0.conf"])


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"address": 0xC0}, "Use a number from 0x8 to 0x77"),
        ({"objects": [{"type": "private", "label": "a\nslot = 1", "slot": 0}]}, "objects.label"),
        ({"scp03_keys": "/etc/x"}, "does not accept scp03_keys"),
        ({"kind": "atecc"}, "value of kind must be one of"),
    ],
)
def test_a_refusal_writes_nothing(paths: Files, changes: dict[str, Any], seen: str) -> None:
    paths.run()
    before = paths.slot.read_bytes(), paths.configuration.read_bytes()
    assert seen in paths.run(**changes).error
    assert (paths.slot.read_bytes(), paths.configuration.read_bytes()) == before


def test_a_place_that_cannot_be_written_is_an_error(paths: Files, tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("no directory")
    assert "cannot be written" in paths.run().error


def test_libraries_that_read_no_file() -> None:
    told = run_module("element_config", {"element": {"kind": "se05x", "bus": 0}})
    assert (told.changed, told.values["files"], told.values["library"]) == (False, [], "libsss_pkcs11.so")
    assert told.values["environment"] == {"EX_SSS_BOOT_SSS_PORT": "/dev/i2c-0:0x48"}
    told = run_module("element_config", {"element": {"kind": "optiga_trust_m"}})
    assert (told.changed, told.values["files"], told.values["environment"]) == (False, [], {})


@pytest.fixture(name="board")
def _board(tmp_path: Path) -> Board:
    return board_with_softhsm(tmp_path)


def test_the_role_configures_the_library_and_has_the_key_made(board: Board, paths: Files) -> None:
    for options, changed in ((("--check", "--diff"), 2), ((), 2), (("--check",), 0), ((), 0)):
        done = board.play(*options, element=paths.element)
        assert done.returncode == 0, words(done)
        assert f"changed={changed}" in done.stdout, words(done)
        assert paths.slot.exists() == board.certificate.exists() == ("--diff" not in options)
    assert "label = edgesec\n" in paths.slot.read_text()


def test_facts_look_where_the_role_does(board: Board) -> None:
    element = {"kind": "se05x", "bus": 3}
    done = board.play("-vvv", element=element)
    assert done.returncode == 0, words(done)
    assert '"EX_SSS_BOOT_SSS_PORT": "/dev/i2c-3:0x48"' in done.stdout
    board.playbook.write_text(FACTS)
    done = board.play(probe=True, element=element)
    assert done.returncode == 0, words(done)
    facts = json.loads(done.stdout.rpartition('"msg": ')[2].split("\n}")[0])
    assert (facts["error"], facts["key"]["live"]) == (None, True)


def test_the_role_refuses_before_anything_is_changed(board: Board) -> None:
    done = board.play(element={"kind": "se05x", "address": 0x90})
    assert done.returncode != 0
    assert "Use a number from 0x8 to 0x77" in words(done)
    assert not board.certificate.exists()
    assert not list((board.directory / "tokens").iterdir())
