# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes that cryptsetup, systemd-cryptenroll and clevis have made become ours, and their data stays as it is."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.tpm import apply
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.allow_list import violations
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import Header
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import describe
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from ansible_collections.edgesec.hardening.plugins.module_utils._unlock.enrolment import announce_change, read_enrolment
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import adjust as _upkeep
from ansible_collections.edgesec.hardening.plugins.module_utils._volume import adopt as _adopt
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adjust import Upkeep
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.adopt import Keys, adopt
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.make import require_header
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.approval import most_states
from tests.functional.conftest import UUID, SoftwareTpm, boot
from tests.functional.controller.test_policy_key import named, new, write
from tests.support.controller import Controller
from tests.support.module_runner import Result, run_module

THEIRS = b"correct horse"
RECOVERY = b"0badc0de-recovery"
FLAGS = ["allow-discards", "same-cpu-crypt", "submit-from-crypt-cpus", "no-read-workqueue", "no-write-workqueue"]
# Small, so that a test is quick, and unlike every default, so that it is seen to be kept.
_ARGON = ("--pbkdf", "argon2id", "--pbkdf-memory", "16384", "--pbkdf-parallel", "1", "--pbkdf-force-iterations", "5")
_PBKDF2 = ("--pbkdf-force-iterations", "2345")


def luks_format(volume: Volume, *more: str, kind: str = "luks2") -> None:
    derivation = _ARGON if kind == "luks2" else _PBKDF2
    tool("cryptsetup", "luksFormat", "-q", "--type", kind, "--uuid", UUID, *derivation, *more, "-d", "-", volume.device)


def tool(*argv: str, **more: Any) -> None:
    done = subprocess.run(argv, input=THEIRS, capture_output=True, check=False, **more)
    assert done.returncode == 0, done.stderr


def by_cryptsetup(volume: Volume, _tpm: SoftwareTpm, _directory: Path) -> None:
    luks_format(volume)


def by_luks1(volume: Volume, _tpm: SoftwareTpm, _directory: Path) -> None:
    luks_format(volume, kind="luks1")


def by_systemd(volume: Volume, tpm: SoftwareTpm, directory: Path) -> None:
    luks_format(volume)
    tool("systemd-cryptenroll", f"--unlock-key-file={key_file(directory)}", f"--tpm2-device={tpm.tcti}", volume.device)


def by_clevis(volume: Volume, tpm: SoftwareTpm, directory: Path, *, slot: str = "1") -> None:
    luks_format(volume)
    environment = {**os.environ, "TPM2TOOLS_TCTI": tpm.tcti}
    key = str(key_file(directory))
    tool("clevis", "luks", "bind", "-y", "-k", key, "-s", slot, "-d", volume.device, "tpm2", "{}", env=environment)


def key_file(directory: Path) -> Path:
    path = directory / "theirs"
    path.touch(0o600)
    path.write_bytes(THEIRS)
    return path


MAKERS = [by_cryptsetup, by_luks1, by_systemd, by_clevis]
Make = Callable[[Volume, SoftwareTpm, Path], None]


def asked(**more: Any) -> dict[str, Any]:
    return {"on_existing_data": "adopt", "consent": UUID, **more}


def run(volume: Volume, *, check: bool = False, **more: Any) -> Result:
    arguments = {"name": volume.name, "device": volume.device, "store": "/nowhere", **more}
    return run_module("luks_volume", arguments, check=check)


def with_keys(
    volume: Volume, *, check: bool = False, key: bytes = THEIRS, escrowed: bool = True, **more: Any
) -> Result:
    """As the controller calls it, once it has escrowed the header."""
    encoded = base64.b64encode(key).decode()
    given = {"uuid": UUID, "recovery_key": RECOVERY.decode(), "adopt_key": encoded, "header_escrowed": escrowed}
    return run(volume, check=check, **given, **more)


def digest(volume: Volume, offset: int = 0) -> str:
    return hashlib.sha256(Path(volume.device).read_bytes()[offset:]).hexdigest()


def put_data(volume: Volume) -> int:
    """Write something where the data is; returns where that begins."""
    header = require_header(volume.device)
    offset = header.data_offset or 2 << 20
    with Path(volume.device).open("r+b") as file:
        file.seek(offset)
        file.write(os.urandom(1 << 20))
    return offset


def slots_of(volume: Volume, key: bytes) -> list[str]:
    slots = require_header(volume.device).keyslots
    return [slot for slot in sorted(slots) if cryptsetup.opens(volume.device, key, slot=slot)]


@pytest.mark.parametrize("make", MAKERS)
def test_check_do_check_do(blank: Volume, tpm: SoftwareTpm, tmp_path: Path, make: Make) -> None:
    make(blank, tpm, tmp_path)
    offset = put_data(blank)
    data, all_of_it = digest(blank, offset), digest(blank)
    tokens = require_header(blank.device).tokens

    predicted = run(blank, check=True, **asked())
    assert predicted.changed
    assert predicted.values["needs_key"]
    assert (predicted.values["intent"], predicted.values["uuid"]) == ("adopt", UUID)
    assert all(token["type"] in predicted.values["plan"] for token in tokens.values())
    assert with_keys(blank, check=True, **asked()).changed
    assert digest(blank) == all_of_it

    assert with_keys(blank, **asked()).changed
    assert slots_of(blank, RECOVERY) == ["0"]
    assert slots_of(blank, THEIRS) == ["3"]
    header = require_header(blank.device)
    assert (header.version, header.uuid, header.label, header.subsystem) == (2, UUID, "edgesec-data", "")
    assert header.tokens == tokens, "what was not named must not be touched"
    assert digest(blank, offset) == data

    adopted = digest(blank)
    assert not run(blank, check=True, **asked()).changed
    assert not run(blank, **asked()).changed
    assert not with_keys(blank, **asked()).changed
    assert not run(blank).changed
    assert digest(blank) == adopted


@pytest.mark.parametrize("make", MAKERS)
def test_it_can_be_sealed_and_the_unlocker_accepts_it(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path, make: Make
) -> None:
    make(blank, tpm, tmp_path)
    assert with_keys(blank, **asked()).changed
    before = require_header(blank.device).tokens
    controller = Controller(tpm, blank, tmp_path)
    assert controller.harden().action == "seal"
    assert controller.unlock()
    header = require_header(blank.device)
    assert violations(header, read_enrolment("data", str(tmp_path)).pins) == []
    assert {number: header.tokens[number] for number in before} == before
    assert controller.harden().action is None


@pytest.mark.parametrize("taken", ["0", "1"])
def test_sealing_takes_no_token_that_is_there(blank: Volume, tpm: SoftwareTpm, tmp_path: Path, taken: str) -> None:
    luks_format(blank)
    assert with_keys(blank, **asked()).changed
    theirs = {"type": "luks2-keyring", "keyslots": ["3"], "key_description": "edge"}
    cryptsetup.import_token(blank.device, taken, theirs)
    controller = Controller(tpm, blank, tmp_path)
    controller.harden()
    controller.tpm.reboot()
    assert controller.volume == blank
    header = require_header(blank.device)
    assert header.tokens[taken] == theirs
    assert sorted(str(token["type"]) for token in header.tokens.values()) == ["edgesec-tpm2", "luks2-keyring"]


def test_a_keyslot_of_others_among_ours_stands_in_the_way_of_sealing_anew_until_it_is_retired(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path
) -> None:
    by_clevis(blank, tpm, tmp_path)
    with_keys(blank, **asked())
    controller = Controller(tpm, blank, tmp_path)
    controller.harden()
    before = digest(blank)
    anew = controller.look()._replace(action="seal")
    with pytest.raises(Refused, match="retire_keyslots"):
        apply(anew, tpm.client, controller.sign(anew), RECOVERY)
    assert digest(blank) == before
    with_keys(blank, retire_keyslots=["1"])
    # The module has announced it below the root of this machine, and not of the test.
    announce_change("data", str(tmp_path))
    anew = controller.look()._replace(action="seal")
    apply(anew, tpm.client, controller.sign(anew), RECOVERY)
    assert controller.unlock()
    assert sorted(require_header(blank.device).keyslots) == ["0", "1", "3"]


@pytest.mark.parametrize("kind", [ec.SECP256R1(), 2048, 3072], ids=["P-256", "RSA 2048", "RSA 3072"])
def test_the_smallest_header_has_room_for_all_approvals_that_are_kept(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path, kind: int | ec.EllipticCurve
) -> None:
    by_clevis(blank, tpm, tmp_path, slot="7")
    assert with_keys(blank, **asked()).changed
    assert describe(require_header(blank.device))["json_bytes"] == 12288
    controller = Controller(tpm, blank, tmp_path)
    controller.key = named(tmp_path, write(tmp_path, new(kind)))
    most = most_states(controller.key)
    controller.harden()
    for number in range(most - 1):
        tpm.reboot()
        boot(tpm, kernel=f"kernel {number + 2}")
        assert controller.harden("boot_change").action == "approve"
    assert len(controller.token.approvals) == most
    # Sealing anew: for a moment there are two such tokens.
    status = controller.look()._replace(action="seal")
    apply(status, tpm.client, controller.sign(status), RECOVERY)
    assert len(controller.token.approvals) == most
    assert controller.unlock()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "given",
    [{}, {"on_existing_data": "adopt"}, asked(consent="another"), asked(consent=UUID.upper()), {"consent": UUID}],
)
def test_without_consent_it_is_refused(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path, make: Make, given: dict[str, Any]
) -> None:
    make(blank, tpm, tmp_path)
    before = digest(blank)
    for result in (run(blank, check=True, **given), run(blank, **given), with_keys(blank, **given)):
        assert f"on_existing_data: adopt and consent: {UUID}" in result.error
        assert "Nothing was changed" in result.error
    assert digest(blank) == before


def test_luks1_is_named_as_what_it_is(blank: Volume) -> None:
    luks_format(blank, kind="luks1")
    assert "LUKS1" in run(blank).error
    assert "converted to LUKS2" in run(blank, check=True, **asked()).values["plan"]


@pytest.mark.parametrize("kind", ["luks1", "luks2"])
def test_the_rehearsal_returns_the_header_as_it_is_and_changes_nothing(
    blank: Volume, tmp_path: Path, kind: str
) -> None:
    luks_format(blank, kind=kind)
    before = digest(blank)
    backup = with_keys(blank, escrowed=False, **asked()).values["header_backup"]
    assert digest(blank) == before
    with_keys(blank, **asked())
    assert digest(blank) != before
    path = tmp_path / "backup"
    path.write_bytes(gzip.decompress(base64.b64decode(backup)))
    tool("cryptsetup", "luksHeaderRestore", "-q", "--header-backup-file", str(path), blank.device)
    header = require_header(blank.device)
    assert (header.version, header.label) == (int(kind[-1]), "")
    tool("cryptsetup", "open", "--test-passphrase", "--type", kind, "-d", "-", blank.device)


@pytest.mark.parametrize("escrowed", [False, True])
@pytest.mark.parametrize("kind", ["luks1", "luks2"])
def test_a_key_that_opens_nothing(blank: Volume, kind: str, escrowed: bool) -> None:
    luks_format(blank, kind=kind)
    before = digest(blank)
    if kind == "luks2" or not escrowed:
        assert "opens none" in with_keys(blank, key=b"wrong", escrowed=escrowed, **asked()).error
        assert digest(blank) == before


@pytest.mark.parametrize("escrowed", [False, True])
def test_a_recovery_slot_of_somebody_unknown_goes_only_when_it_is_named(blank: Volume, escrowed: bool) -> None:
    luks_format(blank)
    cryptsetup.add_key(blank.device, THEIRS, b"second", slot="5")
    before = digest(blank)
    refused = with_keys(blank, key=b"second", escrowed=escrowed, **asked()).error
    assert 'retire_keyslots: ["0"]' in refused
    assert digest(blank) == before
    named: dict[str, Any] = asked(retire_keyslots=["0"])
    assert with_keys(blank, key=b"second", **named).changed
    assert (slots_of(blank, RECOVERY), slots_of(blank, b"second"), slots_of(blank, THEIRS)) == (["0"], ["5"], [])
    made = digest(blank)
    assert not with_keys(blank, key=b"second", **named).changed
    assert digest(blank) == made


def test_foreign_keyslots_go_with_their_tokens_when_they_are_named(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path
) -> None:
    by_systemd(blank, tpm, tmp_path)
    by_second = {"type": "luks2-keyring", "keyslots": ["0", "1"], "key_description": "edge"}
    cryptsetup.import_token(blank.device, "7", by_second)
    assert "1 (" in run(blank, check=True, **asked()).values["plan"]
    assert with_keys(blank, **asked(retire_keyslots=["1"])).changed
    header = require_header(blank.device)
    assert sorted(header.keyslots) == ["0", "3"]
    assert header.tokens == {"7": {**by_second, "keyslots": ["3"]}}, "it belongs to a keyslot that stays"


def test_a_keyslot_of_a_volume_of_ours_is_retired_later(blank: Volume, tpm: SoftwareTpm, tmp_path: Path) -> None:
    by_clevis(blank, tpm, tmp_path)
    with_keys(blank, **asked())
    # Numbers that mean nothing, or that are ours by now, may stay in the inventory.
    named = asked(retire_keyslots=["0", "1", "3", "9"])
    before = digest(blank)
    predicted = run(blank, check=True, **named)
    assert predicted.changed
    assert (predicted.values["intent"], predicted.values["uuid"]) == ("adjust", UUID)
    assert "retire its keyslots 1, 3" in predicted.values["plan"]
    assert "does not open keyslot 0" in run(blank, recovery_key="wrong", uuid=UUID, **named).error
    assert digest(blank) == before
    assert with_keys(blank, **named).changed
    header = require_header(blank.device)
    assert (list(header.keyslots), header.tokens) == (["0"], {})
    Controller(tpm, blank, tmp_path).harden()
    assert sorted(require_header(blank.device).keyslots) == ["0", "1"]
    sealed = digest(blank)
    assert not with_keys(blank, **named).changed
    assert digest(blank) == sealed


def test_the_operators_key_is_as_hard_to_guess_as_before(blank: Volume) -> None:
    luks_format(blank)
    with_keys(blank, **asked())
    slots = {slot["id"]: slot for slot in describe(require_header(blank.device))["keyslots"]}
    moved = slots["3"]
    assert (moved["kdf"], moved["time"], moved["memory_kib"], moved["cpus"]) == ("argon2id", 5, 16384, 1)
    assert (slots["0"]["kdf"], slots["0"]["iterations"]) == ("pbkdf2", 1000)


def test_the_operators_key_of_luks1_too(blank: Volume) -> None:
    luks_format(blank, kind="luks1")
    with_keys(blank, **asked())
    slots = {slot["id"]: slot for slot in describe(require_header(blank.device))["keyslots"]}
    assert (slots["3"]["kdf"], slots["3"]["iterations"]) == ("pbkdf2", 2345)


@pytest.mark.parametrize("change", [{"--cipher": "aes-cbc-essiv:sha256"}, {"--hash": "sha1"}])
@pytest.mark.parametrize("kind", ["luks1", "luks2"])
def test_what_the_unlocker_would_not_accept_is_refused_before_anything_changes(
    blank: Volume, kind: str, change: dict[str, str]
) -> None:
    luks_format(blank, *(word for pair in change.items() for word in pair), kind=kind)
    before = digest(blank)
    assert "would not be accepted at boot" in with_keys(blank, escrowed=False, **asked()).error
    assert digest(blank) == before


def test_a_file_system_is_not_adopted(blank: Volume) -> None:
    tool("/usr/sbin/mkfs.ext4", "-q", "-U", UUID, blank.device)
    before = digest(blank)
    assert "holds no LUKS volume" in with_keys(blank, **asked()).error
    assert digest(blank) == before


def test_flags_check_do_check_do(blank: Volume) -> None:
    luks_format(blank)
    assert with_keys(blank, **asked(flags=["allow-discards"])).changed
    assert describe(require_header(blank.device))["flags"] == ["allow-discards"]
    for flags in (FLAGS, FLAGS[3:], []):
        before = digest(blank)
        assert run(blank, check=True, flags=flags).values["intent"] == "adjust"
        assert digest(blank) == before
        assert with_keys(blank, flags=flags).changed
        assert describe(require_header(blank.device))["flags"] == sorted(flags, key=FLAGS.index)
        made = digest(blank)
        assert not run(blank, check=True, flags=flags).changed
        assert not with_keys(blank, flags=flags[::-1]).changed
        assert not run(blank).changed, "without the option they stay"
        assert digest(blank) == made


def test_a_new_volume_has_its_flags_at_once(blank: Volume) -> None:
    given: dict[str, Any] = {"uuid": UUID, "recovery_key": RECOVERY.decode(), "flags": ["no-read-workqueue"]}
    assert run(blank, **given).changed
    assert not run(blank, **given).changed
    assert describe(require_header(blank.device))["flags"] == ["no-read-workqueue"]


def test_flags_are_measured_of_a_new_volume_and_kept_of_one_that_exists(blank: Volume) -> None:
    predicted = run(blank, check=True, flags=["measured"])
    assert "by measurement" in predicted.values["diff"]["after"]
    given: dict[str, Any] = {"uuid": UUID, "recovery_key": RECOVERY.decode()}
    assert run(blank, **given, flags=["no-read-workqueue"]).changed
    assert not run(blank, **given, flags=["measured"]).changed
    assert run(blank, **given, flags=["measured", "allow-discards"]).changed
    assert describe(require_header(blank.device))["flags"] == ["allow-discards", "no-read-workqueue"]
    assert run(blank, **given, flags=["measured"]).changed
    assert describe(require_header(blank.device))["flags"] == ["no-read-workqueue"]


def test_flags_are_measured_or_named_and_not_both(blank: Volume) -> None:
    before = digest(blank)
    assert "Leave out measured" in run(blank, flags=["measured", "no-read-workqueue"]).error
    assert digest(blank) == before


STEPS = ["add_key", "kill_slot", "import_token", "remove_token", "set_label", "convert", "set_persistent_flags"]


class Cut(BaseException):
    """The power goes."""


def test_it_goes_on_from_wherever_it_was_cut(
    blank: Volume, tpm: SoftwareTpm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after each command that writes the header, the power goes; the next run ends where all do."""
    luks_format(blank, kind="luks1")
    cryptsetup.convert(blank.device)
    tool("systemd-cryptenroll", f"--unlock-key-file={key_file(tmp_path)}", f"--tpm2-device={tpm.tcti}", blank.device)
    cryptsetup.import_token(blank.device, "7", {"type": "luks2-keyring", "keyslots": ["0"], "key_description": "edge"})
    converges(blank, monkeypatch, Upkeep(("1",), ("allow-discards",)), least=14)


def test_luks1_goes_on_from_wherever_it_was_cut(blank: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    luks_format(blank, kind="luks1")
    converges(blank, monkeypatch, Upkeep(("3",)), least=10)


def test_a_keyslot_that_is_declared_dead_goes_on_from_wherever_it_was_cut(
    blank: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key that was given is retired itself, so that only the recovery key is left in the end."""
    luks_format(blank)
    converges(blank, monkeypatch, Upkeep(("0",)), least=8)


def converges(volume: Volume, monkeypatch: pytest.MonkeyPatch, upkeep: Upkeep, *, least: int) -> None:
    original = Path(volume.device).read_bytes()
    keys = Keys(existing=THEIRS, recovery=RECOVERY)
    adopt(volume, keys, upkeep)
    wanted = shape(require_header(volume.device))
    cuts = 0
    while True:
        Path(volume.device).write_bytes(original)
        if not cut_at(cuts, monkeypatch, lambda: adopt(volume, keys, upkeep)):
            break
        assert any(opens_any(volume, key) for key in (THEIRS, RECOVERY))
        cuts += 1
        if require_header(volume.device).label != "edgesec-data":
            _adopt.rehearse(volume, keys, upkeep)
            adopt(volume, keys, upkeep)
        assert shape(require_header(volume.device)) == wanted
    assert cuts >= least


def opens_any(volume: Volume, key: bytes) -> bool:
    kind = f"luks{require_header(volume.device).version}"
    argv = ["cryptsetup", "open", "--test-passphrase", "--type", kind, "-d", "-", volume.device]
    return subprocess.run(argv, input=key, capture_output=True, check=False).returncode == 0


def shape(header: Header) -> Any:
    """What must be equal however often it was cut: all but salts and places."""
    facts = describe(header)
    return json.loads(json.dumps({**facts, "tokens": header.tokens}))


def cut_at(number: int, monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> bool:
    """Do the work, and cut it at the given point: before or after a step; returns whether there is such a point."""
    passed = 0

    def point() -> None:
        nonlocal passed
        passed += 1
        if passed > number:
            raise Cut

    def wrapped(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            point()
            result = step(*arguments, **named)
            point()
            return result

        return call

    with monkeypatch.context() as patch:
        for name in STEPS:
            owner: Any = cryptsetup if hasattr(cryptsetup, name) else _upkeep
            patch.setattr(owner, name, wrapped(getattr(owner, name)))
        try:
            work()
        except Cut:
            return True
    return False
