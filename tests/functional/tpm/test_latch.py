# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Once a secret has left the TPM, it leaves it no second time in that boot: whatever happens to the unlocker.

Everything is real but the mapping, for which there may be no device-mapper here: cryptsetup opens the checked copy, and
a file stands for what it would map. The device tests map.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import ToolFailed, UnlockError
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import enrolment as _enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import main as _unlock
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import outcome as unlock_outcome
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.outcome import Outcome
from tests.functional.conftest import RECOVERY_KEY, VOLUME_BYTES, SoftwareTpm, boot, format_volume
from tests.support.controller import HOST, Controller

OTHER_UUID = "0c4bfa3f-5d2c-4a52-9a43-0f0fbe0a3d11"


class Board:
    """A device with sealed volumes that has just booted."""

    def __init__(self, controller: Controller, directory: Path) -> None:
        self.controller, self.tpm, self.directory = controller, controller.tpm, directory
        self.after_opening: Callable[[], None] = lambda: None

    def open_volume(self, _device: str, name: str, key: bytes, **options: Any) -> None:
        assert cryptsetup.opens(options["header"], key, slot=options["slot"])
        self.mapper(name).touch()
        self.after_opening()

    def mapper(self, name: str) -> Path:
        return self.directory / f"mapper-{name}"

    def unlock(self, name: str = "data") -> Outcome:
        return _unlock.unlock(name, self.tpm.tcti)

    def outcome(self, name: str = "data") -> Outcome:
        outcome = _unlock.read_outcome(name)
        assert outcome is not None
        return outcome

    @property
    def is_latched(self) -> bool:
        """In every active bank, and to whoever asks the TPM for the secret."""
        pcr, client = self.controller.token.latch_pcr, self.tpm.client
        unextended = [bank for bank in client.active_banks() if not client.read_pcrs(bank, [pcr])[pcr].strip(b"\0")]
        assert len(unextended) in (0, len(client.active_banks()))
        if not unextended:
            assert self.controller.refusal() == "pcr_mismatch"
        return not unextended

    def reboot(self) -> None:
        self.tpm.reboot()
        boot(self.tpm)
        for left in (*self.directory.glob("mapper-*"), *self.directory.glob("run/*/*")):
            left.unlink()


@pytest.fixture
def board(tpm: SoftwareTpm, volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    root = tmp_path / "root"
    root.mkdir()
    controller = Controller(tpm, volume, root)
    assert controller.harden().action == "seal"
    board = Board(controller, tmp_path)
    run = tmp_path / "run"
    monkeypatch.setattr(_unlock, "RUN_DIRECTORY", str(run))
    for module in (_unlock, unlock_outcome):
        monkeypatch.setattr(module, "OUTCOME_DIRECTORY", str(run / "unlock"))
    monkeypatch.setattr(_unlock, "read_outcome", unlock_outcome.read_outcome)
    monkeypatch.setattr(_unlock, "read_enrolment", lambda name: _enrolment.read_enrolment(name, str(root)))
    monkeypatch.setattr(_unlock, "enrolled_names", lambda: _enrolment.enrolled_names(str(root)))
    monkeypatch.setattr(_unlock, "_is_to_open_at_boot", lambda _name: True)
    monkeypatch.setattr(_unlock, "_mapper", lambda name: str(board.mapper(name)))
    monkeypatch.setattr(_unlock, "_verify_mapping", lambda _enrolment: None)
    monkeypatch.setattr(_unlock, "_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(cryptsetup, "open_volume", board.open_volume)
    monkeypatch.setattr(cryptsetup, "close_volume", lambda name: board.mapper(name).unlink())
    before = signal.getsignal(signal.SIGTERM)
    board.reboot()
    yield board
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def other(board: Board) -> Volume:
    """A second volume that is sealed to the same TPM."""
    path = board.directory / "other.img"
    with open(path, "wb") as file:
        file.truncate(VOLUME_BYTES)
    volume = Volume(name="other", device=str(path))
    format_volume(volume.device, uuid=OTHER_UUID, label="edgesec-other")
    second = Controller(board.tpm, volume, Path(board.controller.root))
    second.key = board.controller.key
    second.store.put_recovery_key(HOST, OTHER_UUID, RECOVERY_KEY)
    assert second.harden().action == "seal"
    board.reboot()
    return volume


def test_an_open_volume_is_latched_and_stays_so_whoever_asks_again(board: Board) -> None:
    assert board.unlock().reason == "ok"
    assert board.outcome().latched
    assert board.is_latched
    before = board.outcome()
    assert board.unlock() == before, "what is known of an open volume must not be overwritten"
    assert board.outcome() == before
    board.mapper("data").unlink()
    assert board.unlock().reason == "pcr_mismatch"


@pytest.mark.usefixtures("other")
def test_one_start_opens_all_sealed_volumes_before_the_latch_is_set(board: Board) -> None:
    assert board.unlock().reason == "ok"
    assert board.mapper("other").exists()
    assert (board.outcome("other").reason, board.outcome("other").latched) == ("ok", True)
    assert board.is_latched
    assert board.unlock("other").reason == "ok"


@pytest.mark.usefixtures("other")
def test_a_start_that_opens_nothing_sets_no_latch_before_all_volumes_were_tried(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process opens a volume just before this one has its turn, and has not come to the second one yet."""
    alone = _unlock._one_at_a_time
    opened: list[str] = []

    @contextmanager
    def after_another() -> Iterator[None]:
        if not opened:
            opened.append("data")
            assert _unlock._attempt("data", board.tpm.client, 0).reason == "ok"
        with alone():
            yield

    monkeypatch.setattr(_unlock, "_one_at_a_time", after_another)
    assert board.unlock("nobody").reason == "failed"
    assert board.outcome("other").reason == "ok"
    assert board.is_latched


def test_a_volume_that_cannot_be_opened_does_not_keep_the_latch_from_being_set(board: Board, other: Volume) -> None:
    Path(other.device).rename(f"{other.device}.away")
    assert board.unlock().reason == "ok"
    assert board.outcome("other").reason == "device_missing"
    assert board.is_latched


@pytest.mark.parametrize("content", ["{}", "", "[" * 100_000])
def test_an_enrolment_that_cannot_be_read_does_not_keep_the_latch_from_being_set(board: Board, content: str) -> None:
    Path(board.controller.root, "etc/edgesec/tpm/broken.json").write_text(content)
    assert board.unlock().reason == "ok"
    assert board.is_latched


def test_the_latch_is_set_though_the_enrolment_is_gone_once_the_volume_is_open(board: Board) -> None:
    path = Path(board.controller.root, "etc/edgesec/tpm/data.json")
    content = path.read_bytes()
    board.after_opening = path.unlink
    assert board.unlock().reason == "ok"
    path.write_bytes(content)
    assert board.is_latched


def rejected() -> None:
    raise ToolFailed("cryptsetup", 2, "No key available with this passphrase.")


def mapped_otherwise() -> None:
    raise UnlockError("mapping_differs", "data", "the kernel's mapping differs from the sealed volume")


def stopped() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("event", "reason"), [(rejected, "key_rejected"), (mapped_otherwise, "mapping_differs"), (stopped, "interrupted")]
)
def test_however_an_attempt_ends_after_the_secret_has_left_the_latch_is_set(
    board: Board, event: Callable[[], None], reason: str
) -> None:
    signal.signal(signal.SIGTERM, _unlock._interrupted)
    board.after_opening = event
    assert board.unlock().reason == reason
    assert not board.mapper("data").exists()
    assert board.outcome().latched
    assert board.is_latched


def unforeseen() -> None:
    raise ZeroDivisionError


def test_an_error_that_nobody_foresaw_sets_the_latch_as_well(board: Board) -> None:
    board.after_opening = unforeseen
    with pytest.raises(ZeroDivisionError):
        board.unlock()
    assert not board.mapper("data").exists()
    assert board.is_latched


def killed_while_opening(board: Board, after: int = 1) -> None:
    """Another process, as the kernel ends it when memory runs out: once it has opened so many volumes."""
    child = os.fork()
    if child == 0:
        opened = itertools.count(1)
        board.after_opening = lambda: os.kill(os.getpid(), signal.SIGKILL) if next(opened) == after else None
        board.unlock()
        os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not board.is_latched


def test_what_a_killed_unlocker_left_undone_is_done_when_its_unit_has_ended(board: Board) -> None:
    killed_while_opening(board)
    assert _unlock.latch_what_is_left("data", board.tpm.tcti) == 0
    assert board.is_latched
    assert _unlock.latch_what_is_left("data", board.tpm.tcti) == 0


def test_the_next_start_after_a_killed_one_sets_the_latch_and_asks_for_no_secret(board: Board) -> None:
    killed_while_opening(board)
    board.mapper("data").unlink()
    assert board.unlock().reason == "pcr_mismatch"
    assert board.is_latched


def test_a_volume_whose_latch_cannot_be_set_is_closed(board: Board) -> None:
    board.after_opening = board.tpm.stop
    assert board.unlock().reason == "latch_failed"
    assert not board.mapper("data").exists()
    assert board.outcome().reason == "latch_failed"
    assert not board.outcome().latched


def test_after_a_killed_unlocker_a_volume_whose_latch_cannot_be_set_is_closed(board: Board) -> None:
    killed_while_opening(board)
    board.tpm.stop()
    assert _unlock.latch_what_is_left("data", board.tpm.tcti) == 1
    assert not board.mapper("data").exists()
    assert board.outcome().reason == "latch_failed"


@pytest.mark.usefixtures("other")
def test_what_a_killed_unlocker_brought_along_is_closed_too_where_the_latch_cannot_be_set(board: Board) -> None:
    killed_while_opening(board, after=2)
    assert {"data", "other"} == {name for name in ("data", "other") if board.mapper(name).exists()}
    board.tpm.stop()
    assert _unlock.latch_what_is_left("data", board.tpm.tcti) == 1
    for name in ("data", "other"):
        assert not board.mapper(name).exists()
        assert board.outcome(name).reason == "latch_failed"


@pytest.mark.usefixtures("other")
def test_the_unlocker_of_another_volume_closes_what_a_killed_one_left_open(board: Board) -> None:
    killed_while_opening(board)
    board.tpm.stop()
    assert not board.unlock("other").opened
    assert not board.mapper("data").exists()
    assert board.outcome("data").reason == "latch_failed"


@pytest.mark.usefixtures("other")
def test_where_a_note_cannot_be_read_every_volume_with_a_note_is_closed(board: Board) -> None:
    killed_while_opening(board, after=2)
    (board.directory / "run" / "latch" / "data.json").write_text("")
    assert _unlock.latch_what_is_left("other", board.tpm.tcti) == 1
    for name in ("data", "other"):
        assert not board.mapper(name).exists()
        assert board.outcome(name).reason == "latch_failed"


def test_no_secret_leaves_where_that_cannot_be_noted(board: Board) -> None:
    (board.directory / "run").mkdir(exist_ok=True)
    (board.directory / "run" / "latch").write_text("in the way")
    outcome = _unlock._attempt("data", board.tpm.client, 0)
    assert outcome.reason == "failed"
    assert not board.mapper("data").exists()


def test_a_boot_state_that_is_not_approved_sets_no_latch_so_that_it_still_can_be(board: Board) -> None:
    board.tpm.measure(4, "another kernel")
    assert board.unlock().reason == "pcr_mismatch"
    assert not board.is_latched


@pytest.mark.usefixtures("other")
def test_a_foreign_header_sets_the_latch_though_no_secret_has_left(board: Board) -> None:
    with open(board.controller.volume.device, "r+b") as file:
        start = file.read(512)
        file.seek(0)
        file.write(b"LUKS\xba\xbe\x00\x02 of another")
        file.flush()
        assert board.unlock().reason == "header_foreign"
        file.seek(0)
        file.write(start)
    assert board.outcome("other").reason == "ok", "the other volume must not suffer from it"
    assert board.is_latched


def test_a_token_on_the_disk_does_not_choose_another_latch(board: Board) -> None:
    device = board.controller.volume.device
    header = header_of(device)
    assert header is not None
    cryptsetup.import_token(device, "1", {**header.tokens["1"], "latch_pcr": 16})
    assert board.unlock().reason == "ok"
    assert board.is_latched
