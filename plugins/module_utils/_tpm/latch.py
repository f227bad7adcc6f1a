# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The latch: a PCR in every policy, extended after an unseal so that no secret can be unsealed twice in one boot.

Before a secret leaves the TPM, a note in /run demands the latch and names the PCR. The note stays until the PCR is
extended, even if the process is killed, its enrolment unreadable or its outcome overwritten. Every program that finds
such a note extends the PCR, and closes the volume if that fails.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .._base.errors import Malformed
from .._base.files import write_atomic
from .luks_token import BANK, UNEXTENDED
from .tools import BANK_BYTES, Tpm2, TpmError


class Latch(NamedTuple):
    """The latch of this boot; C(directory) is in memory and only root can read it."""

    directory: str

    def demand(self, name: str, pcr: int) -> None:
        """Demand that the latch be set in this boot, because of a volume.

        :raises OSError: the note cannot be written; then no secret may leave the TPM.
        """
        self._note(name, pcr, is_set=False)

    @contextmanager
    def leaving(self, name: str, pcr: int) -> Iterator[None]:
        """Wrap the request to the TPM for the secret of a volume.

        If the TPM refuses, it kept the secret, and another approval may still be tried in this boot. Any other outcome,
        including an unknown error, leaves the latch demanded.

        :raises OSError: as for :meth:`demand`.
        """
        demanded_before = os.path.exists(self._path(name))
        self.demand(name, pcr)
        try:
            yield
        except TpmError as error:
            if error.reason != "failed" and not demanded_before:
                os.unlink(self._path(name))
            raise

    def demanded(self) -> dict[str, int]:
        """The PCRs still to extend, by the name of the volume that demands it.

        :raises Malformed: a note cannot be read.
        """
        notes = {name: self._read(name) for name in self._names()}
        return {name: note["pcr"] for name, note in notes.items() if not note["set"]}

    def unset(self) -> set[str]:
        """The volumes whose latch may not be set: those of :meth:`demanded`, or all if a note cannot be read."""
        try:
            return set(self.demanded())
        except Malformed:
            return set(self._names())

    def holds(self, name: str) -> bool:
        """Whether a volume has demanded the latch in this boot and the latch is set."""
        return name in self._names() and name not in self.demanded()

    def set(self, tpm: Tpm2) -> None:
        """Extend the demanded PCRs in every active bank, unless they already are.

        :raises EdgesecError: the TPM refuses, or a note cannot be read.
        :raises OSError: a note cannot be written.
        """
        demanded = self.demanded()
        for pcr in sorted(set(demanded.values())):
            if tpm.read_pcrs(BANK, [pcr]).get(pcr) == UNEXTENDED:
                # Random, so that no approval of a latched state can ever match a later boot.
                tpm.extend(pcr, {bank: os.urandom(BANK_BYTES[bank]) for bank in tpm.active_banks()})
        for name, pcr in demanded.items():
            self._note(name, pcr, is_set=True)

    def _note(self, name: str, pcr: int, *, is_set: bool) -> None:
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        write_atomic(self._path(name), json.dumps({"pcr": pcr, "set": is_set}).encode(), 0o600)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            with open(self._path(name), encoding="utf-8") as file:
                note: Any = json.load(file)
            return {"pcr": int(note["pcr"]), "set": note["set"] is True}
        except (OSError, ValueError, KeyError, TypeError):
            raise Malformed(self._path(name), "is not a valid note of the latch", "Reboot the device") from None

    def _names(self) -> list[str]:
        try:
            files = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return [file[: -len(".json")] for file in files if file.endswith(".json")]

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{name}.json")
