# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Opening volumes at boot, with nobody present: check the header, get the key, open, latch.

Runs on the device as C(/usr/lib/edgesec/unlock NAME), from a systemd unit or any init script. Whatever fails, the
volume stays closed, the reason is left in C(/run/edgesec/unlock/NAME.json), and the boot goes on.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._base.errors import EdgesecError, Malformed, ToolFailed, UnlockError
from .._base.places import OUTCOME_DIRECTORY, RUN_DIRECTORY, mapper_of
from .._disk.shrink import file_system_of, undo_shrink
from .._luks import cryptsetup
from .._luks.allow_list import check
from .._luks.copies import write_copies
from .._luks.header import Header
from .._luks.reencryption import is_under_way
from .._luks.relocation import put_back
from .._tpm.latch import Latch
from .._tpm.luks_token import Token
from .._tpm.tools import RESOURCE_MANAGER, Tpm2, TpmError
from .dm_table import differences, read_table
from .enrolment import Enrolment, enrolled_names, read_enrolment
from .key_source import Source, source_of
from .outcome import Outcome, read_outcome, record
from .resume import start_at_boot
from .unit import unit_enabled, unit_masked

_WAIT_SECONDS = 30.0
# Outcomes that set the latch though no secret has left the TPM: somebody was at the disk.
_TAMPERED = ("header_foreign", "header_changed", "header_rolled_back")


def main(arguments: list[str]) -> int:
    """Open one volume; 0 when it is open, 1 when it is not, 2 for a wrong call.

    C(--latch NAME) opens nothing. systemd calls it when the unit has ended, in whatever way: it sets the latch if the
    unlocker was killed before it could.
    """
    *option, name = arguments or [""]
    if option not in ([], ["--latch"]) or not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        sys.stderr.write("usage: unlock NAME\n")
        return 2
    tcti = os.environ.get("TPM2TOOLS_TCTI", RESOURCE_MANAGER)
    if option:
        return latch_what_is_left(name, tcti)
    signal.signal(signal.SIGTERM, _interrupted)
    outcome = unlock(name, tcti)
    sys.stderr.write(f"{outcome.name}: {outcome.reason}{': ' + outcome.message if outcome.message else ''}\n")
    return 0 if outcome.opened else 1


def unlock(name: str, tcti: str) -> Outcome:
    """Open a volume and leave its outcome where facts find it. Never raises for what a device may do.

    Once the latch is set, no other volume opens in this boot. So a volume that has it set brings the other sealed ones
    along: whoever is started first opens all of them, and nobody waits for a unit that may never run.
    """
    os.makedirs(OUTCOME_DIRECTORY, mode=0o700, exist_ok=True)
    os.chmod(RUN_DIRECTORY, 0o700)
    deadline = time.monotonic() + _WAIT_SECONDS
    outcomes: list[Outcome] = []
    with _tpm(tcti) as tpm:
        try:
            turn = [name]
            while True:
                for each in turn:
                    outcomes.append(_attempt(each, tpm, deadline))
                    record(outcomes[-1])
                with _one_at_a_time():
                    turn = _left_to_open(outcomes)
                    if not turn:
                        return _finished(outcomes, tpm)
        except BaseException as error:
            outcomes = outcomes or [Outcome(name, "interrupted", int(time.time()), message=str(error))]
            with _one_at_a_time():
                outcome = _finished(outcomes, tpm)
            # By _interrupted, between two attempts.
            if isinstance(error, UnlockError):
                return outcome
            raise


def _finished(outcomes: list[Outcome], tpm: Tpm2) -> Outcome:
    """Set the latch where it is demanded, and leave what came of it; returns the first outcome."""
    # From here on there is little left to do, and all of it has to be done.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    outcomes = _latched(outcomes, tpm)
    for outcome in outcomes:
        record(outcome)
    return outcomes[0]


def latch_what_is_left(name: str, tcti: str) -> int:
    """Set the latch where a secret has left the TPM and the unlocker of a volume was killed before it could.

    :returns: 0 when the latch is set, or nobody demands it; 1 when it cannot be set, so that what is open was closed.
    """
    if not os.path.isdir(_latch().directory):
        return 0
    with _tpm(tcti) as tpm, _one_at_a_time():
        outcomes = _latched([Outcome(name, "already_open", int(time.time()))], tpm)
        failed = [outcome for outcome in outcomes if outcome.reason == "latch_failed"]
        for outcome in failed:
            record(outcome)
    return 1 if failed else 0


def _attempt(name: str, tpm: Tpm2, deadline: float) -> Outcome:
    at = int(time.time())
    try:
        if _is_open(name):
            return _already_open(name, at)
        enrolment = read_enrolment(name)
        source = source_of(enrolment, tpm, _latch())
        # A token that is missing keeps nobody else waiting.
        _wait_for(enrolment, source, deadline)
        with _one_at_a_time():
            # By the process of another volume, while this one waited.
            if _is_open(name):
                return _already_open(name, at)
            if name in _latch().demanded():
                # Whoever had the secret was killed; it leaves the TPM once.
                _latch().set(tpm)
            _clear_up(enrolment)
            return _open(enrolment, source, at)
    except (UnlockError, TpmError) as error:
        return Outcome(name, error.reason, at, message=str(error))
    except (EdgesecError, OSError) as error:
        return Outcome(name, "failed", at, message=str(error))


def _already_open(name: str, at: int) -> Outcome:
    """How an open volume was opened in this boot stays on record."""
    before = read_outcome(name)
    return before if before is not None and before.opened else Outcome(name, "already_open", at)


def _left_to_open(outcomes: list[Outcome]) -> list[str]:
    """The sealed volumes that the boot is to open and nobody here has tried, where the latch is about to be set."""
    try:
        if not _latch().demanded() or outcomes[-1].reason == "interrupted":
            return []
    except Malformed:
        # The latch cannot be set then, and what is open gets closed.
        return []
    tried = {outcome.name for outcome in outcomes}
    return [name for name in enrolled_names() if name not in tried and _is_closed_and_sealed(name)]


def _is_closed_and_sealed(name: str) -> bool:
    if _is_open(name) or not _is_to_open_at_boot(name):
        return False
    try:
        return isinstance(read_enrolment(name).token, Token)
    except Malformed:
        return False


def _is_to_open_at_boot(name: str) -> bool:
    """Whether the unit of a volume is started at boot; without systemd, every enrolled volume is opened."""
    if not os.path.isdir("/run/systemd/system"):
        return True
    return unit_enabled("/", name) and not unit_masked("/", name)


def _interrupted(_signal: int, _frame: object) -> None:
    """Called when systemd has waited long enough, or somebody stops the unit."""
    raise UnlockError(
        "interrupted",
        "that was to be opened",
        "opening it was ended from outside, after TimeoutStartSec= of its unit or by hand",
        "Start the unit again, and see with systemctl status what it waits for",
    )


def _clear_up(enrolment: Enrolment) -> None:
    """Undo an encryption in place that a power cut ended before there was a header."""
    put_back(enrolment.device)
    undo_shrink(enrolment.name, enrolment.device)
    if file_system_of(enrolment.device) is not None:
        raise UnlockError(
            "not_encrypted",
            enrolment.name,
            f"{enrolment.device} holds a file system in clear, since its encryption was interrupted before it began",
            "Run harden again",
        )


def _open(enrolment: Enrolment, source: Source, at: int) -> Outcome:
    name = enrolment.name
    copy = os.path.join(RUN_DIRECTORY, f"{name}.hdr")
    try:
        header = checked_header(enrolment, copy)
        key = source.key(header, copy)
        # While it is being encrypted, opening has to bring data and header on the device to where they fit together, so
        # libcryptsetup reads and writes the header there. Every byte of that has been accounted for; it is not written
        # afresh first, since a second writer could lose the only record of how far the data is encrypted.
        passing = is_under_way(header)
        unsettled = passing or header.volume_key_fingerprint != enrolment.pins.volume_key_fingerprint
        try:
            cryptsetup.open_volume(
                enrolment.device,
                name,
                key.value,
                header=None if passing else copy,
                slot=None if unsettled else key.keyslot,
            )
            _verify_mapping(enrolment)
        except BaseException as error:
            if _is_open(name):
                cryptsetup.close_volume(name)
            if isinstance(error, ToolFailed):
                seen = f"the key from {source.origin} did not open it ({error.stderr})"
                raise UnlockError("key_rejected", name, seen) from None
            raise
        message = _go_on(enrolment, key.value) if unsettled else ""
        return Outcome(name, "ok", at, approval=key.approval, message=message)
    except UnlockError as error:
        if error.reason in _TAMPERED and isinstance(enrolment.token, Token):
            _latch().demand(name, enrolment.token.latch_pcr)
        raise
    finally:
        if os.path.lexists(copy):
            os.unlink(copy)


def _go_on(enrolment: Enrolment, key: bytes) -> str:
    """Have the rest of a volume encrypted in the background; returns why not, where that fails."""
    try:
        start_at_boot(enrolment.name, enrolment.device, key)
    except (EdgesecError, OSError) as error:
        return f"its encryption does not go on: {error}"
    return ""


def _is_open(name: str) -> bool:
    return os.path.exists(_mapper(name))


def _mapper(name: str) -> str:
    return mapper_of(name)


def checked_header(enrolment: Enrolment, copy: str) -> Header:
    """Check the header of a volume, and write what was checked to a file: with it, not with the device, it is opened.

    :raises UnlockError: C(header_foreign), with every rule that is broken.
    """
    found = check(enrolment.device, enrolment.pins)
    if found.refusals:
        raise _foreign(enrolment.name, found.refusals)
    try:
        write_copies(copy, found.copies[0], enrolment.device, enrolment.pins.data_offset)
    except Malformed as error:
        raise _foreign(enrolment.name, [str(error)]) from None
    return found.copies[0]


def _foreign(name: str, broken: list[str]) -> UnlockError:
    return UnlockError(
        "header_foreign",
        name,
        f"its header is not the one that was sealed ({'; '.join(broken[:5])})",
        "Find out who changed it; if it was damaged, restore the escrowed header backup",
    )


def _verify_mapping(enrolment: Enrolment) -> None:
    """Hold what the kernel maps against what was pinned."""
    try:
        found = differences(read_table(enrolment.name), enrolment.name, enrolment.pins, enrolment.device)
    except (Malformed, OSError) as error:
        found = [f"its table cannot be read ({error})"]
    if found:
        seen = f"what the kernel maps is not what was sealed ({'; '.join(found[:5])})"
        raise UnlockError("mapping_differs", enrolment.name, seen, "Find out what else opens volumes on this device")


def _wait_for(enrolment: Enrolment, source: Source, deadline: float) -> None:
    """Wait until the device and what the key comes from have appeared: this may run before udev has seen either."""
    needed = [enrolment.device, *([source.node] if source.node else [])]
    while not all(map(os.path.exists, needed)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if not os.path.exists(enrolment.device):
        raise UnlockError(
            "device_missing", enrolment.name, f"{enrolment.device} did not appear within {_WAIT_SECONDS:g} s"
        )
    if not all(map(os.path.exists, needed)):
        raise source.missing(_WAIT_SECONDS)


def _latch() -> Latch:
    return Latch(os.path.join(RUN_DIRECTORY, "latch"))


def _latched(outcomes: list[Outcome], tpm: Tpm2) -> list[Outcome]:
    """Set the latch where it is demanded; if that fails, close the volumes whose secret could leave the TPM again.

    :returns: the outcomes as they are then, and behind them those of volumes that were closed though nobody here had
        opened them: a process that was killed had.
    """
    latch = _latch()
    try:
        latch.set(tpm)
        return [outcome._replace(latched=latch.holds(outcome.name)) for outcome in outcomes]
    except (EdgesecError, OSError) as error:
        unset = _unset(latch, outcomes)
        there = {outcome.name for outcome in outcomes}
        left = [Outcome(name, "already_open", int(time.time())) for name in sorted(unset - there) if _is_open(name)]
        return [_closed(each, str(error)) if each.name in unset else each for each in [*outcomes, *left]]


def _unset(latch: Latch, outcomes: list[Outcome]) -> set[str]:
    try:
        return latch.unset()
    except OSError:
        return {outcome.name for outcome in outcomes}


def _closed(outcome: Outcome, why: str) -> Outcome:
    if _is_open(outcome.name):
        try:
            cryptsetup.close_volume(outcome.name)
        except EdgesecError as error:
            why = f"{why} And it cannot be closed: {error}"
    return Outcome(outcome.name, "latch_failed", outcome.at, outcome.approval, why)


@contextmanager
def _tpm(tcti: str) -> Iterator[Tpm2]:
    with tempfile.TemporaryDirectory(prefix="tpm-", dir=RUN_DIRECTORY) as directory:
        yield Tpm2(tcti, directory)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with open(os.path.join(RUN_DIRECTORY, "unlock.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
