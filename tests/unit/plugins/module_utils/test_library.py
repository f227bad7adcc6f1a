# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upgrade of what runs at boot, cut short after each step: every launcher runs the old library or the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils import _library, _runtime
from ansible_collections.edgesec.hardening.plugins.module_utils._runtime import DIRECTORY, LAUNCHERS, PACKAGE
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock_service import install, missing

PROGRAMS = tuple(sorted({module for module, _purpose in LAUNCHERS.values()}))
# Each names the release that it is of, and that of a neighbour.
PROGRAM = 'from . import _common\ndef main(_arguments):\n    print("{release}", _common.RELEASE)\n'
STEPS = ("rename", "replace", "unlink", "rmdir", "mkdir", "symlink", "open", "fchmod")


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the installer carry a small library of some release."""

    def carry(name: str, *more: str) -> None:
        modules = (*PROGRAMS, "_common", *more)
        texts = {f"{module}.py": PROGRAM.format(release=name) for module in modules}
        texts.update({"__init__.py": "", "_common.py": f"RELEASE = {name!r}\n"})
        monkeypatch.setattr(_runtime, "MODULES", modules)
        monkeypatch.setattr(_library, "sources", lambda: texts)
        # The end of a process loses nothing that was written, and these are thousands.
        monkeypatch.setattr(os, "fsync", lambda _descriptor: None)

    return carry


# Runs each text that it is given in a process of its own.
EACH = """\
import os, sys
for text in sys.argv[1:]:
    if os.fork() == 0:
        exec(text)
    if os.wait()[1]:
        sys.exit(text)
"""


def run(root: Path) -> set[str]:
    """What the launchers print, as they stand on the device."""
    there = str(root / DIRECTORY)
    texts = [(root / DIRECTORY / name).read_text().replace("/usr/lib/edgesec", there) for name in LAUNCHERS]
    done = subprocess.run([sys.executable, "-IS", "-c", EACH, *texts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(LAUNCHERS)
    return set(done.stdout.splitlines())


def upgrade(root: Path, steps: int | None = None) -> bool:
    """Install in a process of its own, which ends as by a power cut after some steps; whether it came to its end."""
    child = os.fork()
    if child == 0:
        left = [sys.maxsize if steps is None else steps]

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(1)
                return function(*arguments, **named)

            return step

        for name in STEPS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            install(str(root), missing(str(root), []))
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 2)
    _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1)
    return os.waitstatus_to_exitcode(status) == 0


def listed(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / DIRECTORY).rglob("*") if "__pycache__" not in path.parts}


def copied(root: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", str(root), str(to)], check=True)
    return to


def first_release(root: Path) -> None:
    """The files as release 1.0.0 has put them there, one by one, with a module that is gone since."""
    install(str(root), missing(str(root), []))


def test_cut_at_any_step_each_launcher_works_and_the_next_run_ends_it(
    tmp_path: Path, release: Callable[..., None]
) -> None:
    old = tmp_path / "old"
    release("old", "_dropped")
    first_release(old)
    assert run(old) == {"old old"}
    release("new", "_added")
    seen, steps, done = set(), 0, False
    while not done:
        root = copied(old, tmp_path / f"cut-{steps}")
        done = upgrade(root, steps)
        said = run(root)
        assert said <= {"old old", "new new"}, f"after {steps} steps"
        seen |= {frozenset(said)}
        if done:
            assert missing(str(root), []) == []
        elif missing(str(root), []):
            assert _runtime.digest(str(root)) != _runtime.digest_of(
                {name: text.encode() for name, text in _library.sources().items()}
            ), "facts tell that something is left to be done"
        assert upgrade(root)
        assert run(root) == {"new new"}
        assert missing(str(root), []) == []
        assert listed(root) == {
            PACKAGE,
            *(f"{DIRECTORY}/{name}" for name in LAUNCHERS),
            *(f"{PACKAGE}/{name}" for name in _library.sources()),
        }
        subprocess.run(["rm", "-r", str(root)], check=True)
        steps += 1
    assert steps > 100
    assert {frozenset(["old old"]), frozenset(["new new"])} <= seen


def test_an_upgrade_that_was_cut_short_is_followed_by_another_release(
    tmp_path: Path, release: Callable[..., None]
) -> None:
    root = tmp_path / "root"
    release("old")
    first_release(root)
    for number, steps in enumerate((20, 30, 40, 50, 60)):
        release(f"release-{number}", f"_only_{number}")
        upgrade(root, steps)
        said = run(root)
        assert all(len(set(words.split())) == 1 for words in said), said
    release("last")
    assert upgrade(root)
    assert run(root) == {"last last"}
    assert missing(str(root), []) == []


@pytest.mark.parametrize("kind", ["module", "package", "bytecode", "launcher", "unfinished", "link"])
def test_what_an_older_release_left_is_told_and_removed(
    tmp_path: Path, kind: str, release: Callable[..., None]
) -> None:
    release("new")
    install(str(tmp_path), missing(str(tmp_path), []))
    digest = _runtime.digest(str(tmp_path))
    package = tmp_path / PACKAGE
    left = {
        "module": package / "_dropped.py",
        "package": package / "_floor" / "_module.py",
        "bytecode": package / "_dropped.pyc",
        "launcher": tmp_path / DIRECTORY / "dropped",
        "unfinished": tmp_path / DIRECTORY / "._cli.py.abc",
        "link": package / "_link",
    }[kind]
    left.parent.mkdir(exist_ok=True)
    if kind == "link":
        left.symlink_to("/nowhere")
    else:
        left.write_text("was = 'there'\n")
    changes = missing(str(tmp_path), [])
    assert [left.is_relative_to(change.path) for change in changes] == [True]
    assert changes[0].diff["after"] == ""
    assert _runtime.digest(str(tmp_path)) != digest
    install(str(tmp_path), changes)
    assert missing(str(tmp_path), []) == []
    assert _runtime.digest(str(tmp_path)) == digest
    assert not os.path.lexists(left)
    assert run(tmp_path) == {"new new"}


@pytest.mark.parametrize("there", ["file", "link", "directory in place of a module"])
def test_what_stands_in_the_place_of_the_library_goes(tmp_path: Path, there: str, release: Callable[..., None]) -> None:
    release("new")
    root = tmp_path / "root"
    install(str(root), missing(str(root), []))
    package, elsewhere = root / PACKAGE, tmp_path / "elsewhere"
    if there.startswith("directory"):
        (package / "_common.py").unlink()
        (package / "_common.py").mkdir()
    else:
        package.rename(elsewhere)
        if there == "link":
            package.symlink_to(elsewhere)
            (elsewhere / "_common.py").write_text("RELEASE = 'evil'\n")
        else:
            package.write_text("")
    assert missing(str(root), []) != []
    assert upgrade(root)
    assert run(root) == {"new new"}
    assert missing(str(root), []) == []


def test_unchanged_code_is_compiled(tmp_path: Path, release: Callable[..., None]) -> None:
    release("new")
    install(str(tmp_path), missing(str(tmp_path), []))
    compiled = {path.name.partition(".")[0] for path in (tmp_path / PACKAGE / "__pycache__").iterdir()}
    assert compiled == {"__init__", "_common", *PROGRAMS}
