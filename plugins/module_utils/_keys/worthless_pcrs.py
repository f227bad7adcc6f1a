# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Refuse risky PCR choices, whoever seals the key, unless the operator accepts the risk by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._base.errors import Refused
from .._tpm.luks_token import BANK
from .._tpm.pcrs import is_measured, why_missing
from .._tpm.tools import Tpm2


def values_of(tpm: Tpm2, pcrs: Sequence[int]) -> dict[int, bytes]:
    """Read the values of PCRs to seal to.

    :raises Refused: the TPM has no value for a PCR, for example because its SHA-256 bank is off.
    """
    values = tpm.read_pcrs(BANK, pcrs) if pcrs else {}
    missing = [pcr for pcr in pcrs if pcr not in values]
    if missing:
        seen, remedy = why_missing(tpm.active_banks(), missing)
        raise Refused("the TPM", seen, f"Nothing was changed. {remedy}")
    return values


def refuse_worthless(pcrs: Sequence[int], values: Mapping[int, bytes], accept: Sequence[str]) -> None:
    """Refuse PCRs that would protect nothing or too little.

    :raises Refused: a PCR is not measured, or PCR 7 is the only one and that was not accepted.
    """
    unmeasured = [pcr for pcr in pcrs if not is_measured(values.get(pcr))]
    if not pcrs or unmeasured:
        raise Refused(
            f"the PCRs {list(pcrs)}",
            f"firmware and loader measured nothing into {unmeasured or 'any of them'}",
            "Sealing to them would protect nothing. Choose PCRs that this boot measures (tpm_sealing_pcrs)",
        )
    if list(pcrs) == [7] and "pcr7_only" not in accept:
        raise Refused(
            "PCR 7 alone",
            "any kernel that the same Secure Boot keys signed could unseal the volume",
            "Add PCR 4 (tpm_sealing_pcrs), or accept it with tpm_sealing_accept: [pcr7_only]",
        )


def need(accept: Sequence[str], risk: str, subject: str, seen: str) -> None:
    """Require that the operator accepts a risk by name.

    :raises Refused: the risk is not accepted.
    """
    if risk not in accept:
        raise Refused(
            subject,
            seen,
            f"Find out why. If the change is yours, run once with tpm_sealing_accept: [{risk}]. Nothing was changed",
        )
