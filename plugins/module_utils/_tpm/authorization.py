# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Have the TPM verify the controller's signature, and open a policy session that it authorizes.

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
    """A policy digest signed by the key C(authority) (PEM); C(reference) states the purpose."""

    authority: str
    policy: bytes
    reference: bytes
    signature: bytes


def verify(tpm: Tpm2, authorization: Authorization) -> bytes:
    """Have the TPM check the signature; return its ticket, which :func:`session` presents.

    The ticket is not secret. It is valid only in this TPM, until the TPM is cleared.

    :raises TpmError: C(bad_signature), or the TPM does not accept the type of key.
    :raises Malformed: the TPM computes another name for the key.
    """
    key = _load(tpm, authorization.authority)
    message = tpm.write("authorization.message", authorization.policy + authorization.reference)
    tpm.call("tpm2_verifysignature", "-Q", "-c", tpm.path(_KEY), "-g", "sha256", "-m", message,
             "-s", tpm.write("authorization.signature", authorization.signature), "-f", key.scheme,
             "-t", tpm.path(_TICKET))  # fmt: skip
    tpm.flush_transient()
    return tpm.read(_TICKET)


def recall(tpm: Tpm2, authorization: Authorization, ticket: bytes) -> None:
    """Make :func:`session` present an earlier ticket, so the TPM need not load the key and verify again."""
    tpm.write(_NAME, key_name(authorization.authority))
    tpm.write(_TICKET, ticket)


def _load(tpm: Tpm2, authority: str) -> PublicKey:
    """Load the key. Its structure is built here: tpm2-tools cannot read every PEM, and would give another name."""
    key, public = parse_public_key(authority), tpm.write("authority.pub", external_public(authority))
    try:
        tpm.call("tpm2_loadexternal", "-Q", "-C", "o", "-u", public, "-c", tpm.path(_KEY), "-n", tpm.path(_NAME))
    except TpmError as error:
        if error.reason != "failed":
            raise
        seen = f"does not accept the policy key, {key.description} ({error.seen})"
        raise TpmError(error.reason, seen, "Use ECDSA P-256 or 2048-bit RSA, which every TPM accepts") from None
    if tpm.read(_NAME) != key_name(authority):
        raise Malformed("the policy public key", "has another name in the TPM than the computed one")
    return key


@contextmanager
def session(
    tpm: Tpm2, srk_name: bytes, authorization: Authorization, assertions: Callable[[str], None]
) -> Iterator[str]:
    """Open a salted policy session that satisfies the authorization; yield its context file.

    :param assertions: brings a session to the signed policy digest.
    :raises TpmError: an assertion does not hold, or the signature was not verified.
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
