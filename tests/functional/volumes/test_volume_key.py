# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotating the volume key of a real volume, with the power cut before every step.

The data of a closed volume in a file is encrypted anew by cryptsetup; that it is so while a volume is in use, and comes
out the same, is shown by tests/device/test_volume_key.py.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused, ToolFailed
from ansible_collections.edgesec.hardening.plugins.module_utils._keys import rotate_volume_key
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.boot_key import BootKey
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.recovery import rotate
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.rotate_volume_key import (
    BEGUN,
    IDLE,
    begin,
    look,
    require_rotatable,
    take_back,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup, libcryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import pins_of, violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.key_file_token import KeyFile
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.reencryption import is_rekeyed
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock import volume_key
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import (
    Enrolment,
    path_of,
    read_enrolment,
    write_enrolment,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.volume_key import announce, record_final_key
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_recovery
from tests.functional.conftest import RECOVERY_KEY, Budget
from tests.support.module_runner import Result, run_module

KEY = b"what opens it at boot, 32 bytes."
BOOT_KEY = BootKey(KEY, "1")
STEPS = 7


def header(volume: Volume) -> Header:
    found = header_of(volume.device)
    assert found is not None
    return found


def digest(volume: Volume) -> str:
    return hashlib.sha256(Path(volume.device).read_bytes()).hexdigest()


def finish(volume: Volume, key: bytes) -> None:
    """As the device does in the background, but with a closed volume."""
    command = ["cryptsetup", "reencrypt", "--batch-mode", "--resume-only", "--force-offline-reencrypt"]
    subprocess.run([*command, "--key-file", "-", volume.device], input=key, check=True)


def run(volume: Volume, *, check: bool = False, key: bytes | None = None) -> Result:
    arguments = {"name": volume.name, "device": volume.device, "store": "/nowhere"}
    return run_module("luks_volume_key", {**arguments, **({"recovery_key": key.decode()} if key else {})}, check=check)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "root")


@pytest.fixture
def enrolled(volume: Volume, root: str) -> Volume:
    """A volume that a key file opens at boot."""
    token = KeyFile("1", "1234-ABCD", "data.key")
    cryptsetup.add_key(volume.device, RECOVERY_KEY, KEY, slot="1")
    cryptsetup.import_token(volume.device, "0", token.to_json())
    pins = pins_of(header(volume))
    write_enrolment(Enrolment(volume.name, volume.device, pins, token), root)
    announce(volume.name, "", root)
    announce(volume.name, None, root)
    return volume


def seen_at_boot(volume: Volume, root: str) -> list[str]:
    """What the unlocker finds wrong with the header, and with the keys that it and an operator have."""
    enrolment = read_enrolment(volume.name, root)
    found = violations(header(volume), enrolment.pins)
    settled = header(volume).volume_key_fingerprint == enrolment.pins.volume_key_fingerprint
    if not cryptsetup.opens(volume.device, KEY, slot=enrolment.token.keyslot if settled else None):
        found.append("the boot key does not open it")
    if not cryptsetup.opens(volume.device, RECOVERY_KEY):
        found.append("the recovery key does not open it")
    return found


def test_the_keys_open_it_before_while_and_after_it_has_another_volume_key(enrolled: Volume, root: str) -> None:
    before = header(enrolled).volume_key_fingerprint
    begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    assert is_rekeyed(header(enrolled))
    assert look(enrolled).stage == BEGUN
    assert seen_at_boot(enrolled, root) == []
    require_recovery(enrolled.device, RECOVERY_KEY)

    finish(enrolled, KEY)
    assert seen_at_boot(enrolled, root) == [], "not settled yet"
    for _time in range(2):
        record_final_key(enrolled.name, enrolled.device, root)
        assert seen_at_boot(enrolled, root) == []
        assert sorted(header(enrolled).keyslots) == ["0", "2"]
        assert [token["keyslots"] for token in header(enrolled).tokens.values()] == [["2"]]
    require_recovery(enrolled.device, RECOVERY_KEY)
    pins = read_enrolment(enrolled.name, root).pins
    assert pins == pins._replace(next_volume_key_fingerprint=None)
    assert pins.volume_key_fingerprint == header(enrolled).volume_key_fingerprint != before
    assert look(enrolled).stage == IDLE

    begin(enrolled, RECOVERY_KEY, BootKey(KEY, "2"), root)
    finish(enrolled, RECOVERY_KEY)
    record_final_key(enrolled.name, enrolled.device, root)
    assert sorted(header(enrolled).keyslots) == ["0", "1"]
    assert seen_at_boot(enrolled, root) == []


def test_no_data_stays_as_it_was(enrolled: Volume, root: str) -> None:
    offset = header(enrolled).data_offset or 0
    before = Path(enrolled.device).read_bytes()[offset:]
    begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    assert Path(enrolled.device).read_bytes()[offset:] == before
    finish(enrolled, KEY)
    after = Path(enrolled.device).read_bytes()[offset:]
    assert not [at for at in range(0, len(before), 4096) if before[at : at + 4096] == after[at : at + 4096]]


def test_a_volume_that_the_controller_opens(volume: Volume, root: str) -> None:
    begin(volume, RECOVERY_KEY, None, root)
    require_recovery(volume.device, RECOVERY_KEY)
    finish(volume, RECOVERY_KEY)
    record_final_key(volume.name, volume.device, root)
    assert sorted(header(volume).keyslots) == ["0"]
    require_recovery(volume.device, RECOVERY_KEY)
    assert not Path(path_of(volume.name, root)).exists()


@pytest.mark.parametrize("steps", range(STEPS))
def test_the_power_is_cut_before_a_step(
    enrolled: Volume, root: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(steps)
    with monkeypatch.context() as cut:
        for module, names in (
            (cryptsetup, ("add_key", "kill_slot")),
            (volume_key, ("write_enrolment",)),
            (rotate_volume_key, ("add_next_volume_key", "begin_reencryption")),
        ):
            for name in names:
                cut.setattr(module, name, budget.counted(getattr(module, name)))
        try:
            begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
        except InterruptedError:
            assert budget.left == 0
            assert not is_rekeyed(header(enrolled))
        else:
            assert steps == STEPS - 1, "the last budget, and no other, is enough"
    assert seen_at_boot(enrolled, root) == []

    if not is_rekeyed(header(enrolled)):
        begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    finish(enrolled, KEY)
    record_final_key(enrolled.name, enrolled.device, root)
    assert sorted(header(enrolled).keyslots) == ["0", "2"]
    assert seen_at_boot(enrolled, root) == []


def test_between_volume_keys_the_recovery_key_is_not_said_to_open_data(enrolled: Volume) -> None:
    libcryptsetup.add_next_volume_key(enrolled.device, {"2": RECOVERY_KEY})
    cryptsetup.kill_slot(enrolled.device, "0", KEY)
    libcryptsetup.add_next_volume_key(enrolled.device, {"0": RECOVERY_KEY})
    assert header(enrolled).unbound_keyslots == ["0", "2"]
    for refused in (
        lambda: require_recovery(enrolled.device, RECOVERY_KEY),
        lambda: rotate(enrolled.device, RECOVERY_KEY, b"another"),
    ):
        with pytest.raises(Refused, match="rotate_volume_key"):
            refused()


def test_what_the_library_refuses_is_taken_back(enrolled: Volume, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, pins = header(enrolled), read_enrolment(enrolled.name, root).pins

    def refuse(*_arguments: object, **_named: object) -> None:
        raise ToolFailed("libcryptsetup", -22, "no")

    monkeypatch.setattr(rotate_volume_key, "begin_reencryption", refuse)
    with pytest.raises(ToolFailed):
        begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    after = header(enrolled)
    assert (sorted(after.keyslots), after.digests["0"]["digest"]) == (["0", "1"], before.digests["0"]["digest"])
    assert list(after.digests) == ["0"]
    assert read_enrolment(enrolled.name, root).pins == pins
    assert seen_at_boot(enrolled, root) == []


def test_a_header_with_another_volume_key_that_was_not_announced_is_foreign(enrolled: Volume, root: str) -> None:
    libcryptsetup.add_next_volume_key(enrolled.device, {"2": KEY})
    assert [text for text in seen_at_boot(enrolled, root) if "digests" in text] != []
    take_back(enrolled, RECOVERY_KEY, root)
    assert seen_at_boot(enrolled, root) == []


def test_a_rotation_to_another_volume_key_than_the_announced_one_is_foreign(enrolled: Volume, root: str) -> None:
    begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    announced = str(read_enrolment(enrolled.name, root).pins.next_volume_key_fingerprint)
    for other in (announced[::-1], ""):
        announce(enrolled.name, other, root)
        assert violations(header(enrolled), read_enrolment(enrolled.name, root).pins) != []
    announce(enrolled.name, announced, root)
    assert seen_at_boot(enrolled, root) == []


def test_nor_may_it_come_from_another_than_the_recorded_one(enrolled: Volume, root: str) -> None:
    begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    pins = read_enrolment(enrolled.name, root).pins
    stranger = pins._replace(volume_key_fingerprint=pins.volume_key_fingerprint[::-1])
    assert violations(header(enrolled), pins) == []
    assert [text for text in violations(header(enrolled), stranger) if "another volume key" in text] != []


@pytest.mark.parametrize("wrong", [(b"not the recovery key", BOOT_KEY), (RECOVERY_KEY, BootKey(b"not it", "1"))])
def test_wrong_keys_change_nothing(enrolled: Volume, root: str, wrong: tuple[bytes, BootKey]) -> None:
    before = digest(enrolled)
    with pytest.raises(EdgesecError, match="does not open"):
        begin(enrolled, *wrong, root)
    assert digest(enrolled) == before


def test_a_keyslot_of_others_is_refused(enrolled: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate_volume_key, "_is_open", lambda _volume: True)
    require_rotatable(look(enrolled))
    cryptsetup.add_key(enrolled.device, RECOVERY_KEY, b"somebody else's", slot="5")
    with pytest.raises(Refused, match=r"keyslots 5 .*retire_keyslots"):
        require_rotatable(look(enrolled))


def test_so_is_one_where_the_recovery_key_would_be_put_aside(enrolled: Volume, root: str) -> None:
    cryptsetup.add_key(enrolled.device, RECOVERY_KEY, b"somebody else's", slot="3")
    before = digest(enrolled)
    with pytest.raises(Refused, match=r"keyslots 3 .*retire_keyslots"):
        begin(enrolled, RECOVERY_KEY, BOOT_KEY, root)
    assert digest(enrolled) == before


def test_a_closed_volume_is_refused(enrolled: Volume) -> None:
    before = digest(enrolled)
    for check in (True, False):
        for key in (None, RECOVERY_KEY):
            assert "is closed" in run(enrolled, check=check, key=key).error
    assert digest(enrolled) == before
