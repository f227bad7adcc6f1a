# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Findings on a volume that systemd seals and opens; they claim only what its token and its unit show."""

from __future__ import annotations

from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._facts.tpm_foreign_seals import EDGESEC, fingerprint
from ansible_collections.edgesec.hardening.plugins.module_utils._keys.foreign_tokens import SYSTEMD
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Finding,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import Unseen, View

_STORAGE = "edgesec_storage"
NOT_REBOOTED = "not rebooted since it was sealed"


def sealed(volume: View) -> Finding:
    """Whether exactly one systemd token, and none of the unlocker, binds the volume to this TPM."""
    problem = _not_enrolled(volume)
    if problem is not None:
        return problem
    token = _token(volume)
    if token.maybe_flag("srk_matches") is False:
        return failed("sealed to another TPM, or the TPM was cleared")
    words = f"keyslot {token.text('keyslot')}, PCRs {_listed(_pcrs(token))}"
    if token.maybe_flag("srk_matches") or _state(volume) == "active":
        return passed(words)
    if _state(volume) == "failed":
        return failed("systemd could not open it in this boot")
    return unknown("its token does not name the TPM, and no boot has shown yet that it opens")


def approved(volume: View) -> Finding:
    """Whether the volume opens in this boot state."""
    problem = _not_enrolled(volume)
    if problem is not None:
        return problem
    matches = _token(volume).maybe_flag("policy_matches")
    if matches is not None:
        return passed("the PCRs are as they were sealed to") if matches else failed("the PCRs have changed")
    if _state(volume) == "active":
        return passed("systemd has opened it in this boot")
    return unknown("only systemd sees whether a signature matches this boot, when it opens the volume")


def enabled(volume: View, facts: View) -> Finding:
    """Whether a crypttab line makes systemd open the volume."""
    name = volume.text("name")
    for line in facts.child(_STORAGE).children("crypttab"):
        if line.text("target") == name:
            options = line.texts("options")
            if not any(option.startswith("tpm2-device=") for option in options):
                return failed(f"line {line.number('line')} of crypttab has no tpm2-device=")
            if line.maybe_text("reader") is None or line.texts("ignored_options"):
                return failed(f"line {line.number('line')} of crypttab is not read with all its options")
            return failed(f"line {line.number('line')} has noauto") if "noauto" in options else passed("in crypttab")
    return failed("no line in crypttab")


def unattended(volume: View) -> Finding:
    """Whether systemd opened the volume in this boot."""
    if _not_enrolled(volume) is not None:
        return not_applicable("not sealed to the TPM")
    state = _state(volume)
    if state == "active":
        return passed("opened at boot")
    if state == "failed":
        return failed("systemd could not open it")
    return not_applicable(NOT_REBOOTED)


def latched(volume: View) -> Finding:
    """Whether the secret can be unsealed only once per boot."""
    if _not_enrolled(volume) is not None:
        return not_applicable("not sealed to the TPM")
    if "no_latch" in _token(volume).texts("weaknesses"):
        return failed(
            "systemd extends none of its PCRs after opening it: root can unseal the secret again in this boot",
            "Set tpm_sealing_provider: edgesec, which has a latch, or accept the risk",
        )
    return unknown("systemd's token does not show whether a PCR is extended after opening")


def not_offered(volume: View) -> Finding:
    """The finding for a property that no systemd token has; the weaknesses in the facts list it too."""
    return _not_enrolled(volume) or not_applicable("systemd does not offer this (tpm_sealing_provider)")


def selected(volume: View, pcrs: list[int], policy: View) -> Finding:
    """Whether the token is bound to the PCRs and the key of the policy, and to nothing else."""
    problem = _not_enrolled(volume)
    if problem is not None:
        return problem
    token = _token(volume)
    public_key = policy.text("tpm_sealing_public_key")
    signed = sorted(set(policy.numbers("tpm_sealing_public_key_pcrs"))) if public_key else []
    wanted = (sorted(set(pcrs)), signed, fingerprint(public_key.encode()) if public_key else None)
    seen = (token.numbers("pcrs"), token.numbers("public_key_pcrs"), token.maybe_text("public_key_sha256"))
    words = f"PCRs {_listed(token.numbers('pcrs'))}, signed {_listed(token.numbers('public_key_pcrs'))}"
    if token.flag("pcrlock"):
        return failed(f"{words}, and a policy of systemd-pcrlock")
    return passed(words) if seen == wanted else failed(words)


def _not_enrolled(volume: View) -> Optional[Finding]:
    tokens = _tokens(volume)
    if not tokens:
        return failed("not sealed to the TPM by systemd")
    if len(tokens) > 1:
        return failed(f"it has {len(tokens)} systemd tokens")
    reason = tokens[0].maybe_text("reason")
    if reason is not None:
        return failed(reason)
    return failed("also sealed by edgesec") if volume.maybe_text("provider") == EDGESEC else None


def _token(volume: View) -> View:
    return _tokens(volume)[0]


def _tokens(volume: View) -> list[View]:
    """The systemd tokens that need no PIN."""
    tokens = [token for token in volume.children("stock_tokens") if token.text("provider") == SYSTEMD]
    return [token for token in tokens if not token.maybe_flag("pin")]


def _state(volume: View) -> Optional[str]:
    unit = volume.maybe_child("systemd_unit")
    if unit is None:
        raise Unseen("the systemd unit that opens it could not be examined")
    return unit.maybe_text("state")


def _pcrs(token: View) -> list[int]:
    return sorted({*token.numbers("pcrs"), *token.numbers("public_key_pcrs")})


def _listed(pcrs: list[int]) -> str:
    return ", ".join(map(str, pcrs)) or "none"
