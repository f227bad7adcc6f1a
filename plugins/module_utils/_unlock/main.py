# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Open volumes at boot, unattended: check the header, get the key, open, set the latch.

Runs on the device as C(/usr/lib/edgesec/unlock NAME), from a systemd unit or any init script. After any failure the
volume stays closed, C(/run/edgesec/unlock/NAME.json) says why, and the boot continues.
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
# Outcomes that set the latch although no secret has left the TPM: somebody has tampered with the disk.
_TAMPERED = ("header_foreign", "header_changed", "header_rolled_back")


def main(arguments: list[str]) -> int:
    """Open one volume; return 0 if it is open, 1 if not, 2 for wrong usage.

    C(--latch NAME) opens nothing. systemd calls it when the unit has ended for any reason: it sets the latch if the
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
    """Open a volume and record the outcome for facts. Never raises, whatever the device does.

    Once the latch is set, the TPM opens no other volume in this boot. So before the latch is set, the process that
    runs first also opens all other sealed volumes; it does not wait for their units, which may never run.
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
            # Raised by _interrupted, between two attempts.
            if isinstance(error, UnlockError):
                return outcome
            raise


def _finished(outcomes: list[Outcome], tpm: Tpm2) -> Outcome:
    """Set the latch if it is demanded, and record the outcomes; return the first one."""
    # Ignore SIGTERM: the rest is short and must be completed.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    outcomes = _latched(outcomes, tpm)
    for outcome in outcomes:
        record(outcome)
    return outcomes[0]


def latch_what_is_left(name: str, tcti: str) -> int:
    """Set the latch if the unlocker was killed after a secret left the TPM.

    :returns: 0 if the latch is set or not demanded; 1 if it cannot be set, and the open volumes were closed.
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
        # Wait without the lock, so that a missing token does not delay other volumes.
        _wait_for(enrolment, source, deadline)
        with _one_at_a_time():
            # Another volume's process may have opened it meanwhile.
            if _is_open(name):
                return _already_open(name, at)
            if name in _latch().demanded():
                # A process was killed after it got the secret; the secret may leave the TPM only once.
                _latch().set(tpm)
            _clear_up(enrolment)
            return _open(enrolment, source, at)
    except (UnlockError, TpmError) as error:
        return Outcome(name, error.reason, at, message=str(error))
    except (EdgesecError, OSError) as error:
        return Outcome(name, "failed", at, message=str(error))


def _already_open(name: str, at: int) -> Outcome:
    """Keep the earlier outcome of this boot, if it opened the volume."""
    before = read_outcome(name)
    return before if before is not None and before.opened else Outcome(name, "already_open", at)


def _left_to_open(outcomes: list[Outcome]) -> list[str]:
    """The sealed volumes that the boot must open and this process has not tried, if the latch is about to be set."""
    try:
        if not _latch().demanded() or outcomes[-1].reason == "interrupted":
            return []
    except Malformed:
        # The latch cannot be set, so the open volumes will be closed.
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
    """Whether the unit of a volume starts at boot; without systemd, every enrolled volume is opened."""
    if not os.path.isdir("/run/systemd/system"):
        return True
    return unit_enabled("/", name) and not unit_masked("/", name)


def _interrupted(_signal: int, _frame: object) -> None:
    """Handle the signal from systemd: the unit has timed out, or somebody stops it."""
    raise UnlockError(
        "interrupted",
        "being opened",
        "opening it was interrupted, by TimeoutStartSec= of its unit or by hand",
        "Start the unit again, and check with systemctl status what it waits for",
    )


def _clear_up(enrolment: Enrolment) -> None:
    """Undo an in-place encryption that a power cut interrupted before it had written the header."""
    put_back(enrolment.device)
    undo_shrink(enrolment.name, enrolment.device)
    if file_system_of(enrolment.device) is not None:
        raise UnlockError(
            "not_encrypted",
            enrolment.name,
            f"{enrolment.device} holds an unencrypted file system: its encryption was interrupted before it began",
            "Run harden again",
        )


def _open(enrolment: Enrolment, source: Source, at: int) -> Outcome:
    name = enrolment.name
    copy = os.path.join(RUN_DIRECTORY, f"{name}.hdr")
    try:
        header = checked_header(enrolment, copy)
        key = source.key(header, copy)
        # During an encryption, libcryptsetup must first make data and header on the device consistent, so it reads and
        # writes the header on the device. Every byte of that header was checked. It is not rewritten here first,
        # because a second writer could lose the only record of how far the data is encrypted.
        in_progress = is_under_way(header)
        unfinished = in_progress or header.volume_key_fingerprint != enrolment.pins.volume_key_fingerprint
        try:
            cryptsetup.open_volume(
                enrolment.device,
                name,
                key.value,
                header=None if in_progress else copy,
                slot=None if unfinished else key.keyslot,
            )
            _verify_mapping(enrolment)
        except BaseException as error:
            if _is_open(name):
                cryptsetup.close_volume(name)
            if isinstance(error, ToolFailed):
                seen = f"the key from {source.origin} did not open it ({error.stderr})"
                raise UnlockError("key_rejected", name, seen) from None
            raise
        message = _resume(enrolment, key.value) if unfinished else ""
        return Outcome(name, "ok", at, approval=key.approval, message=message)
    except UnlockError as error:
        if error.reason in _TAMPERED and isinstance(enrolment.token, Token):
            _latch().demand(name, enrolment.token.latch_pcr)
        raise
    finally:
        if os.path.lexists(copy):
            os.unlink(copy)


def _resume(enrolment: Enrolment, key: bytes) -> str:
    """Resume the encryption of a volume in the background; return why that failed, or nothing."""
    try:
        start_at_boot(enrolment.name, enrolment.device, key)
    except (EdgesecError, OSError) as error:
        return f"its encryption was not resumed: {error}"
    return ""


def _is_open(name: str) -> bool:
    return os.path.exists(_mapper(name))


def _mapper(name: str) -> str:
    return mapper_of(name)


def checked_header(enrolment: Enrolment, copy: str) -> Header:
    """Check the header of a volume, and write the checked header to a file; the volume is opened with that file.

    :raises UnlockError: C(header_foreign), with the broken rules.
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
    """Compare the kernel's mapping with the pins."""
    try:
        found = differences(read_table(enrolment.name), enrolment.name, enrolment.pins, enrolment.device)
    except (Malformed, OSError) as error:
        found = [f"its table cannot be read ({error})"]
    if found:
        seen = f"the kernel's mapping differs from the sealed volume ({'; '.join(found[:5])})"
        raise UnlockError("mapping_differs", enrolment.name, seen, "Find out what else opens volumes on this device")


def _wait_for(enrolment: Enrolment, source: Source, deadline: float) -> None:
    """Wait for the device and the source of the key to appear; udev may not have seen them yet."""
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
    """Set the latch if it is demanded; if that fails, close the volumes whose secret could leave the TPM again.

    :returns: the updated outcomes, followed by those of volumes that were closed although this process had not opened
        them (a killed process had).
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
            why = f"{why} The volume could not be closed either: {error}"
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
