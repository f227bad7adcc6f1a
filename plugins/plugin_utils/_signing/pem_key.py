# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Private keys in PEM, with or without a passphrase, and public keys that a TPM can verify with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._tpm.public_key import parse_public_key

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

# The variable with the policy key's passphrase, or the PIN of its token.
SET_BY = "tpm_sealing_policy_key_passphrase"
SIGNING_KEY = "a private key, ECDSA P-256 or RSA of 2048 or 3072 bits, with which TPMs can verify"


def load_private_key(pem: bytes, subject: str, passphrase: str, variable: str, remedy: str) -> PrivateKeyTypes:
    """A private key of any kind.

    :param subject: names the key in errors.
    :param passphrase: used if the key is protected by one.
    :param variable: the variable that sets the passphrase.
    :param remedy: the remedy if it is not a key at all.
    :raises EdgesecError: it is not a private key, or the passphrase is wrong.
    """
    try:
        return serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        if not passphrase:
            raise EdgesecError(subject, "is protected by a passphrase", f"Set {variable}") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EdgesecError(subject, f"cannot be read ({error})", remedy) from None
    try:
        return serialization.load_pem_private_key(pem, password=passphrase.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise EdgesecError(subject, "is not opened by the passphrase", f"Correct {variable}") from None


def signing_public_pem(public: PublicKeyTypes, subject: str) -> str:
    """The public key of a signing key, as SubjectPublicKeyInfo in PEM.

    :param subject: names the key in errors.
    :raises EdgesecError: not every TPM supports this kind of key.
    """
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    try:
        parse_public_key(pem)
    except Malformed:
        raise EdgesecError(subject, f"is {_kind(public)}, which not every TPM takes", f"Give {SIGNING_KEY}") from None
    return pem


def _kind(public: PublicKeyTypes) -> str:
    if isinstance(public, rsa.RSAPublicKey):
        return f"an RSA key of {public.key_size} bits with exponent {public.public_numbers().e}"
    return f"on the curve {public.curve.name}" if isinstance(public, ec.EllipticCurvePublicKey) else "of another kind"
