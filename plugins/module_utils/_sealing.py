# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Sealing a volume's secret to a TPM under a signed policy, and getting it back (PolicyAuthorize).

The secret S never leaves the device. The LUKS key is derived from it, and so is (later) the key of the header MAC.
"""

from __future__ import annotations

import hashlib
import hmac

from ._errors import Malformed
from ._public_key import PublicKey, parse_public_key
from ._token import Approval, Token
from ._tpm2 import Tpm2, TpmError
from ._tpm_policy import external_public, key_name, policy_authorize, unseal_reference

SECRET_BYTES = 32

# While systemd measures its boot phases, a PCR may be extended between PolicyPCR and Unseal: seen twice in one boot.
_RETRIES = 4


def luks_key(secret: bytes, uuid: str) -> bytes:
    """The key of the TPM's keyslot: HKDF-SHA256 (RFC 5869) of the secret, bound to the volume's UUID; 32 bytes."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, f"edgesec-luks-v1|{uuid}".encode() + b"\x01", hashlib.sha256).digest()


def authorized_policy(authority: str, srk_name: bytes) -> bytes:
    """The authPolicy of a sealed secret: whatever boot state C(authority) signs for this TPM.

    :param authority: the controller's public key, PEM.
    """
    return policy_authorize(key_name(authority), unseal_reference(srk_name))


def seal(tpm: Tpm2, secret: bytes, authority: str, srk_name: bytes) -> tuple[bytes, bytes]:
    """Seal a secret; returns the public and private part of the sealed object."""
    return tpm.seal(secret, authorized_policy(authority, srk_name), srk_name)


def unseal(tpm: Tpm2, token: Token, approval: Approval) -> bytes:
    """Get the secret of a token back, by one approval.

    :raises TpmError: with the reason: pcr_mismatch, bad_signature, wrong_key, tpm_changed, tpm_lockout, ...
    """
    if tpm.srk_name() != token.srk_name:
        raise TpmError(
            "tpm_changed",
            "is not the one this volume was sealed to: its storage root key has another name, or none",
            "Recover the volume with its escrowed key and seal it again",
        )
    _verify(tpm, token, approval)
    tpm.call("tpm2_load", "-Q", "-C", tpm.path("srk.handle"), "-u", tpm.write("load.pub", token.public),
             "-r", tpm.write("load.priv", token.private), "-c", tpm.path("sealed.ctx"))  # fmt: skip
    tpm.flush_transient()
    for _retry in range(_RETRIES):
        try:
            return _unseal_once(tpm, token, approval)
        except TpmError as error:
            if error.reason != "pcr_changed":
                raise
    return _unseal_once(tpm, token, approval)


def _verify(tpm: Tpm2, token: Token, approval: Approval) -> None:
    """Have the TPM check the approval's signature; leaves its ticket in C(verify.ticket)."""
    key = _load_authority(tpm, token.authority)
    message = tpm.write("approval.message", approval.policy + unseal_reference(token.srk_name))
    tpm.call("tpm2_verifysignature", "-Q", "-c", tpm.path("authority.ctx"), "-g", "sha256", "-m", message,
             "-s", tpm.write("approval.signature", approval.signature), "-f", key.scheme,
             "-t", tpm.path("verify.ticket"))  # fmt: skip
    tpm.flush_transient()


def _load_authority(tpm: Tpm2, authority: str) -> PublicKey:
    """Load the key that signs approvals; leaves it in C(authority.ctx), and its name in C(authority.name)."""
    key, public = parse_public_key(authority), tpm.write("authority.pub", external_public(authority))
    try:
        tpm.call("tpm2_loadexternal", "-Q", "-C", "o", "-u", public, "-c", tpm.path("authority.ctx"),
                 "-n", tpm.path("authority.name"))  # fmt: skip
    except TpmError as error:
        if error.reason != "failed":
            raise
        seen = f"does not take the policy key, {key.description} ({error.seen})"
        raise TpmError(error.reason, seen, "Every TPM takes ECDSA P-256, and RSA of 2048 bits") from None
    if tpm.read("authority.name") != key_name(authority):
        raise Malformed("the policy public key", "has another name in the TPM than by computation")
    return key


def _unseal_once(tpm: Tpm2, token: Token, approval: Approval) -> bytes:
    session = tpm.start_session("unseal.session", token.srk_name, policy=True)
    try:
        tpm.call("tpm2_policypcr", "-Q", "-S", session, "-l", f"sha256:{','.join(map(str, approval.pcrs))}")
        tpm.call("tpm2_policyauthorize", "-Q", "-S", session, "-i", tpm.write("approval.policy", approval.policy),
                 "-q", unseal_reference(token.srk_name).hex(), "-n", tpm.path("authority.name"),
                 "-t", tpm.path("verify.ticket"))  # fmt: skip
        return tpm.call("tpm2_unseal", "-c", tpm.path("sealed.ctx"), "-p", f"session:{session}").stdout
    finally:
        tpm.call("tpm2_flushcontext", session)
        tpm.flush_transient()
