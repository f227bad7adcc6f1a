# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The policy key, which signs approvals and records: in the store, in a file, or on a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pem_key import (
    SET_BY,
    SIGNING_KEY,
    load_private_key,
    signing_public_pem,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pkcs11_key import Pkcs11Key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pkcs11_uri import is_pkcs11

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass


class PolicyKey(Protocol):
    """A signing key."""

    def public_pem(self) -> str:
        """The public key, SubjectPublicKeyInfo in PEM."""

    def sign(self, data: bytes) -> bytes:
        """A signature that C(openssl dgst -sha256 -verify) accepts: ECDSA in DER, or RSASSA-PKCS1-v1_5 for RSA."""


@dataclass(frozen=True)
class PolicyKeySettings:
    """The policy key that the operator chose.

    :ivar key: path of a private key in PEM, or a PKCS#11 URI; empty for the store's own.
    :ivar passphrase: passphrase of the private key, or PIN of the token.
    """

    key: str = ""
    passphrase: str = field(default="", repr=False)


class PemKey:
    """A private key from PEM.

    :param name: names the key in errors.
    :param passphrase: used if the key is protected by one.
    :raises EdgesecError: the key cannot sign approvals, or the passphrase is wrong.
    """

    def __init__(self, pem: bytes, name: str, passphrase: str = "") -> None:
        subject = f"the policy key {name}"
        key = load_private_key(pem, subject, passphrase, SET_BY, f"Give {SIGNING_KEY}")
        if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise EdgesecError(subject, "is neither an EC nor an RSA key", f"Give {SIGNING_KEY}")
        self._key = key
        self._public_pem = signing_public_pem(key.public_key(), subject)

    def public_pem(self) -> str:
        """The public key, SubjectPublicKeyInfo in PEM."""
        return self._public_pem

    def sign(self, data: bytes) -> bytes:
        """Sign."""
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))


def verifies(public_pem: str, data: bytes, signature: bytes) -> bool:
    """Whether the key signed the data with this signature.

    :param public_pem: the public part of a policy key.
    """
    public = serialization.load_pem_public_key(public_pem.encode())
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            return True
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
            return True
    except InvalidSignature:
        pass
    return False


def new_policy_key() -> bytes:
    """A private ECDSA P-256 key, PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def named_policy_key(settings: PolicyKeySettings, read: Callable[[str], bytes]) -> PolicyKey:
    """The key that the operator named.

    :param read: reads a file.
    :raises EdgesecError: it does not exist, or a TPM could not verify its signatures.
    """
    if is_pkcs11(settings.key):
        return Pkcs11Key(settings.key, settings.passphrase, read)
    return PemKey(read(settings.key), settings.key, settings.passphrase)
