# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Get the key that opens a volume at boot, later on: with the controller's approval, or from the removable token."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional, Union

from .._base.errors import Refused
from .._luks.header import Header
from .._luks.key_file_token import KeyFile
from .._storage.volume import Volume
from .._tpm.counter import counter_of, value_of
from .._tpm.luks_token import BANK, Approval, Token
from .._tpm.sealing import luks_key, unseal
from .._tpm.tools import Tpm2
from .._unlock.enrolment import enrolled_names, read_enrolment
from .._unlock.key_source import FileSource
from .tpm_status import token_of


class BootKey(NamedTuple):
    """The key, and its keyslot."""

    value: bytes
    slot: str


def to_be_signed(volume: Volume, header: Header, tpm: Tpm2) -> dict[str, Any]:
    """What the controller must sign to let the TPM unseal while the latch is set; empty without a TPM.

    :raises Refused: the volume is not sealed as recorded.
    """
    token = _enrolled(volume, header)
    if not isinstance(token, Token):
        return {}
    values = tpm.read_pcrs(BANK, sorted({*token.pcrs, token.latch_pcr}))
    return {
        "srk_name": token.srk_name.hex(),
        "pcr_values": {str(pcr): value.hex() for pcr, value in values.items()},
        "counter": token.counter,
        # A missing counter is detected when the TPM unseals.
        "counter_value": value_of(tpm, counter_of(token)) or 0,
        "kernel": os.uname().release,
    }


def boot_key(volume: Volume, header: Header, tpm: Tpm2, proof: Optional[Approval]) -> Optional[BootKey]:
    """The key, or None for a volume that nothing on the device opens.

    :param proof: approval of the running state.
    :raises EdgesecError: the token is not inserted or has no key, or the TPM refused.
    """
    token = _enrolled(volume, header)
    if isinstance(token, KeyFile):
        if not os.path.exists(token.device):
            raise Refused(token.device, "the token with the key file is missing", "Nothing was changed. Insert it")
        return BootKey(FileSource(volume.name, token).key(header, volume.device).value, token.keyslot)
    if token is None or proof is None:
        return None
    return BootKey(luks_key(unseal(tpm, token, proof), header.uuid), token.keyslot)


def _enrolled(volume: Volume, header: Header) -> Optional[Union[Token, KeyFile]]:
    if volume.name not in enrolled_names():
        return None
    recorded = read_enrolment(volume.name).token
    token = recorded if isinstance(recorded, KeyFile) else token_of(volume, header, "/")
    if token is None or token.keyslot not in header.keyslots:
        raise Refused(volume.device, "its boot keyslot is not the one on record", "Run harden first")
    return token
