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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

from . import _cryptsetup
from ._cli import LOOK_SECONDS, run
from ._enrolment import Enrolment, enrolled_names, read_enrolment
from ._errors import EdgesecError, Malformed, ToolFailed, UnlockError
from ._key_file import KeyFile
from ._key_source import Source, source_of
from ._luks2 import HEADER_BYTES, MOST_HEADER_BYTES, Header, NotLuks, read_primary, read_secondary
from ._luks2_check import violations
from ._reencryption import is_under_way
from ._relocation import put_back
from ._resume import start_at_boot
from ._shrink import file_system_of, undo_shrink
from ._token import BANK, UNEXTENDED
from ._tpm2 import BANK_BYTES, RESOURCE_MANAGER, Tpm2, TpmError
from ._unlock_outcome import OUTCOME_DIRECTORY, Outcome, read_outcome, record

RUN_DIRECTORY = "/run/edgesec"

_WAIT_SECONDS = 30.0
# Outcomes after which the secret must not be unsealed again in this boot.
_LATCHING = ("ok", "header_foreign", "header_changed", "header_rolled_back")


def main(arguments: list[str]) -> int:
    """Open one volume; 0 when it is open, 1 when it is not, 2 for a wrong call."""
    if len(arguments) != 1 or not re.fullmatch(r"[A-Za-z0-9_.-]+", arguments[0]):
        sys.stderr.write("usage: unlock NAME\n")
        return 2
    signal.signal(signal.SIGTERM, _interrupted)
    outcome = unlock(arguments[0], os.environ.get("TPM2TOOLS_TCTI", RESOURCE_MANAGER))
    sys.stderr.write(f"{outcome.name}: {outcome.reason}{': ' + outcome.message if outcome.message else ''}\n")
    return 0 if outcome.opened else 1


def unlock(name: str, tcti: str) -> Outcome:
    """Open a volume and leave its outcome where facts find it. Never raises for what a device may do."""
    os.makedirs(OUTCOME_DIRECTORY, mode=0o700, exist_ok=True)
    os.chmod(RUN_DIRECTORY, 0o700)
    with tempfile.TemporaryDirectory(prefix="tpm-", dir=RUN_DIRECTORY) as directory:
        tpm = Tpm2(tcti, directory)
        outcome = _attempt(name, tpm)
        # From here on there is little left to do, and all of it has to be done.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with _one_at_a_time():
            record(outcome)
            past = _outcomes_of_sealed()
            if None not in past and any(each is not None and each.reason in _LATCHING for each in past):
                outcome = _latch(outcome, tpm)
                record(outcome)
    return outcome


def _attempt(name: str, tpm: Tpm2) -> Outcome:
    at = int(time.time())
    try:
        if os.path.exists(_mapper(name)):
            return Outcome(name, "already_open", at)
        enrolment = read_enrolment(name)
        source = source_of(enrolment, tpm)
        # A token that is missing keeps nobody else waiting.
        _wait_for(enrolment, source)
        with _one_at_a_time():
            _clear_up(enrolment)
            return _open(enrolment, source, at)
    except (UnlockError, TpmError) as error:
        return Outcome(name, error.reason, at, message=str(error))
    except (EdgesecError, OSError) as error:
        return Outcome(name, "failed", at, message=str(error))


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
        # While it is being encrypted, opening has to bring data and header on the device to where they fit together.
        passing = is_under_way(header)
        unsettled = passing or header.volume_key_fingerprint != enrolment.pins.volume_key_fingerprint
        try:
            _cryptsetup.open_volume(
                enrolment.device,
                name,
                key.value,
                header=None if passing else copy,
                slot=None if unsettled else key.keyslot,
            )
            _verify_mapping(enrolment)
        except BaseException as error:
            if os.path.exists(_mapper(name)):
                _cryptsetup.close_volume(name)
            if isinstance(error, ToolFailed):
                seen = f"the key from {source.origin} did not open it ({error.stderr})"
                raise UnlockError("key_rejected", name, seen) from None
            raise
        message = _go_on(enrolment, key.value) if unsettled else ""
        return Outcome(name, "ok", at, approval=key.approval, message=message)
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


def _mapper(name: str) -> str:
    return f"/dev/mapper/{name}"


def checked_header(enrolment: Enrolment, copy: str) -> Header:
    """Copy what is before the data of a volume to a file, and check the copy: it, not the device, is opened with.

    :raises UnlockError: C(header_foreign), with every rule that is broken.
    """
    _copy_start(enrolment.device, copy, min(enrolment.pins.data_offset, MOST_HEADER_BYTES))
    with open(copy, "rb") as file:
        data = file.read(HEADER_BYTES)
    headers = list(_copies(enrolment.name, data))
    broken = [rule for header in headers for rule in violations(header, enrolment.pins)]
    if broken:
        raise _foreign(enrolment.name, broken)
    return max(headers, key=lambda header: header.seqid)


def _copy_start(device: str, path: str, size: int) -> None:
    """Copy the start of a device to a file that only root can read; an old one is replaced."""
    if os.path.lexists(path):
        os.unlink(path)
    with open(device, "rb") as source, open(path, "xb", opener=_for_root_alone) as target:
        while size > 0 and (copied := os.sendfile(target.fileno(), source.fileno(), None, size)):
            size -= copied


def _for_root_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o400)


def _copies(name: str, data: bytes) -> Iterator[Header]:
    """The header copies that hold together: libcryptsetup would pass over the others."""
    readers: tuple[Callable[[bytes], Header], ...] = (read_primary, read_secondary)
    problems = []
    for reader in readers:
        try:
            yield reader(data)
        except (NotLuks, Malformed) as error:
            problems.append(str(error))
    if len(problems) == len(readers):
        raise _foreign(name, problems)


def _foreign(name: str, broken: list[str]) -> UnlockError:
    return UnlockError(
        "header_foreign",
        name,
        f"its header is not the one that was sealed ({'; '.join(broken[:5])})",
        "Find out who changed it; if it was damaged, restore the escrowed header backup",
    )


def _verify_mapping(enrolment: Enrolment) -> None:
    """Hold what the kernel maps against what was checked."""
    text = run(["cryptsetup", "status", enrolment.name], timeout=LOOK_SECONDS).stdout.decode("utf-8", "replace")
    seen = dict(re.findall(r"^\s+([a-z ]+):\s+(.*?)\s*$", text, re.MULTILINE))
    if seen.get("cipher") != enrolment.pins.cipher:
        raise UnlockError(
            "mapping_differs",
            enrolment.name,
            f"the kernel maps it with cipher {seen.get('cipher')!r}, expected {enrolment.pins.cipher!r}",
        )


def _wait_for(enrolment: Enrolment, source: Source) -> None:
    """Wait until the device and what the key comes from have appeared: this may run before udev has seen either."""
    needed = [enrolment.device, *([source.node] if source.node else [])]
    deadline = time.monotonic() + _WAIT_SECONDS
    while not all(map(os.path.exists, needed)) and time.monotonic() < deadline:
        time.sleep(0.1)
    if not os.path.exists(enrolment.device):
        raise UnlockError(
            "device_missing", enrolment.name, f"{enrolment.device} did not appear within {_WAIT_SECONDS:g} s"
        )
    if not all(map(os.path.exists, needed)):
        raise source.missing(_WAIT_SECONDS)


def _latch(outcome: Outcome, tpm: Tpm2) -> Outcome:
    """Extend the latch in every active bank; where that fails, close what this attempt opened."""
    try:
        token = read_enrolment(outcome.name).token
        if isinstance(token, KeyFile):
            return outcome
        if tpm.read_pcrs(BANK, [token.latch_pcr])[token.latch_pcr] == UNEXTENDED:
            # A value nobody can foresee, so that no approval of a latched state is ever good for a later boot.
            tpm.extend(token.latch_pcr, {bank: os.urandom(BANK_BYTES[bank]) for bank in tpm.active_banks()})
        return Outcome(outcome.name, outcome.reason, outcome.at, outcome.approval, outcome.message, latched=True)
    except (EdgesecError, KeyError) as error:
        if outcome.reason == "ok":
            _cryptsetup.close_volume(outcome.name)
        return Outcome(outcome.name, "latch_failed", outcome.at, outcome.approval, str(error))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with open(os.path.join(RUN_DIRECTORY, "unlock.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _outcomes_of_sealed() -> list[Optional[Outcome]]:
    """Of every volume that is sealed to the TPM, how its last attempt ended; None before the first."""
    return [read_outcome(name) for name in enrolled_names() if _is_sealed(name)]


def _is_sealed(name: str) -> bool:
    """Whether a volume is sealed to the TPM, for all that is known."""
    try:
        return not isinstance(read_enrolment(name).token, KeyFile)
    except Malformed:
        return True
