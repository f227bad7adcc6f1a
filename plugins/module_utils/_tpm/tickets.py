# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The TPM's tickets for approvals whose signature it has verified, kept so that a boot need not have that done again.

A ticket (TPM 2.0 Library, part 2, TPMT_TK_VERIFIED) is no secret. It is an HMAC by a key of this TPM, which refuses any
other; what is kept here is worth nothing more than the time that it saves.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple, Optional

from .._base.files import write_atomic
from .._base.places import ENROLMENTS
from .._base.tree import read_bytes
from .luks_token import Approval

_LARGEST = 1024


class Tickets(NamedTuple):
    """Of one volume: the ticket for the approval that opened it last."""

    name: str
    root: str = "/"

    def of(self, approval: Approval) -> Optional[bytes]:
        """The ticket for an approval, or None."""
        approved, _newline, ticket = (read_bytes(self.root, self._path, _LARGEST) or b"").partition(b"\n")
        return ticket if ticket and approved == _line(approval) else None

    def keep(self, approval: Approval, ticket: bytes) -> None:
        """Keep the ticket for an approval in place of the one before; on a root that is read-only, there is none."""
        with suppress(OSError):
            path = os.path.join(self.root, self._path)
            write_atomic(path, _line(approval) + b"\n" + ticket, 0o644, os.geteuid(), os.getegid())

    @property
    def _path(self) -> str:
        return f"{ENROLMENTS}/{self.name}.ticket"


def _line(approval: Approval) -> bytes:
    return approval.signature.hex().encode()
