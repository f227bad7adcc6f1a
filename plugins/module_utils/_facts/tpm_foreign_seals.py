# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Facts about who sealed a volume to the TPM, and what systemd or clevis bound it to."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Optional

from .._base.errors import EdgesecError, Malformed
from .._base.places import systemd_unit_of
from .._base.tools import LOOK_SECONDS, find_tool, run
from .._base.tree import under
from .._keys.foreign_tokens import SYSTEMD, TPM2, ForeignToken, parse_foreign
from .._luks.header import Header
from .._luks.on_device import header_of
from .._storage.volume import Volume
from .._tpm.luks_token import BANK
from .._tpm.luks_token import TYPE as OURS
from .._tpm.policy import policy_pcr

EDGESEC = "edgesec"


def stock_facts(root: str, volume: Volume, values: Mapping[int, bytes], srk_name: Optional[bytes]) -> dict[str, Any]:
    """Collect C(provider), C(stock_tokens) and C(systemd_unit) of a volume.

    :param values: PCR values by number.
    :param srk_name: the name of the TPM's storage root key; None if it has none or does not respond.
    """
    header = _header(root, volume.device)
    tokens = [] if header is None else _tokens(header, values, srk_name)
    ours = header is not None and any(
        isinstance(data, dict) and data.get("type") == OURS for data in header.tokens.values()
    )
    providers = [EDGESEC] if ours else [token["provider"] for token in tokens]
    by_systemd = any(token["provider"] == SYSTEMD for token in tokens)
    return {
        "provider": providers[0] if providers else None,
        "stock_tokens": tokens,
        "systemd_unit": _unit(volume.name) if by_systemd and root == "/" else None,
    }


def _header(root: str, device: str) -> Optional[Header]:
    try:
        return header_of(under(root, device))
    except (EdgesecError, OSError):
        return None


def _tokens(header: Header, values: Mapping[int, bytes], srk_name: Optional[bytes]) -> list[dict[str, Any]]:
    found = []
    for number, data in sorted(header.tokens.items()):
        facts = _nothing_known(number, str(data.get("type")) if isinstance(data, dict) else "")
        try:
            token = parse_foreign(data)
        except Malformed as error:
            found.append({**facts, "reason": str(error)})
            continue
        if token is not None:
            found.append({**facts, **_known(token, header, values, srk_name)})
    return found


def _nothing_known(number: str, kind: str) -> dict[str, Any]:
    return {
        "id": number,
        "provider": kind.partition("-")[0],
        "keyslot": None,
        "method": None,
        "bank": None,
        "pcrs": [],
        "public_key_sha256": None,
        "public_key_pcrs": [],
        "pcrlock": None,
        "pin": None,
        "srk_pinned": None,
        "srk_matches": None,
        "policy_matches": None,
        "weaknesses": None,
        "reason": None,
    }


def _known(
    token: ForeignToken, header: Header, values: Mapping[int, bytes], srk_name: Optional[bytes]
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "keyslot": token.keyslot,
        "method": token.method,
        "bank": token.bank,
        "pcrs": list(token.pcrs),
        "weaknesses": token.weaknesses,
    }
    if token.method == TPM2:
        facts.update(
            public_key_pcrs=list(token.public_key_pcrs),
            public_key_sha256=fingerprint(token.public_key) if token.public_key else None,
            pcrlock=token.pcrlock,
            pin=token.with_pin,
            srk_pinned=token.srk_pinned,
            srk_matches=token.srk_name == srk_name if token.srk_name and srk_name else None,
            policy_matches=_policy_matches(token, values),
        )
    if token.keyslot not in header.keyslots:
        facts["reason"] = f"it is bound to keyslot {token.keyslot}, which does not exist"
    return facts


def fingerprint(public_key: bytes) -> str:
    """SHA-256 of a PEM public key, ignoring surrounding white space."""
    return hashlib.sha256(public_key.strip()).hexdigest()


def _policy_matches(token: ForeignToken, values: Mapping[int, bytes]) -> Optional[bool]:
    """Whether literal PCR values match this boot; None if the policy needs more than that or another bank."""
    only_literal = token.pcrs and not (token.public_key or token.pcrlock or token.with_pin)
    if token.sealed is None or not only_literal or token.bank != BANK or not values:
        return None
    if any(pcr not in values for pcr in token.pcrs):
        return None
    return token.sealed.policy == policy_pcr({pcr: values[pcr] for pcr in token.pcrs})


def _unit(name: str) -> Optional[dict[str, Any]]:
    """The state in this boot of the unit with which systemd opens the volume."""
    if find_tool("systemctl") is None or not os.path.isdir("/run/systemd/system"):
        return None
    try:
        done = run(
            ["systemctl", "show", "--property=LoadState,ActiveState,Result", systemd_unit_of(name)],
            timeout=LOOK_SECONDS,
        )
    except EdgesecError:
        return None
    shown = dict(line.partition("=")[::2] for line in done.stdout.decode("utf-8", "replace").splitlines())
    return {
        "name": systemd_unit_of(name),
        "loaded": shown.get("LoadState") == "loaded",
        "state": shown.get("ActiveState"),
        "result": shown.get("Result"),
    }
