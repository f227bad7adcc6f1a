# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An upgrade of what runs at boot, cut short after each step: every launcher runs the old library or the new one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._base.places import LIBRARY, PACKAGE
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device import library as _library
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.install import install, missing
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.manifest import (
    CACHE,
    LAUNCHERS,
    digest,
    digest_of,
    launchers,
    library_of,
    superseded,
)

pytestmark = pytest.mark.minutes(2)

PROGRAMS = tuple(sorted({module for module, _purpose in LAUNCHERS.values()}))
# Each names the release that it is of, and that of a neighbour.
PROGRAM = 'from .. import _common\ndef main(_arguments):\n    print("{release}", _common.RELEASE)\n'
STEPS = ("rename", "replace", "unlink", "rmdir", "mkdir", "symlink", "open", "fchmod", "fsync")


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the installer carry a small library of some release."""

    def carry(name: str, *more: str) -> None:
        modules = (*PROGRAMS, "_common", *more)
        paths = [module.replace(".", "/") for module in modules]
        texts = {f"{path}.py": PROGRAM.format(release=name) for path in paths}
        texts |= {f"{Path(path).parent}/__init__.py": "" for path in paths if "/" in path}
        texts |= {"__init__.py": "", "_common.py": f"RELEASE = {name!r}\n"}
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


def carried() -> str:
    """The digest of the release that the installer carries."""
    return digest_of({name: text.encode() for name, text in _library.sources().items()})


def package(root: Path) -> Path:
    return root / library_of(carried()) / PACKAGE


def run(root: Path) -> set[str]:
    """What the launchers print, as they stand on the device."""
    there = str(root / LIBRARY)
    texts = [(root / LIBRARY / name).read_text().replace("/usr/lib/edgesec", there) for name in LAUNCHERS]
    done = subprocess.run([sys.executable, "-IS", "-c", EACH, *texts], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == len(LAUNCHERS)
    return set(done.stdout.splitlines())


def written(root: Path) -> dict[tuple[int, int], Path]:
    """The files there, each by what tells it from all that were written before."""
    paths = [path for path in (root / LIBRARY).rglob("*") if path.is_file() and not path.is_symlink()]
    return {(path.stat().st_ino, path.stat().st_mtime_ns): path for path in paths}


def in_a_child(root: Path, at_step: Callable[[int], None]) -> int:
    """Install in a process of its own, which says each step before it takes it; its process id."""
    child = os.fork()
    if child:
        return child
    taken = [0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            at_step(taken[0])
            taken[0] += 1
            return function(*arguments, **named)

        return step

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))
    try:
        install(str(root), missing(str(root), []))
    finally:
        os._exit(0 if sys.exc_info()[0] is None else 2)


def upgrade(root: Path, steps: int | None = None) -> bool:
    """Install, with a power cut after some steps that loses what was not synced; whether it came to its end."""
    kept = set(written(root))

    def sync(fd: Any) -> None:
        seen = os.fstat(fd)
        kept.add((seen.st_ino, seen.st_mtime_ns))

    def cut(step: int) -> None:
        if step == steps:
            for each, path in written(root).items():
                if each not in kept:
                    # The head that tells Python that it is compiled code, and nothing of the code.
                    path.write_bytes(path.read_bytes()[:16].ljust(path.stat().st_size, b"\0"))
            os._exit(1)

    whole, os.fsync = os.fsync, sync
    try:
        child = in_a_child(root, cut)
    finally:
        os.fsync = whole
    _pid, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) in (0, 1)
    return os.waitstatus_to_exitcode(status) == 0


def listed(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in (root / LIBRARY).rglob("*") if CACHE not in path.parts}


def copied(root: Path, to: Path) -> Path:
    subprocess.run(["cp", "-a", str(root), str(to)], check=True)
    return to


def first_release(root: Path) -> None:
    """The files as release 1.0.0 has put them there, in one place for all releases."""
    there = root / LIBRARY / PACKAGE
    for name, text in _library.sources().items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_text(text)
    for name, text in launchers(LIBRARY).items():
        (root / LIBRARY / name).write_text(text)


def former_release(root: Path) -> None:
    install(str(root), missing(str(root), []))


def assert_only_former_releases_go(root: Path) -> None:
    assert [change.path for change in missing(str(root), [])] == [str(root / name) for name in superseded(str(root))]


def assert_whole(root: Path) -> None:
    """Just this release is there, and all of it."""
    assert run(root) == {"new new"}
    assert missing(str(root), []) == []
    assert digest(str(root)) == carried()
    library = library_of(carried())
    assert listed(root) == {
        library,
        *(str(Path(f"{library}/{PACKAGE}/{name}").parent) for name in _library.sources()),
        *(f"{LIBRARY}/{name}" for name in LAUNCHERS),
        *(f"{library}/{PACKAGE}/{name}" for name in _library.sources()),
    }
    caches = [path for path in package(root).rglob("*.pyc") if path.parent.name == CACHE]
    compiled = {str((path.parents[1] / path.name.partition(".")[0]).relative_to(package(root))) for path in caches}
    assert compiled == {name.removesuffix(".py") for name in _library.sources()}


@pytest.mark.parametrize("layout", [first_release, former_release])
def test_cut_at_any_step_each_launcher_works_and_the_next_run_ends_it(
    tmp_path: Path, release: Callable[..., None], layout: Callable[[Path], None]
) -> None:
    old = tmp_path / "old"
    release("old", "_dropped")
    layout(old)
    assert run(old) == {"old old"}
    release("new", "_added")
    seen, steps, done = set(), 0, False
    while not done:
        root = copied(old, tmp_path / f"cut-{steps}")
        done = upgrade(root, steps)
        said = run(root)
        assert said <= {"old old", "new new"}, f"after {steps} steps"
        seen |= {frozenset(said)}
        if said != {"new new"}:
            assert digest(str(root)) != carried(), "facts tell that something is left to be done"
        assert upgrade(root)
        assert digest(str(root)) == carried()
        assert_only_former_releases_go(root)
        assert upgrade(root)
        assert_whole(root)
        subprocess.run(["rm", "-r", str(root)], check=True)
        steps += 1
    assert steps > 100
    assert {frozenset(["old old"]), frozenset(["new new"])} <= seen


@pytest.mark.parametrize("damage", ["source", "compiled", "no cache", "no compiled", "another time"])
def test_damage_is_told_and_mended_at_any_step_in_a_library_that_runs(
    tmp_path: Path, release: Callable[..., None], damage: str
) -> None:
    start = tmp_path / "start"
    release("new")
    former_release(start)
    source = package(start) / "_common.py"
    (compiled,) = (package(start) / CACHE).glob("_common.*")
    if damage == "source":
        source.write_text("")
        compiled.unlink()
    elif damage == "compiled":
        compiled.write_bytes(compiled.read_bytes()[:16].ljust(compiled.stat().st_size, b"\0"))
    elif damage == "no cache":
        subprocess.run(["rm", "-r", str(compiled.parent)], check=True)
    elif damage == "no compiled":
        compiled.unlink()
    else:
        os.utime(source, (1, 1))
    assert len(missing(str(start), [])) == 1
    steps, done = 0, False
    while not done:
        root = copied(start, tmp_path / f"cut-{steps}")
        done = upgrade(root, steps)
        assert upgrade(root)
        assert upgrade(root)
        assert_whole(root)
        subprocess.run(["rm", "-r", str(root)], check=True)
        steps += 17


def is_waiting(pid: int) -> bool:
    """Whether a process waits for a lock, see proc_locks(5)."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(words[1] == "->" and words[5] == str(pid) for words in lines)


def test_two_runs_at_once_leave_launchers_that_work(tmp_path: Path, release: Callable[..., None]) -> None:
    old = tmp_path / "old"
    release("old")
    former_release(old)
    release("new")
    for stop in range(0, 170, 12):
        for more in (1, sys.maxsize):
            root = copied(old, tmp_path / f"{stop}-{more}")

            def at_step(step: int, stop: int = stop, more: int = more) -> None:
                if step == stop:
                    os.kill(os.getpid(), signal.SIGSTOP)
                if step == stop + more:
                    os._exit(1)

            one = in_a_child(root, at_step)
            _pid, status = os.waitpid(one, os.WUNTRACED)
            if not os.WIFSTOPPED(status):
                break
            two = in_a_child(root, lambda _step: None)
            ended = 0
            while not ended and not is_waiting(two):
                ended, status = os.waitpid(two, os.WNOHANG)
            os.kill(one, signal.SIGCONT)
            _pid, cut = os.waitpid(one, 0)
            assert os.waitstatus_to_exitcode(cut) == (1 if more == 1 else 0)
            if not ended:
                _pid, status = os.waitpid(two, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            assert run(root) == {"new new"}, f"stopped before step {stop}, cut {more} later"


# Like a launcher, but tells when it has begun to import, and goes on when it is told to.
SLOW = """\
before, _import, after = sys.stdin.readline().encode().decode("unicode_escape").partition("from edgesec.")
exec(before)
import edgesec._common
print("begun", flush=True)
sys.stdin.readline()
exec(_import + after)
"""


def slow_start(root: Path, name: str) -> subprocess.Popen[str]:
    text = (root / LIBRARY / name).read_text().replace("/usr/lib/edgesec", str(root / LIBRARY))
    started = subprocess.Popen(
        [sys.executable, "-IS", "-c", f"import sys\n{SLOW}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    started.stdin.write(text.encode("unicode_escape").decode() + "\n")
    started.stdin.flush()
    assert started.stdout.readline() == "begun\n"
    return started


@pytest.mark.parametrize("layout", [first_release, former_release])
def test_a_launcher_that_started_before_imports_the_library_that_it_began_with(
    tmp_path: Path, release: Callable[..., None], layout: Callable[[Path], None]
) -> None:
    release("old", "_dropped")
    layout(tmp_path)
    started = [slow_start(tmp_path, name) for name in LAUNCHERS]
    release("new")
    assert upgrade(tmp_path)
    assert [each.communicate("\n")[0] for each in started] == ["old old\n"] * len(LAUNCHERS)
    assert run(tmp_path) == {"new new"}


def test_a_library_that_a_program_would_be_started_from_again_stays(
    tmp_path: Path, release: Callable[..., None]
) -> None:
    release("old")
    former_release(tmp_path)
    old = tmp_path / library_of(carried())
    watcher = ["/bin/sh", "-c", "read -r line", str(old), "watch"]
    with subprocess.Popen(watcher, stdin=subprocess.PIPE) as process:
        release("new")
        assert upgrade(tmp_path)
        assert missing(str(tmp_path), []) == [], "nothing that this run could do"
        assert upgrade(tmp_path)
        assert old.is_dir()
        process.communicate(b"\n")
    assert [change.path for change in missing(str(tmp_path), [])] == [str(old)]
    assert upgrade(tmp_path)
    assert_whole(tmp_path)


def test_an_upgrade_that_was_cut_short_is_followed_by_another_release(
    tmp_path: Path, release: Callable[..., None]
) -> None:
    root = tmp_path / "root"
    release("old")
    first_release(root)
    for number, steps in enumerate((20, 60, 110, 125, 130, 200)):
        release(f"release-{number}", f"_only_{number}")
        upgrade(root, steps)
        said = run(root)
        assert all(len(set(words.split())) == 1 for words in said), said
    release("new")
    assert upgrade(root)
    assert run(root) == {"new new"}
    assert upgrade(root)
    assert_whole(root)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A small file system in memory."""
    path = tmp_path / "small"
    path.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=96k", "none", str(path)]
    if os.geteuid() or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_is_named_and_changes_nothing(small: Path, release: Callable[..., None]) -> None:
    release("old")
    former_release(small)
    before = listed(small)
    release("new", *(f"_more_{number}" for number in range(30)))
    with pytest.raises(EdgesecError, match=r"cannot be written \(No space left on device\)\. Free space") as caught:
        install(str(small), missing(str(small), []))
    assert caught.value.subject.startswith(str(small))
    assert (run(small), listed(small)) == ({"old old"}, before)


@pytest.mark.parametrize("there", ["nothing", "a former release"])
def test_a_read_only_file_system_is_named(small: Path, release: Callable[..., None], there: str) -> None:
    if there != "nothing":
        release("old")
        former_release(small)
    release("new")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(EdgesecError, match=rf"^{small}.*cannot be written \(Read-only file system\)\. Mount"):
        install(str(small), missing(str(small), []))


@pytest.mark.parametrize("kind", ["module", "package", "bytecode", "launcher", "unfinished", "link"])
def test_what_an_older_release_left_is_told_and_removed(
    tmp_path: Path, kind: str, release: Callable[..., None]
) -> None:
    release("new")
    install(str(tmp_path), missing(str(tmp_path), []))
    there = package(tmp_path)
    left = {
        "module": there / "_dropped.py",
        "package": there / "_floor" / "_module.py",
        "bytecode": there / "_dropped.pyc",
        "launcher": tmp_path / LIBRARY / "dropped",
        "unfinished": tmp_path / LIBRARY / "._cli.py.abc",
        "link": there / "_link",
    }[kind]
    left.parent.mkdir(exist_ok=True)
    if kind == "link":
        left.symlink_to("/nowhere")
    else:
        left.write_text("was = 'there'\n")
    changes = missing(str(tmp_path), [])
    assert [left.is_relative_to(change.path) for change in changes] == [True]
    assert changes[0].diff["after"] == ""
    assert digest(str(tmp_path)) != carried()
    install(str(tmp_path), changes)
    assert missing(str(tmp_path), []) == []
    assert digest(str(tmp_path)) == carried()
    assert not os.path.lexists(left)
    assert run(tmp_path) == {"new new"}


@pytest.mark.parametrize("there", ["file", "link", "directory in place of a module"])
def test_what_stands_in_the_place_of_the_library_goes(tmp_path: Path, there: str, release: Callable[..., None]) -> None:
    release("new")
    root = tmp_path / "root"
    install(str(root), missing(str(root), []))
    inside, elsewhere = package(root), tmp_path / "elsewhere"
    if there.startswith("directory"):
        (inside / "_common.py").unlink()
        (inside / "_common.py").mkdir()
    else:
        inside.rename(elsewhere)
        if there == "link":
            inside.symlink_to(elsewhere)
            (elsewhere / "_common.py").write_text("RELEASE = 'evil'\n")
        else:
            inside.write_text("")
    assert missing(str(root), []) != []
    assert upgrade(root)
    assert run(root) == {"new new"}
    assert missing(str(root), []) == []
