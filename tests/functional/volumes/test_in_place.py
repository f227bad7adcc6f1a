# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a file system to a header in its place, on files: whatever a power cut leaves, the data is there.

Encrypting the data itself takes device-mapper: see tests/device.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._disk import shrink as _shrink
from ansible_collections.edgesec.hardening.plugins.module_utils._disk.shrink import (
    file_system_of,
    shrink,
    undo_shrink,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup, relocation
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import Pins, pins_of, violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.libcryptsetup import begin_encryption
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.reencryption import (
    Progress,
    is_under_way,
    progress,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.relocation import place_header, put_back
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import encrypt_in_place, in_place_state
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.encrypt_in_place import Job
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.in_place_state import PREPARE, START, look
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import observe
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.plan import identifiers, plan
from tests.functional.conftest import RECOVERY_KEY, format_volume

MIB = 1 << 20
SIZE = 40 * MIB
# Enough for a header with its keyslots, and little to write.
SHIFT = 2 * MIB
SMALLER = SIZE - 12 * MIB
SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


@dataclasses.dataclass(frozen=True)
class Files:
    """What is in a file system, and must still be."""

    digests: dict[str, str]

    def are_in(self, image: Path) -> bool:
        target = image.with_suffix(".files")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        system("debugfs", "-R", f"rdump / {target}", str(image))
        return digests_of(target) == self.digests


def system(*argv: str, ok: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={"PATH": SYSTEM_PATH})
    assert done.returncode in ok, f"{argv}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout


def digests_of(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is room, since everything here waits for the disk again and again."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Files]:
    """An ext4 file system with files at its end, which shrinking it has to move."""
    directory = tmp_path_factory.mktemp("original")
    tree = directory / "tree"
    source = random.Random(20)
    for number in range(300):
        path = tree / f"d{number % 20}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.choice([300, 9000, 100_000, 300_000])))
    image = directory / "original.img"
    system("mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-J", "size=4", "-d", str(tree), str(image), f"{SIZE >> 10}K")
    doomed = sorted(tree.rglob("f*"))[: 3 * 300 // 5]
    script = directory / "script"
    script.write_text("".join(f"rm /{path.relative_to(tree)}\n" for path in doomed))
    system("debugfs", "-w", "-f", str(script), str(image))
    for path in doomed:
        path.unlink()
    return image, Files(digests_of(tree))


@pytest.fixture
def image(original: tuple[Path, Files], tmp_path: Path) -> Path:
    return Path(shutil.copy(original[0], tmp_path / "data.img"))


@pytest.fixture
def files(original: tuple[Path, Files]) -> Files:
    return original[1]


def test_the_test_is_one(image: Path, files: Files) -> None:
    assert len(files.digests) == 120
    assert files.are_in(image)


@pytest.fixture
def undo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_shrink, "UNDO_DIRECTORY", str(tmp_path / "undo"))
    return tmp_path / "undo" / "data.e2undo"


def as_on_a_device(image: Path, original: Path) -> None:
    """resize2fs cuts a regular file off at its new end; on a block device what is behind stays."""
    kept = image.stat().st_size
    with image.open("r+b") as file, original.open("rb") as source:
        source.seek(kept)
        file.seek(kept)
        shutil.copyfileobj(source, file)


def test_shrink(image: Path, files: Files, undo: Path) -> None:
    found = file_system_of(str(image))
    assert found is not None
    assert (found.type, found.size_bytes, found.sector_bytes) == ("ext", SIZE, 4096)
    shrink("data", str(image), found, SMALLER, None)
    smaller = file_system_of(str(image))
    assert smaller is not None
    assert smaller == found._replace(size_bytes=SMALLER)
    assert undo.stat().st_size > MIB, "files had to be moved, and what was overwritten is kept"
    assert files.are_in(image)

    before = image.read_bytes()
    shrink("data", str(image), smaller, SMALLER, None)
    assert image.read_bytes() == before, "what is small enough is left alone"


def test_shrinking_is_undone_after_a_kill_at_any_moment(
    original: tuple[Path, Files], image: Path, files: Files, undo: Path
) -> None:
    moments = random.Random(2026)
    changed = 0
    for _attempt in range(8):
        shutil.copy(original[0], image)
        before = image.read_bytes()
        undo.parent.mkdir(exist_ok=True)
        process = subprocess.Popen(
            ["resize2fs", "-z", str(undo), str(image), f"{SMALLER >> 10}K"],
            env={"PATH": SYSTEM_PATH},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        as_on_a_device(image, original[0])
        changed += image.read_bytes() != before
        undo_shrink("data", str(image))
        assert not undo.exists()
        system("e2fsck", "-f", "-n", str(image))
        found = file_system_of(str(image))
        assert found is not None
        assert found.size_bytes == SIZE
        assert files.are_in(image)
    assert changed > 2, "the kills came too early or too late to prove anything"


@pytest.mark.usefixtures("undo")
def test_a_file_system_that_is_too_full(image: Path, files: Files) -> None:
    found = file_system_of(str(image))
    assert found is not None
    with pytest.raises(Refused, match=r"cannot shrink.*Free some space"):
        shrink("data", str(image), found, 4 * MIB, None)
    assert file_system_of(str(image)) == found
    assert files.are_in(image)


@pytest.mark.usefixtures("undo")
def test_a_file_system_with_errors(image: Path) -> None:
    system("debugfs", "-w", "-R", "clri <2>", str(image))
    found = file_system_of(str(image))
    assert found is not None
    with pytest.raises(Refused, match=r"(?s)has errors.*e2fsck -f"):
        shrink("data", str(image), found, SMALLER, None)


@pytest.fixture
def shrunk(image: Path, undo: Path, original: tuple[Path, Files]) -> Path:
    found = file_system_of(str(image))
    assert found is not None
    shrink("data", str(image), found, SMALLER, None)
    undo.unlink()
    as_on_a_device(image, original[0])
    return image


@pytest.fixture
def header(shrunk: Path, tmp_path: Path) -> Path:
    """A prepared header, with a keyslot for recovery and one more."""
    path = tmp_path / "header"
    with path.open("wb") as file:
        file.truncate(SHIFT)
    format_volume(str(shrunk), header=str(path), data_offset=SHIFT)
    cryptsetup.add_key(str(path), RECOVERY_KEY, b"tpm", slot="1")
    cryptsetup.import_token(str(path), "1", {"type": "edgesec-tpm2", "keyslots": ["1"]})
    return path


@pytest.fixture
def pins(header: Path) -> Pins:
    prepared = header_of(str(header))
    assert prepared is not None
    return pins_of(prepared)._replace(in_place=True)


def begin(image: Path, header: Path) -> None:
    begin_encryption(str(header), str(image), RECOVERY_KEY, slot=0, sector_size=4096, shift_bytes=SHIFT)


@pytest.mark.usefixtures("header")
def test_preparing_changes_nothing_on_the_device(shrunk: Path, files: Files) -> None:
    assert files.are_in(shrunk)
    assert header_of(str(shrunk)) is None


def test_the_beginning_moves_the_start_and_leaves_the_rest(shrunk: Path, header: Path) -> None:
    before = shrunk.read_bytes()
    begin(shrunk, header)
    assert shrunk.read_bytes() == before[:-SHIFT] + before[:SHIFT]


def test_the_header_that_is_placed_passes_the_check_only_while_it_may(shrunk: Path, header: Path, pins: Pins) -> None:
    begin(shrunk, header)
    place_header(str(shrunk), header.read_bytes(), SIZE - SHIFT)
    placed = header_of(str(shrunk))
    assert placed is not None
    assert is_under_way(placed)
    assert progress(placed, SIZE) == Progress(0, SIZE - 2 * SHIFT)
    assert violations(placed, pins) == []
    assert violations(placed, pins._replace(in_place=False)) != []
    for key, slot in ((RECOVERY_KEY, "0"), (b"tpm", "1")):
        assert cryptsetup.opens(str(shrunk), key, slot=slot)


def test_a_wrong_key_moves_nothing(shrunk: Path, header: Path) -> None:
    before = digest(shrunk)
    with pytest.raises(EdgesecError, match="libcryptsetup"):
        begin_encryption(str(header), str(shrunk), b"wrong", slot=0, sector_size=4096, shift_bytes=SHIFT)
    assert digest(shrunk) == before


def test_a_start_that_is_not_the_one_that_was_moved(shrunk: Path, header: Path) -> None:
    begin(shrunk, header)
    with shrunk.open("r+b") as file:
        file.seek(MIB)
        file.write(b"written by somebody else")
    before = digest(shrunk)
    with pytest.raises(EdgesecError, match="differs from it"):
        place_header(str(shrunk), header.read_bytes(), SIZE - SHIFT)
    assert digest(shrunk) == before


class PowerCut(BaseException):
    """The device stands still."""


class Disk:
    """A disk that loses power in the middle of a write: some of the write's sectors are on it, and some are not."""

    def __init__(self, cut_in: int, source: random.Random) -> None:
        self.left = cut_in
        self.source = source
        self.pwrite = os.pwrite

    def write(self, descriptor: int, data: bytes, at: int) -> int:
        if self.left:
            self.left -= 1
            return self.pwrite(descriptor, data, at)
        share = self.source.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        for begin in range(0, len(data), 512):
            if self.source.random() < share:
                self.pwrite(descriptor, data[begin : begin + 512], at + begin)
        raise PowerCut


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("write", range(5))
def test_a_power_cut_while_the_header_is_placed(
    shrunk: Path, header: Path, pins: Pins, files: Files, monkeypatch: pytest.MonkeyPatch, write: int, seed: int
) -> None:
    source = random.Random(100 * write + seed)
    begin(shrunk, header)
    before = shrunk.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(relocation.os, "pwrite", Disk(write, source).write)
        with pytest.raises(PowerCut):
            place_header(str(shrunk), header.read_bytes(), SIZE - SHIFT)
    if shrunk.read_bytes() == before:
        assert not put_back(str(shrunk))
        return
    if header_of_whole(shrunk) is not None:
        assert not put_back(str(shrunk))
        assert violations(header_of_whole(shrunk), pins) == []
        assert cryptsetup.opens(str(shrunk), RECOVERY_KEY, slot="0")
        assert cryptsetup.opens(str(shrunk), b"tpm", slot="1")
        return
    # The power is cut again while it is put back.
    for _again in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(relocation.os, "pwrite", Disk(source.randrange(3), source).write)
            try:
                put_back(str(shrunk))
            except PowerCut:
                continue
            break
    put_back(str(shrunk))
    assert shrunk.read_bytes() == before
    assert files.are_in(shrunk)


def test_a_second_copy_that_was_half_written_is_put_back_and_never_offered_for_erasure(
    shrunk: Path, header: Path, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(shrunk, header)
    found = file_system_of(str(shrunk))
    assert found is not None
    pwrite = os.pwrite

    def cut(descriptor: int, data: bytes, at: int) -> int:
        if data[:4] == b"SKUL":
            pwrite(descriptor, data[:4096], at)
            raise PowerCut
        return pwrite(descriptor, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(relocation.os, "pwrite", cut)
        with pytest.raises(PowerCut):
            place_header(str(shrunk), header.read_bytes(), SIZE - SHIFT)
    volume = Volume("data", str(shrunk), None, "encrypt_in_place", found.uuid)
    facts = observe(volume)
    assert (facts["interrupted"], identifiers(facts)) == (True, [])
    assert look(Job(volume, (), "tpm2")).stage == PREPARE
    with pytest.raises(Refused):
        plan(facts, volume._replace(on_existing_data="erase"))
    assert put_back(str(shrunk))
    assert files.are_in(shrunk)


@pytest.mark.usefixtures("undo")
def test_the_work_is_done_on_the_device_that_was_looked_at(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(image)
    found = file_system_of(str(image))
    assert found is not None
    started: list[Job] = []
    monkeypatch.setattr(encrypt_in_place, "SHIFT", MIB)
    monkeypatch.setattr(in_place_state, "install_library", lambda: "")
    monkeypatch.setattr(in_place_state, "wait_until_begun", lambda _name: None)
    monkeypatch.setattr(encrypt_in_place, "start", lambda job, _library, _key: started.append(job))
    state = look(Job(Volume("data", str(link), None, "encrypt_in_place", found.uuid), (), "tpm2"))
    assert state.job.volume.device == str(link), "what is sealed is named as it was declared"
    link.unlink()
    link.symlink_to("/dev/null")
    state._replace(stage=START).start(RECOVERY_KEY)
    assert [job.volume.device for job in started] == [str(image)]


def test_a_file_system_mounted_in_another_namespace_is_refused_and_its_user_named(image: Path, tmp_path: Path) -> None:
    found = file_system_of(str(image))
    assert found is not None
    place = tmp_path / "place"
    place.mkdir()
    shown = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=False)
    if shown.returncode:
        pytest.skip("no loop devices here")
    loop = shown.stdout.strip()
    try:
        script = 'mount "$1" "$2" || exit 1; echo up; exec sleep 60'
        argv = ["unshare", "-m", "sh", "-c", script, "sh", loop, str(place)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            if process.stdout.readline() != b"up\n":
                pytest.skip("nothing can be mounted here")
            job = Job(Volume("data", loop, None, "encrypt_in_place", found.uuid), (), "tpm2")
            with pytest.raises(Refused, match=rf"another mount namespace, of \w+ \(pid {process.pid}\)"):
                encrypt_in_place.require_convertible(job)
            process.kill()
    finally:
        system("losetup", "-d", loop)


def header_of_whole(image: Path):  # type: ignore[no-untyped-def]
    try:
        return header_of(str(image))
    except Malformed:
        return None


def test_what_was_moved_and_has_changed_is_not_put_back(
    shrunk: Path, header: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(shrunk, header)
    with monkeypatch.context() as patch:
        patch.setattr(relocation.os, "pwrite", Disk(1, random.Random(1)).write)
        with pytest.raises(PowerCut):
            place_header(str(shrunk), header.read_bytes(), SIZE - SHIFT)
    with shrunk.open("r+b") as file:
        file.seek(SIZE - 100)
        file.write(b"changed")
    before = digest(shrunk)
    with pytest.raises(Malformed, match="has changed since"):
        put_back(str(shrunk))
    assert digest(shrunk) == before


def test_other_devices_are_not_touched(image: Path) -> None:
    before = digest(image)
    assert not put_back(str(image))
    assert digest(image) == before


def digest(image: Path) -> str:
    return hashlib.sha256(image.read_bytes()).hexdigest()
