# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No step of a roll-back stops the rest, and the first cause is what the operator reads."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base import roll_back
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._base.roll_back import Step, cause, go_back
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH
from ansible_collections.edgesec.hardening.plugins.module_utils._credentials import at_rest, permissions
from ansible_collections.edgesec.hardening.plugins.module_utils._disk import shrink
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.mountinfo import Mount
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import encrypt_in_place

SOURCES = Path(roll_back.__file__).parents[1]
FAULTS = [EdgesecError("x", "broke"), OSError(5, "Input/output error"), Malformed("y", "is damaged"), ValueError("odd")]

# All that goes back after an error; each takes its steps by go_back.
ROLL_BACKS = {
    ("_credentials/at_rest", "apply"),
    ("_boot/close_console", "_write"),
    ("_boot/mounts", "apply"),
    ("_boot_window/window", "open_window"),
    ("_credentials/permissions", "apply"),
    ("_greengrass/apply", "_apply_classic"),
    ("_volume/encrypt_in_place", "_encrypt"),
    ("_volume/encrypt_in_place", "_mounted"),
    ("_volume/encrypt_in_place", "_stop_services"),
    ("_volume/encrypt_in_place", "_switch"),
    ("_unlock/swap_main", "swap_on"),
    ("_keys/rotate_volume_key", "begin"),
}
# They put nothing back but what this process holds, or what the next attempt makes new: a context of the TPM, a
# descriptor, a temporary file, a mapping that was opened a moment before, a note that would have the latch set.
OTHERS = {
    ("_base/files", "write_atomic"),
    ("_base/files", "_change"),
    ("_base/files", "_open_regular"),
    ("_tpm/latch", "leaving"),
    ("_tpm/tools", "call"),
    ("_unlock/main", "_open"),
    ("_unlock/main", "unlock"),
}
HELPERS = {"go_back", "_switch_back", "_start_services"}


@given(st.lists(st.none() | st.sampled_from(FAULTS), max_size=8))
def test_every_step_is_taken_whatever_fails(faults: list[Exception | None]) -> None:
    taken: list[int] = []

    def step(number: int, fault: Exception | None) -> None:
        taken.append(number)
        if fault is not None:
            raise fault

    steps = [Step(f"step {n}", lambda n=n, fault=fault: step(n, fault)) for n, fault in enumerate(faults)]  # type: ignore[misc]
    failures = go_back(steps)
    assert taken == list(range(len(faults)))
    assert [each.split(":")[0] for each in failures] == [f"step {n}" for n, fault in enumerate(faults) if fault]


def test_the_first_cause_is_told_with_what_could_not_be_put_back() -> None:
    error = Refused("/dev/x", "it is too full", "Free some space")
    assert cause(error, []) is error
    assert str(cause(error, ["/data: busy"])) == (
        "/dev/x: it is too full; rolling back also failed: /data: busy. Free some space."
    )
    assert str(cause(error, [], "all is as it was")) == "/dev/x: it is too full; all is as it was. Free some space."


def calls_in(node: ast.AST) -> set[str]:
    return {
        each.func.id if isinstance(each.func, ast.Name) else each.func.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Call) and isinstance(each.func, (ast.Name, ast.Attribute))
    }


def test_the_list_of_roll_backs_is_whole() -> None:
    found, loose = set(), set()
    for path in SOURCES.glob("_*/*.py"):
        for function in ast.walk(ast.parse(path.read_text())):
            if not isinstance(function, ast.FunctionDef):
                continue
            for handler in (each for each in ast.walk(function) if isinstance(each, ast.ExceptHandler)):
                *work, last = handler.body
                does = any(isinstance(part, (ast.Expr, ast.For, ast.With, ast.If)) and calls_in(part) for part in work)
                if calls_in(handler) & HELPERS:
                    found.add((f"{path.parent.name}/{path.stem}", function.name))
                elif (
                    does
                    and isinstance(last, ast.Raise)
                    and not any(isinstance(p, ast.Raise) for p in ast.walk(work[0]))
                ):
                    loose.add((f"{path.parent.name}/{path.stem}", function.name))
    assert found - {("_volume/encrypt_in_place", "_switch_back")} == ROLL_BACKS
    assert loose <= OTHERS, "a roll-back whose steps can stop each other"


# Encryption in place ------------------------------------------------------------------------------------------------


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shrink, "UNDO_DIRECTORY", str(tmp_path / "undo"))
    (tmp_path / "undo").mkdir()
    path = tmp_path / "image"
    with path.open("wb") as file:
        file.truncate(16 << 20)
    argv = ["mkfs.ext4", "-q", str(path)]
    subprocess.run(argv, check=True, capture_output=True, env={"PATH": SEARCH_PATH})
    return path


MOUNTS = [Mount(n, 1, "7:0", "/", path, ("rw",), "ext4", "/dev/loop0", ("rw",)) for n, path in enumerate("ab")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("broken", ["clear_up", "_put_fstab_back", "_mount_again"])
def test_each_step_of_a_switch_that_failed(
    broken: str, fault: Exception, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def record(name: str) -> Any:
        def step(*arguments: Any) -> str:
            taken.append(name)
            modes.extend(arguments[2:3])
            if name == broken:
                raise fault
            return ""

        return step

    modes: list[Any] = []
    for name in ("clear_up", "_put_fstab_back", "_mount_again"):
        monkeypatch.setattr(encrypt_in_place, name, record(name))
    failures, note = encrypt_in_place._switch_back(Volume("data", str(image)), ("before", "guarded"), MOUNTS)
    assert taken == ["clear_up", "_put_fstab_back", "_mount_again", "_mount_again"]
    assert len(failures) == (2 if broken == "_mount_again" else 1)
    assert note == ""
    # What could not be undone is not written to.
    assert modes == [["ro"] if broken == "clear_up" else []] * 2


@pytest.mark.parametrize("content", [b"x", bytes(2048), b"E2UNDO02".ljust(2048, b"\0"), b"E2UN"])
def test_a_worthless_undo_file_is_told_and_passed_over(content: bytes, image: Path) -> None:
    path = Path(shrink.UNDO_DIRECTORY) / "data.e2undo"
    path.write_bytes(content)
    before = image.read_bytes()
    assert encrypt_in_place.clear_up(Volume("data", str(image))) == (
        f"{path} recorded nothing to put back, and was removed"
    )
    assert not path.exists()
    assert image.read_bytes() == before
    assert encrypt_in_place.clear_up(Volume("data", str(image))) == "", "a second run has nothing to mend"


def test_an_undo_file_that_cannot_be_used_stays(image: Path) -> None:
    path = Path(shrink.UNDO_DIRECTORY) / "data.e2undo"
    path.write_bytes(b"E2UNDO02".ljust(2048, b"\1"))
    failures, _note = encrypt_in_place._switch_back(Volume("data", str(image)), ("", ""), [])
    assert len(failures) == 1
    assert "e2undo" in failures[0]
    assert path.exists()


def test_an_undo_file_stays_until_the_start_of_its_device_is_back(image: Path) -> None:
    path = Path(shrink.UNDO_DIRECTORY) / "data.e2undo"
    path.write_bytes(b"E2UNDO02".ljust(2048, b"\1"))
    with image.open("r+b") as file:
        file.write(b"EDGESEC: the start of this device was moved, see edgesec.hardening\n{}")
    with pytest.raises(Refused, match="not been put back yet"):
        shrink.undo_shrink("data", str(image))
    assert path.exists()


# Others -------------------------------------------------------------------------------------------------------------


def test_each_file_of_a_declaration_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path in paths:
        path.write_text("")
        path.chmod(0o644)
    real = permissions._apply

    def breaks(path: str, *arguments: Any, **named: Any) -> Any:
        if path.endswith("d") or (path.endswith("b") and Path(path).stat().st_mode & 0o777 == 0o600):
            raise EdgesecError(path, "broke")
        return real(path, *arguments, **named)

    user = str(os.geteuid())
    files = [
        {"path": str(p), "owner": user, "group": str(os.getegid()), "mode": "0600", "required": True} for p in paths
    ]
    plan = permissions.look(permissions.declare(files))
    monkeypatch.setattr(permissions, "_apply", breaks)
    with pytest.raises(EdgesecError, match=r"d: broke; rolling back also failed: .*b: broke"):
        plan.apply()
    assert [oct(path.stat().st_mode & 0o777) for path in paths] == ["0o644", "0o600", "0o644", "0o644"]


@pytest.mark.parametrize("broken", ["_unlink", "_put_plaintext_back", "_put", "run"])
def test_each_step_of_a_credential_that_was_not_proven(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def record(name: str) -> Any:
        def step(*_arguments: Any, **_named: Any) -> None:
            taken.append(name)
            if name == broken:
                raise OSError(5, "Input/output error")

        return step

    names = ["_unlink", "_put_plaintext_back", "_put", "_put", "run", "run"]
    for name in dict.fromkeys(names):
        monkeypatch.setattr(at_rest, name, record(name))

    class Stand:
        source = aside = credential = drop_in = unit = "/x"
        before = ""

    status: Any = Stand()
    status.wanted = status
    failures = go_back(at_rest._undo(status, None, linked=False))
    assert taken == names
    assert len(failures) == names.count(broken)
