# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Store the TPM's tickets for verified approvals, so that later boots need not verify the signature again.

A ticket (TPM 2.0 Library, part 2, TPMT_TK_VERIFIED) is not secret. It is an HMAC by a key of this TPM, which refuses
any other; a stored ticket only saves time.
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
    """The stored ticket of one volume, for the approval that opened it last."""

    name: str
    root: str = "/"

    def of(self, approval: Approval) -> Optional[bytes]:
        """The ticket for an approval, or None."""
        approved, _newline, ticket = (read_bytes(self.root, self._path, _LARGEST) or b"").partition(b"\n")
        return ticket if ticket and approved == _line(approval) else None

    def keep(self, approval: Approval, ticket: bytes) -> None:
        """Store the ticket for an approval, replacing the previous one; a read-only root stores none."""
        with suppress(OSError):
            path = os.path.join(self.root, self._path)
            write_atomic(path, _line(approval) + b"\n" + ticket, 0o644, os.geteuid(), os.getegid())

    @property
    def _path(self) -> str:
        return f"{ENROLMENTS}/{self.name}.ticket"


def _line(approval: Approval) -> bytes:
    return approval.signature.hex().encode()
