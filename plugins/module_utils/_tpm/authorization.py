# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What the controller signed, as the TPM takes it: the signature is verified, and a policy session made good by it.

TPM 2.0 Library, part 3, TPM2_VerifySignature and TPM2_PolicyAuthorize.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .._base.errors import Malformed
from .policy import external_public, key_name
from .public_key import PublicKey, parse_public_key
from .tools import Tpm2, TpmError

_KEY, _NAME, _TICKET = "authority.ctx", "authority.name", "verify.ticket"


class Authorization(NamedTuple):
    """A policy digest that the key C(authority) (PEM) signed, for the purpose that C(reference) stands for."""

    authority: str
    policy: bytes
    reference: bytes
    signature: bytes


def verify(tpm: Tpm2, authorization: Authorization) -> bytes:
    """Have the TPM check the signature; returns the ticket that it gives, which :func:`session` hands in.

    The ticket is no secret, is good in this TPM alone, and only until that is cleared.

    :raises TpmError: C(bad_signature), or the TPM does not take such a key.
    :raises Malformed: the TPM knows the key by another name than was computed.
    """
    key = _load(tpm, authorization.authority)
    message = tpm.write("authorization.message", authorization.policy + authorization.reference)
    tpm.call("tpm2_verifysignature", "-Q", "-c", tpm.path(_KEY), "-g", "sha256", "-m", message,
             "-s", tpm.write("authorization.signature", authorization.signature), "-f", key.scheme,
             "-t", tpm.path(_TICKET))  # fmt: skip
    tpm.flush_transient()
    return tpm.read(_TICKET)


def recall(tpm: Tpm2, authorization: Authorization, ticket: bytes) -> None:
    """Have :func:`session` hand in a ticket from before, which spares the TPM to load the key and check again."""
    tpm.write(_NAME, key_name(authorization.authority))
    tpm.write(_TICKET, ticket)


def _load(tpm: Tpm2, authority: str) -> PublicKey:
    """Load the key; its structure is made here, since tpm2-tools read not every PEM, and give names of their own."""
    key, public = parse_public_key(authority), tpm.write("authority.pub", external_public(authority))
    try:
        tpm.call("tpm2_loadexternal", "-Q", "-C", "o", "-u", public, "-c", tpm.path(_KEY), "-n", tpm.path(_NAME))
    except TpmError as error:
        if error.reason != "failed":
            raise
        seen = f"does not take the policy key, {key.description} ({error.seen})"
        raise TpmError(error.reason, seen, "Every TPM takes ECDSA P-256, and RSA of 2048 bits") from None
    if tpm.read(_NAME) != key_name(authority):
        raise Malformed("the policy public key", "has another name in the TPM than by computation")
    return key


@contextmanager
def session(
    tpm: Tpm2, srk_name: bytes, authorization: Authorization, assertions: Callable[[str], None]
) -> Iterator[str]:
    """A salted policy session, as the context's file, in which the authorization holds.

    :param assertions: brings a session to the signed policy digest.
    :raises TpmError: what is asserted is not so, or the signature was not verified.
    """
    context = tpm.start_session("policy.session", srk_name, policy=True)
    try:
        assertions(context)
        tpm.call("tpm2_policyauthorize", "-Q", "-S", context, "-i", tpm.write("signed.policy", authorization.policy),
                 "-q", authorization.reference.hex(), "-n", tpm.path(_NAME), "-t", tpm.path(_TICKET))  # fmt: skip
        yield context
    finally:
        tpm.call("tpm2_flushcontext", context)
        tpm.flush_transient()
