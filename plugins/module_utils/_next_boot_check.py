# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Whether the next boot will open the volumes, said before it comes.

Runs on the device as C(/usr/lib/edgesec/next-boot), by hand and after packages or kernels have changed. It asks no TPM:
what it needs of it the kernel shows.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Optional

from ._boot_file import BOOT_PATHS
from ._enrolment import sealed_tokens
from ._errors import EdgesecError
from ._next_boot import look
from ._token import UNEXTENDED

APPROVED, UNAPPROVED, UNKNOWN = "approved", "unapproved", "unknown"
RECORD = "run/edgesec/next-boot.json"
MOTD = "run/motd.d/edgesec"

_EXIT_CODES = {APPROVED: 0, UNAPPROVED: 3, UNKNOWN: 4}
_WRONG_CALL = 2


@dataclass(frozen=True)
class Verdict:
    """What is known of the next boot; C(at) in seconds since the epoch, C(message) for people."""

    state: str
    message: str
    at: int


def main(arguments: list[str]) -> int:
    """Say it; 0 where the next boot is approved, 3 where it is not, 4 where that cannot be told, 2 for a wrong call."""
    if arguments:
        sys.stderr.write("usage: next-boot\n")
        return _WRONG_CALL
    verdict = check("/")
    record(verdict, "/")
    if verdict.message:
        sys.stderr.write(f"edgesec: {verdict.message}\n")
    return _EXIT_CODES[verdict.state]


def check(root: str) -> Verdict:
    """Predict the next boot, and hold it against what is approved.

    :param root: prefix of every path.
    """
    tokens = sealed_tokens(root)
    pcrs = {pcr for token in tokens.values() for pcr in token.all_pcrs if pcr != token.latch_pcr}
    try:
        # Once for all volumes: it reads the boot files whole.
        values = look(root, sorted(pcrs), (), BOOT_PATHS)["pcr_values"] if tokens else {}
    except (EdgesecError, OSError) as error:
        return Verdict(UNKNOWN, f"it cannot be told whether the next boot opens the volumes: {error}", int(time.time()))
    following = {int(pcr): bytes.fromhex(value) for pcr, value in values.items()}
    shut = [
        name for name, token in tokens.items() if not token.approvals_for({**following, token.latch_pcr: UNEXTENDED})
    ]
    if shut:
        message = (
            f"the next boot is not approved, and will leave closed: {', '.join(shut)}. Before you reboot, have the"
            " controller run approve.yml with tpm_sealing_approve=predict"
        )
        return Verdict(UNAPPROVED, message, int(time.time()))
    return Verdict(APPROVED, "", int(time.time()))


def record(verdict: Verdict, root: str) -> None:
    """Leave the verdict where facts and those who log in find it, until the next boot."""
    path, motd = os.path.join(root, RECORD), os.path.join(root, MOTD)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    _write(path, json.dumps(verdict.__dict__))
    if verdict.message:
        os.makedirs(os.path.dirname(motd), mode=0o755, exist_ok=True)
        _write(motd, f"edgesec: {verdict.message}\n")
    else:
        with suppress(FileNotFoundError):
            os.unlink(motd)


def recorded(root: str) -> Optional[dict[str, Any]]:
    """What was last said in this boot, or None where nothing was."""
    try:
        with open(os.path.join(root, RECORD), encoding="utf-8") as file:
            return dict(Verdict(**json.load(file)).__dict__)
    except (OSError, ValueError, TypeError):
        return None


def _write(path: str, text: str) -> None:
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)
