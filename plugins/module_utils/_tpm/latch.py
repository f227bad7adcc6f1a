# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The latch: a PCR of every policy, extended so that no secret leaves the TPM a second time in one boot.

Before a secret leaves the TPM, a file in memory says so and names the PCR. It stays until the PCR is extended, whatever
becomes of the process in between: killed, its enrolment unreadable, its outcome overwritten. Whoever finds such a file
extends the PCR, and closes the volume where that fails.
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
    """The latch of this boot; C(directory) is in memory, and only root can look into it."""

    directory: str

    def demand(self, name: str, pcr: int) -> None:
        """Have the latch set in this boot, because of a volume.

        :raises OSError: that cannot be noted; then no secret may leave the TPM.
        """
        self._note(name, pcr, is_set=False)

    @contextmanager
    def leaving(self, name: str, pcr: int) -> Iterator[None]:
        """Held while the TPM is asked for the secret of a volume.

        Where the TPM answers with a refusal it kept the secret, so that another approval may still be tried in this
        boot. Any other end, an error that is not understood among them, leaves the latch demanded.

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
        """The PCRs that are still to be extended, by the volumes that demand it.

        :raises Malformed: a note that cannot be read.
        """
        notes = {name: self._read(name) for name in self._names()}
        return {name: note["pcr"] for name, note in notes.items() if not note["set"]}

    def unset(self) -> set[str]:
        """The volumes for which the latch may not be set: those of :meth:`demanded`, or all where that is not known."""
        try:
            return set(self.demanded())
        except Malformed:
            return set(self._names())

    def holds(self, name: str) -> bool:
        """Whether a volume has demanded the latch in this boot, and it is set."""
        return name in self._names() and name not in self.demanded()

    def set(self, tpm: Tpm2) -> None:
        """Extend what is demanded in every active bank; nothing where it has been done.

        :raises EdgesecError: the TPM refuses, or a note cannot be read.
        :raises OSError: what was done cannot be noted.
        """
        demanded = self.demanded()
        for pcr in sorted(set(demanded.values())):
            if tpm.read_pcrs(BANK, [pcr]).get(pcr) == UNEXTENDED:
                # A value nobody can foresee, so that no approval of a latched state is ever good for a later boot.
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
            raise Malformed(self._path(name), "is no note of the latch", "Reboot the device") from None

    def _names(self) -> list[str]:
        try:
            files = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        return [file[: -len(".json")] for file in files if file.endswith(".json")]

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, f"{name}.json")
