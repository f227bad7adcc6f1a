# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Seal a volume's secret to a TPM under a signed policy (PolicyAuthorize), and unseal it.

The secret never leaves the device. The LUKS key and the key of the header MAC are derived from it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Optional

from .authorization import Authorization, recall, session, verify
from .luks_token import Approval, Token
from .policy import key_name, policy_authorize, unseal_reference
from .tickets import Tickets
from .tools import SRK_HANDLE, Tpm2, TpmError

SECRET_BYTES = 32

# A context manager, entered before the TPM is asked for a secret and left with its answer.
Leaving = Callable[[], AbstractContextManager[None]]

# While systemd measures its boot phases, a PCR may be extended between PolicyPCR and Unseal (seen twice in one boot).
_RETRIES = 4


def luks_key(secret: bytes, uuid: str) -> bytes:
    """The key of the TPM's keyslot, bound to the volume's UUID; 32 bytes."""
    return _derived(secret, f"edgesec-luks-v1|{uuid}")


def header_key(secret: bytes, uuid: str) -> bytes:
    """The key of the header MAC, bound to the volume's UUID; 32 bytes."""
    return _derived(secret, f"edgesec-hdr-v1|{uuid}")


def authorized_policy(authority: str, srk_name: bytes) -> bytes:
    """The authPolicy of a sealed secret: any boot state that C(authority) signs for this TPM.

    :param authority: the controller's public key, PEM.
    """
    return policy_authorize(key_name(authority), unseal_reference(srk_name))


def seal(tpm: Tpm2, secret: bytes, authority: str, srk_name: bytes) -> tuple[bytes, bytes]:
    """Seal a secret; return the public and private part of the sealed object."""
    return tpm.seal(secret, authorized_policy(authority, srk_name), srk_name)


def unseal(
    tpm: Tpm2,
    token: Token,
    approval: Approval,
    tickets: Optional[Tickets] = None,
    leaving: Leaving = nullcontext,
) -> bytes:
    """Unseal the secret of a token with one approval.

    :param tickets: the stored tickets for verified approvals.
    :param leaving: entered at each attempt, around the one command whose answer contains the secret.
    :raises TpmError: with the reason: pcr_mismatch, revoked, bad_signature, wrong_key, tpm_changed, tpm_lockout, ...
    """
    if tpm.srk_name() != token.srk_name:
        raise TpmError(
            "tpm_changed",
            "is not the one this volume was sealed to: its storage root key is another one, or missing",
            "Recover the volume with its escrowed key and seal it again",
        )
    authorization = Authorization(
        token.authority, approval.policy(token.counter_name), unseal_reference(token.srk_name), approval.signature
    )
    ticket = tickets.of(approval) if tickets else None
    if ticket is not None:
        recall(tpm, authorization, ticket)
        with suppress(TpmError):
            return _loaded_and_unsealed(tpm, token, approval, authorization, leaving)
    ticket = verify(tpm, authorization)
    secret = _loaded_and_unsealed(tpm, token, approval, authorization, leaving)
    if tickets is not None:
        tickets.keep(approval, ticket)
    return secret


def _loaded_and_unsealed(
    tpm: Tpm2,
    token: Token,
    approval: Approval,
    authorization: Authorization,
    leaving: Leaving,
) -> bytes:
    tpm.call("tpm2_load", "-Q", "-C", SRK_HANDLE, "-u", tpm.write("load.pub", token.public),
             "-r", tpm.write("load.priv", token.private), "-c", tpm.path("sealed.ctx"))  # fmt: skip
    tpm.flush_transient()
    for _retry in range(_RETRIES):
        try:
            return _unseal_once(tpm, token, approval, authorization, leaving)
        except TpmError as error:
            if error.reason != "pcr_changed":
                raise
    return _unseal_once(tpm, token, approval, authorization, leaving)


def _unseal_once(
    tpm: Tpm2,
    token: Token,
    approval: Approval,
    authorization: Authorization,
    leaving: Leaving,
) -> bytes:
    def assertions(context: str) -> None:
        tpm.call("tpm2_policypcr", "-Q", "-S", context, "-l", f"sha256:{','.join(map(str, approval.pcrs))}")
        tpm.policy_nv(context, token.counter, approval.operand, approval.comparison)

    with session(tpm, token.srk_name, authorization, assertions) as context, leaving():
        return tpm.call("tpm2_unseal", "-c", tpm.path("sealed.ctx"), "-p", f"session:{context}").stdout


def _derived(secret: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) with no salt."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, purpose.encode() + b"\x01", hashlib.sha256).digest()
