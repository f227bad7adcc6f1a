# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Tell before a reboot whether the next boot will open the volumes.

Runs on the device as C(/usr/lib/edgesec/next-boot), by hand and after packages or kernels have changed. It needs no
access to the TPM: the kernel shows the PCRs.
"""

from __future__ import annotations

import sys
import time

from .._base.errors import EdgesecError
from .._disk.mountinfo import BOOT_PATHS
from .._measured_boot.next_boot import look
from .._measured_boot.next_boot_record import APPROVED, UNAPPROVED, UNKNOWN, Verdict, record
from .._tpm.luks_token import UNEXTENDED
from .enrolment import sealed_tokens

_EXIT_CODES = {APPROVED: 0, UNAPPROVED: 3, UNKNOWN: 4}
_WRONG_CALL = 2


def main(arguments: list[str]) -> int:
    """Report the verdict; return 0 if the next boot is approved, 3 if not, 4 if unknown, 2 for wrong usage."""
    if arguments:
        sys.stderr.write("usage: next-boot\n")
        return _WRONG_CALL
    verdict = check("/")
    record(verdict, "/")
    if verdict.message:
        sys.stderr.write(f"edgesec: {verdict.message}\n")
    return _EXIT_CODES[verdict.state]


def check(root: str) -> Verdict:
    """Predict the next boot, and compare it with the approvals.

    :param root: prefix of every path.
    """
    tokens = sealed_tokens(root)
    pcrs = {pcr for token in tokens.values() for pcr in token.all_pcrs if pcr != token.latch_pcr}
    try:
        # Predict once for all volumes, since it reads the boot files whole.
        values = look(root, sorted(pcrs), (), BOOT_PATHS)["pcr_values"] if tokens else {}
    except (EdgesecError, OSError) as error:
        return Verdict(UNKNOWN, f"cannot predict whether the next boot opens the volumes: {error}", int(time.time()))
    following = {int(pcr): bytes.fromhex(value) for pcr, value in values.items()}
    shut = [
        name for name, token in tokens.items() if not token.approvals_for({**following, token.latch_pcr: UNEXTENDED})
    ]
    if shut:
        message = (
            f"the next boot is not approved, and will not open: {', '.join(shut)}. Before you reboot, run approve.yml"
            " on the controller with tpm_sealing_approve=predict"
        )
        return Verdict(UNAPPROVED, message, int(time.time()))
    return Verdict(APPROVED, "", int(time.time()))
