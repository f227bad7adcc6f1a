# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Facts about a device's TPM and the volumes sealed to it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .._base.errors import EdgesecError, Malformed
from .._base.tree import read_line, under
from .._keys.pcr_selection import DEFAULT_PCRS, boot_type_of
from .._luks.header import Header
from .._luks.on_device import header_of
from .._measured_boot.event_log import PATH as EVENT_LOG
from .._measured_boot.next_boot_record import recorded
from .._storage.unlocking import last_unlock
from .._storage.volume import Volume
from .._tpm.counter import counter_of, value_of
from .._tpm.luks_token import BANK, TYPE, UNEXTENDED, Token, parse_token
from .._tpm.pcrs import PCRS, is_measured, shown_banks, shown_pcrs, why_missing
from .._tpm.policy import key_name
from .._tpm.public_area import STORAGE, weaknesses
from .._tpm.tools import RESOURCE_MANAGER, SRK_HANDLE, Tpm2, TpmError
from .._unlock.enrolment import Enrolment, read_enrolment
from .._unlock.header_digest import is_as_recorded
from .._unlock.unit import unit_enabled
from .tpm_foreign_seals import stock_facts

_TPM = "/sys/class/tpm/tpm0"


def collect(root: str, volumes: Sequence[Volume], tcti: Optional[str]) -> dict[str, Any]:
    """Collect the fact C(edgesec_tpm).

    :param root: prefix of every path.
    :param volumes: the declared volumes.
    :param tcti: how tpm2-tools reach the TPM, as in TPM2TOOLS_TCTI; None for the kernel's resource manager.
    """
    with tempfile.TemporaryDirectory(prefix="edgesec-") as directory:
        tpm = Tpm2(tcti or RESOURCE_MANAGER, directory)
        facts = _device(root, tpm)
        facts["volumes"] = [_volume(root, volume, facts, tpm) for volume in volumes]
    return facts


def _device(root: str, tpm: Tpm2) -> dict[str, Any]:
    tcti = tpm.tcti
    by_kernel = tcti.startswith("device:")
    boot_type = boot_type_of(root)
    facts: dict[str, Any] = {
        "schema": 1,
        "present": os.path.exists(under(root, _TPM)) or not by_kernel,
        "version": None,
        "responding": None,
        "reason": None,
        "device": None,
        "tcti": tcti,
        "active_banks": [],
        "pcrs": {},
        "event_log": os.path.exists(under(root, EVENT_LOG)),
        "srk": None,
        "boot_type": boot_type,
        "default_pcrs": list(DEFAULT_PCRS[boot_type]),
        "next_boot": recorded(root),
        "source": under(root, _TPM),
    }
    if not facts["present"]:
        facts["reason"] = f"{_TPM} does not exist: the kernel found no TPM"
        return facts
    facts["device"] = "/dev/tpmrm0" if os.path.exists(under(root, "/dev/tpmrm0")) else None
    facts["version"] = _version(root) if by_kernel else "2.0"
    if facts["version"] == "1.2":
        facts["reason"] = "the TPM has version 1.2, which cannot seal to a signed policy"
        return facts
    facts["active_banks"] = shown_banks(root)
    if BANK in facts["active_banks"]:
        facts["pcrs"] = {BANK: {str(pcr): value.hex() for pcr, value in shown_pcrs(root).items()}}
    _ask(facts, tpm)
    return facts


def _ask(facts: dict[str, Any], tpm: Tpm2) -> None:
    """Ask the TPM itself: whether it responds, its storage root key, and PCRs if sysfs has none."""
    try:
        srk = tpm.srk()
        if srk is not None:
            name, public = srk
            facts["srk"] = {"handle": SRK_HANDLE, "name": name.hex(), "weaknesses": weaknesses(public, STORAGE)}
        if not facts["pcrs"]:
            facts["active_banks"] = sorted(tpm.active_banks())
            values = tpm.read_pcrs(BANK, PCRS) if BANK in facts["active_banks"] else {}
            facts["pcrs"] = {BANK: {str(pcr): value.hex() for pcr, value in values.items()}} if values else {}
        facts["responding"] = True
        missing = [pcr for pcr in facts["default_pcrs"] if str(pcr) not in facts["pcrs"].get(BANK, {})]
        if missing:
            facts["reason"] = why_missing(facts["active_banks"], missing)[0]
    except EdgesecError as error:
        facts["responding"] = False
        facts["reason"] = error.seen if isinstance(error, TpmError) else str(error)


def _version(root: str) -> Optional[str]:
    major = read_line(root, f"{_TPM}/tpm_version_major")
    return {"1": "1.2", "2": "2.0"}.get(major or "")


def _volume(root: str, volume: Volume, device: Mapping[str, Any], tpm: Tpm2) -> dict[str, Any]:
    name = volume.name
    values = {int(number): bytes.fromhex(value) for number, value in device["pcrs"].get(BANK, {}).items()}
    srk_name = bytes.fromhex(device["srk"]["name"]) if device["srk"] else None
    facts: dict[str, Any] = {
        "name": name,
        "enrolled": False,
        **stock_facts(root, volume, values, srk_name),
        "reason": None,
        "keyslot": None,
        "bank": None,
        "pcrs": [],
        "latch_pcr": None,
        "latch_set": None,
        "authority": None,
        "authority_pem_sha256": None,
        "srk_matches": None,
        "approvals": [],
        "approval_match": None,
        "approved_once": None,
        "counter": None,
        "counter_value": None,
        "counter_current": None,
        "epoch": None,
        "header_authenticated": None,
        "unmeasured_pcrs": [],
        "last_unlock": last_unlock(root, name),
        "unlock_unit_enabled": unit_enabled(root, name),
    }
    try:
        enrolment = read_enrolment(name, root)
        header, token = _header_and_token(root, enrolment)
        facts["authority"] = key_name(token.authority).hex()
        facts["header_authenticated"] = is_as_recorded(header, under(root, enrolment.device), enrolment.pins)
    except (EdgesecError, OSError) as error:
        facts["reason"] = str(error)
        return facts
    facts.update(
        enrolled=True,
        keyslot=token.keyslot,
        bank=BANK,
        pcrs=list(token.pcrs),
        latch_pcr=token.latch_pcr,
        authority_pem_sha256=hashlib.sha256(token.authority.encode()).hexdigest(),
        approvals=[each.id for each in token.approvals],
        counter=f"0x{token.counter:08x}",
        epoch=token.header_epoch,
        unmeasured_pcrs=[pcr for pcr in token.pcrs if not is_measured(values.get(pcr))],
    )
    if token.latch_pcr in values:
        facts["latch_set"] = values[token.latch_pcr] != UNEXTENDED
    if device["responding"]:
        facts["srk_matches"] = srk_name == token.srk_name
        facts["counter_value"] = _counted(tpm, token)
        facts["counter_current"] = facts["counter_value"] == token.header_epoch
    fitting = token.approvals_for({**values, token.latch_pcr: UNEXTENDED})
    if facts["counter_value"] is not None:
        fitting = [approval for approval in fitting if approval.holds(facts["counter_value"])]
    if fitting:
        facts.update(approval_match=fitting[0].id, approved_once=fitting[0].once)
    return facts


def _counted(tpm: Tpm2, token: Token) -> Optional[int]:
    """The revocation counter's value, or None if it cannot be read."""
    try:
        return value_of(tpm, counter_of(token))
    except EdgesecError:
        return None


def _header_and_token(root: str, enrolment: Enrolment) -> tuple[Header, Token]:
    """Read a volume's header and the token in it.

    :raises Malformed: there is no header, or it has no token bound to an existing keyslot.
    """
    subject = f"the header of {enrolment.device}"
    header = header_of(under(root, enrolment.device))
    if header is None:
        raise Malformed(subject, "is gone")
    for data in header.tokens.values():
        if isinstance(data, dict) and data.get("type") == TYPE:
            token = parse_token(data)
            if token.keyslot not in header.keyslots:
                raise Malformed(subject, f"has a TPM token for keyslot {token.keyslot}, which does not exist")
            return header, token
    raise Malformed(subject, "has no TPM token", "Run harden again to seal it")
