# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recovery key of a real volume: tested, rotated, and rotated with the power cut before and after every step."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base import tools as cli
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.recovery import rotate
from ansible_collections.edgesec.hardening.plugins.module_utils._luks import cryptsetup
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.on_device import header_of
from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import Volume
from tests.functional.conftest import RECOVERY_KEY, UUID
from tests.support.module_runner import Result, run_module

NEXT = b"the next recovery key"
TPM_KEY = b"what the TPM unseals"
# Kills the process that called it, before or after the real cryptsetup has taken the step of that number.
CUT = """\
#!/bin/sh
case "$1" in luksAddKey | luksKillSlot)
    echo "$1" >>{log}
    if [ "$(wc -l <{log})" -eq {step} ]; then
        [ {when} = after ] && {cryptsetup} "$@"
        kill -9 $PPID
        exit 1
    fi ;;
esac
exec {cryptsetup} "$@"
"""
STEPS = 4


def run(volume: Volume, check: bool = False, **more: Any) -> Result:
    return run_module(
        "recovery_keyslot", {"name": volume.name, "device": volume.device, "store": "/nowhere", **more}, check=check
    )


def digest(volume: Volume) -> str:
    return hashlib.sha256(Path(volume.device).read_bytes()).hexdigest()


def slots(volume: Volume) -> list[str]:
    header = header_of(volume.device)
    assert header is not None
    return sorted(header.keyslots)


@pytest.fixture
def sealed(volume: Volume) -> Volume:
    """With a keyslot that a token has, as the TPM's."""
    cryptsetup.add_key(volume.device, RECOVERY_KEY, TPM_KEY, slot="1")
    cryptsetup.import_token(volume.device, "1", {"type": "edgesec-tpm2", "keyslots": ["1"]})
    return volume


def test_a_key_that_opens_its_keyslot_passes_in_check_mode_too(volume: Volume) -> None:
    before = digest(volume)
    for check in (True, False):
        probed = run(volume, check=check)
        assert (probed.changed, probed.values["needs_key"], probed.values["tested"]) == (False, True, False)
        assert probed.values["uuid"] == UUID
        tested = run(volume, check=check, recovery_key=RECOVERY_KEY.decode())
        assert (tested.changed, tested.values["needs_key"], tested.values["tested"]) == (False, False, True)
    assert digest(volume) == before


def test_a_key_that_opens_another_keyslot_or_none_fails(sealed: Volume) -> None:
    before = digest(sealed)
    for key in ("wrong", TPM_KEY.decode()):
        assert "does not open keyslot 0" in run(sealed, recovery_key=key).error
        assert "does not open keyslot 0" in run(sealed, check=True, recovery_key=key).error
    assert digest(sealed) == before


def test_check_rotate_check(sealed: Volume) -> None:
    before = digest(sealed)
    keys = {"recovery_key": RECOVERY_KEY.decode(), "next_recovery_key": NEXT.decode()}
    assert run(sealed, state="rotated").values["needs_key"]
    assert run(sealed, check=True, state="rotated").changed
    assert run(sealed, True, state="rotated", **keys).changed
    assert digest(sealed) == before

    done = run(sealed, False, state="rotated", **keys)
    assert done.changed
    assert done.values["tested"]
    assert slots(sealed) == ["0", "1"]
    assert cryptsetup.opens(sealed.device, NEXT, slot="0")
    assert cryptsetup.opens(sealed.device, TPM_KEY, slot="1")
    assert not cryptsetup.opens(sealed.device, RECOVERY_KEY)
    assert NEXT.decode() not in str({**done.values, "header_backup": ""})

    after = digest(sealed)
    again = run(sealed, False, state="rotated", **keys)
    assert not again.changed, "the result was lost on the way, and is asked for again"
    assert again.values["header_backup"]
    assert digest(sealed) == after


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_whenever_it_is_killed_a_key_opens_the_volume_and_the_next_run_ends_it(
    sealed: Volume, tmp_path: Path, step: int, when: str
) -> None:
    killed = rotate_until_killed(sealed, tmp_path, step, when)
    assert killed == signal.SIGKILL
    assert any(cryptsetup.opens(sealed.device, key) for key in (RECOVERY_KEY, NEXT))
    assert cryptsetup.opens(sealed.device, TPM_KEY, slot="1")
    assert set(slots(sealed)) <= {"0", "1", "2"}, "what the unlocker takes"
    tested = run(sealed, recovery_key=RECOVERY_KEY.decode(), next_recovery_key=NEXT.decode())
    assert tested.values["tested"]

    rotate(sealed.device, RECOVERY_KEY, NEXT)
    assert slots(sealed) == ["0", "1"]
    assert cryptsetup.opens(sealed.device, NEXT, slot="0")
    assert not cryptsetup.opens(sealed.device, RECOVERY_KEY)
    assert not rotate(sealed.device, RECOVERY_KEY, NEXT)


def test_the_steps_are_as_many_as_are_cut_at(sealed: Volume, tmp_path: Path) -> None:
    assert rotate_until_killed(sealed, tmp_path, STEPS + 1, "before") == 0


def rotate_until_killed(volume: Volume, directory: Path, step: int, when: str) -> int:
    """Rotate in a process of its own; returns the signal that ended it."""
    tool = directory / "tools" / "cryptsetup"
    tool.parent.mkdir()
    tool.write_text(
        CUT.format(log=directory / "steps", step=step, when=when, cryptsetup=cli.require_tool("cryptsetup"))
    )
    tool.chmod(0o755)
    child = os.fork()
    if child == 0:
        cli.SEARCH_PATH = f"{tool.parent}:{cli.SEARCH_PATH}"
        try:
            rotate(volume.device, RECOVERY_KEY, NEXT)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1]


def test_a_volume_without_a_tpm_is_rotated_as_well(volume: Volume) -> None:
    assert rotate(volume.device, RECOVERY_KEY, NEXT)
    assert slots(volume) == ["0"]


def test_keys_that_do_not_open_it_change_nothing(sealed: Volume) -> None:
    before = digest(sealed)
    with pytest.raises(EdgesecError, match="does not open keyslot 0"):
        rotate(sealed.device, b"wrong", NEXT)
    assert digest(sealed) == before


def test_an_empty_recovery_keyslot_is_named(sealed: Volume) -> None:
    cryptsetup.kill_slot(sealed.device, "0", TPM_KEY)
    assert "the recovery key's keyslot 0 is empty" in run(sealed, recovery_key=RECOVERY_KEY.decode()).error


def test_no_spare_keyslot_is_refused(sealed: Volume) -> None:
    cryptsetup.add_key(sealed.device, RECOVERY_KEY, b"somebody", slot="2")
    before = digest(sealed)
    with pytest.raises(Refused, match="1 and 2 are in use"):
        rotate(sealed.device, RECOVERY_KEY, NEXT)
    assert digest(sealed) == before


def test_a_key_of_somebody_else_in_keyslot_0_is_not_killed(volume: Volume) -> None:
    cryptsetup.add_key(volume.device, RECOVERY_KEY, NEXT, slot="1")
    cryptsetup.kill_slot(volume.device, "0", NEXT)
    cryptsetup.add_key(volume.device, NEXT, b"somebody", slot="0")
    before = digest(volume)
    with pytest.raises(Refused, match="neither the present recovery key nor the next one"):
        rotate(volume.device, RECOVERY_KEY, NEXT)
    assert digest(volume) == before


def test_a_device_that_is_not_there_or_holds_nothing(blank: Volume, tmp_path: Path) -> None:
    assert "cannot be read: No such file" in run(Volume("data", str(tmp_path / "gone"))).error
    assert re.search("no LUKS header.*Encrypt it first", run(blank).error)
