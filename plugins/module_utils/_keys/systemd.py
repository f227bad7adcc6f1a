# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Seal with stock tools: a systemd-tpm2 token, and the crypttab line that makes systemd use it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Optional

from .._base.errors import Refused
from .._base.files import sync_directory
from .._base.places import links_of, unlock_unit_of
from .._base.tree import under
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.reencryption import is_under_way
from .._luks.slots import RECOVERY_SLOT
from .._mount_tables.crypttab import CRYPTTAB
from .._mount_tables.write import read_table, replace_table
from .._storage.volume import Volume
from .._tpm.policy import policy_pcr
from .._tpm.tools import Tpm2
from .._unlock.enrolment import boot_slots, boot_tokens
from .._unlock.enrolment import path_of as enrolment_of
from .._volume.adjust import retire
from .._volume.make import require_header, require_recovery
from .foreign_tokens import ForeignToken
from .systemd_cryptenroll import Policy, enrol, opens, tokens_of_systemd
from .systemd_crypttab import Opening, crypttab_with, require_reader
from .worthless_pcrs import need, refuse_worthless, values_of

_NOT_SEALED = "no systemd token opens the volume at boot"


class Status(NamedTuple):
    """The state of a volume.

    :ivar kept: number of the token that opens it and stays; None if one must be added.
    :ivar why: why the header must change, or empty.
    """

    volume: Volume
    header: Header
    policy: Policy
    kept: Optional[str]
    why: str
    crypttab_before: str
    crypttab_after: str
    root: str

    @property
    def writes_crypttab(self) -> bool:
        """Whether its crypttab line is missing or incomplete."""
        return self.crypttab_before != self.crypttab_after

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        sealed = f"sealed to {self.policy.in_words()} by systemd\n"
        lines = {"before": self.crypttab_before, "after": self.crypttab_after}
        return {
            "changed": bool(self.why) or self.writes_crypttab,
            "why": self.why or ("crypttab does not make systemd open it" if self.writes_crypttab else ""),
            "uuid": self.header.uuid,
            "diff": [
                {"before": f"{self.why}\n" if self.why else sealed, "after": sealed},
                {"before_header": CRYPTTAB, "after_header": CRYPTTAB, **lines},
            ],
        }


def preview(volume: Volume, tpm: Tpm2, policy: Policy, accept: Sequence[str]) -> dict[str, Any]:
    """In check mode: the result of :func:`look` for a volume that does not exist yet.

    :raises Refused: :func:`look` would refuse it.
    """
    _require_worthwhile(volume, "", tpm, policy, accept, "/")
    nothing_yet = Header(version=2, uuid="", label="", subsystem="", seqid=0, size=0, metadata={})
    return {**Status(volume, nothing_yet, policy, None, _NOT_SEALED, "", "", "/").as_result(), "needs_key": True}


def look(volume: Volume, tpm: Tpm2, policy: Policy, accept: Sequence[str], root: str = "/") -> Status:
    """Plan the work. A token counts only if it opens its keyslot now; nothing is mapped for that.

    :param accept: risks that the operator accepts: C(pcr7_only), C(boot_change), C(tpm_change).
    :param root: prefix of crypttab, of the enrolment, and of what reads crypttab.
    :raises Refused: sealing would be worthless, nothing would read the crypttab line, or the operator must accept the
        change by name.
    """
    header = require_header(volume.device)
    opening, values = _require_worthwhile(volume, header.uuid, tpm, policy, accept, root)
    crypttab = read_table(under(root, CRYPTTAB))
    after = crypttab_with(crypttab, opening)
    tokens = tokens_of_systemd(header)
    kept = _kept(volume, header, tokens, policy, tpm)
    why = _due(header, tokens, kept, policy, values, accept)
    if why and is_under_way(header):
        raise Refused(
            volume.device,
            f"it is being encrypted, so its header cannot change yet ({why})",
            "Run again when that is done",
        )
    return Status(volume, header, policy, kept, why, crypttab, after, root)


def apply(status: Status, tpm: Tpm2, recovery_key: bytes) -> None:
    """Make the planned changes to header and crypttab, and remove what opened the volume at boot before.

    :raises EdgesecError: a proof failed; the earlier keys still work.
    """
    device = status.volume.device
    require_recovery(device, recovery_key)
    kept = status.kept
    if kept is None:
        _disable_spent(status)
        kept = enrol(device, status.policy, tpm, recovery_key)
    write_crypttab(status)
    _remove_others(status, kept, recovery_key)
    require_recovery(device, recovery_key)


def write_crypttab(status: Status) -> None:
    """Write the crypttab line that makes systemd open the volume at boot.

    :raises Refused: crypttab was changed since it was read.
    """
    if status.writes_crypttab:
        replace_table(status.crypttab_before, status.crypttab_after, under(status.root, CRYPTTAB))


def _require_worthwhile(
    volume: Volume, uuid: str, tpm: Tpm2, policy: Policy, accept: Sequence[str], root: str
) -> tuple[Opening, Mapping[int, bytes]]:
    opening = Opening(volume, uuid, tpm.tcti, policy.signature)
    require_reader(opening, root)
    policy.require_usable()
    values = values_of(tpm, policy.all_pcrs)
    refuse_worthless(policy.all_pcrs, values, accept)
    return opening, values


def _kept(
    volume: Volume, header: Header, tokens: Mapping[str, Optional[ForeignToken]], policy: Policy, tpm: Tpm2
) -> Optional[str]:
    for number, token in tokens.items():
        wanted = token is not None and policy.holds_for(token) and token.keyslot in header.keyslots
        if not wanted:
            continue
        if opens(volume.device, number, policy, tpm):
            return number
        if tpm.in_lockout():
            raise Refused(
                "the TPM",
                "is locked out: systemd before version 256 seals without noda, so power cuts count as wrong guesses",
                "Nothing was changed. Wait until it has recovered, or clear the count (tpm2_dictionarylockout -c), "
                "and run again",
            )
    return None


def _due(
    header: Header,
    tokens: Mapping[str, Optional[ForeignToken]],
    kept: Optional[str],
    policy: Policy,
    values: Mapping[int, bytes],
    accept: Sequence[str],
) -> str:
    if kept is not None:
        if len(tokens) > 1:
            return f"the volume has {len(tokens)} systemd tokens; only token {kept} stays"
        return "the volume is also sealed by edgesec" if boot_tokens(header) else ""
    spent = [token for token in tokens.values() if token is not None and policy.holds_for(token)]
    if spent:
        return _why_spent(spent[0], policy, values, accept)
    readable = next((token for token in tokens.values() if token is not None), None)
    if readable is not None:
        return f"the volume is sealed by systemd to something else (PCRs {list(readable.pcrs)})"
    return "its systemd token cannot be read" if tokens else _NOT_SEALED


def _why_spent(token: ForeignToken, policy: Policy, values: Mapping[int, bytes], accept: Sequence[str]) -> str:
    """Explain why a correctly bound token no longer opens; the operator must accept that change by name."""
    if policy.public_key:
        seen = (
            "does not unseal under the signed policy: no signature fits this boot, or the TPM was cleared or replaced"
        )
        need(accept, "tpm_change", "the TPM", seen)
    elif token.sealed is not None and token.sealed.policy == policy_pcr({pcr: values[pcr] for pcr in policy.pcrs}):
        need(
            accept, "tpm_change", "the TPM", "is not the one that the volume was sealed to: it was cleared or replaced"
        )
        return "the volume is sealed to another TPM"
    else:
        need(accept, "boot_change", "the boot state", f"has changed: other values of the PCRs {list(policy.pcrs)}")
        return "the volume is sealed to another boot state"
    return "its systemd token does not open the volume"


def _disable_spent(status: Status) -> None:
    """Keep systemd-cryptenroll from reusing a token that no longer opens anything.

    It compares only policy digests, so change the digest. The token stays, to tell the next run its keyslot.
    """
    for number, token in tokens_of_systemd(status.header).items():
        if token is not None and status.policy.holds_for(token):
            data = dict(status.header.tokens[number])
            data["tpm2-policy-hash"] = "00" * 32
            cryptsetup.import_token(status.volume.device, number, data)


def _remove_others(status: Status, kept: str, recovery_key: bytes) -> None:
    """Remove our own and systemd's earlier keyslots and tokens; everyone else's stay."""
    device = status.volume.device
    header = require_header(device)
    others = [number for number in tokens_of_systemd(header) if number != kept]
    bound = {str(slot) for number in others for slot in header.tokens[number].get("keyslots") or []}
    needed = {
        str(slot)
        for number, token in header.tokens.items()
        if number not in others and number not in boot_tokens(header)
        for slot in token.get("keyslots") or []
    }
    stale = {*bound, *boot_slots(header)} - needed - {RECOVERY_SLOT}
    retire(device, recovery_key, sorted(slot for slot in stale if slot in header.keyslots))
    left = require_header(device).tokens
    for number in (*others, *boot_tokens(header)):
        if number in left:
            cryptsetup.remove_token(device, number)
    links = (under(status.root, name) for name in links_of(unlock_unit_of(status.volume.name)))
    for path in (enrolment_of(status.volume.name, status.root), *links):
        with suppress(FileNotFoundError):
            os.unlink(path)
            sync_directory(os.path.dirname(path))
