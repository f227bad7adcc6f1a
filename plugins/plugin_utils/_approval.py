# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Approvals: boot states of one device, signed with the policy key that never leaves the controller."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._token import Approval
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm_policy import policy_pcr, unseal_reference

try:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass


def new_policy_key() -> bytes:
    """A private ECDSA P-256 key, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_part(private_key: bytes) -> str:
    """The public key of a policy key, PEM.

    :raises EdgesecError: it is not a private P-256 key.
    """
    return (
        _load(private_key)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def approve(private_key: bytes, srk_name: bytes, values: Mapping[int, bytes], kernel: str) -> Approval:
    """Sign a boot state for the device whose storage root key has this name.

    :param values: what each PCR must hold, by number; the latch included.
    :param kernel: release of the running kernel, which goes into the id for people to read.
    """
    policy = policy_pcr(values)
    signature = _load(private_key).sign(policy + unseal_reference(srk_name), ec.ECDSA(hashes.SHA256()))
    identity = f"{datetime.now(UTC):%Y-%m-%d}-{kernel}-{policy.hex()[:8]}"
    return Approval(id=identity, pcrs=tuple(sorted(values)), policy=policy, signature=signature)


def sign(private_key: bytes, data: bytes) -> bytes:
    """A signature that C(openssl dgst -sha256 -verify) accepts: ECDSA with SHA-256, DER."""
    return _load(private_key).sign(data, ec.ECDSA(hashes.SHA256()))


def _load(private_key: bytes) -> ec.EllipticCurvePrivateKey:
    subject, remedy = "the policy key", "Give a private ECDSA P-256 key in PEM, without a passphrase"
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
    except (ValueError, TypeError) as error:
        raise EdgesecError(subject, f"cannot be read ({error})", remedy) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EdgesecError(subject, "is not an ECDSA P-256 key", remedy)
    return key
