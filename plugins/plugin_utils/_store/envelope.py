# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Encrypt recovery keys and header backups on the controller, to the certificates of the operator.

The format is CMS EnvelopedData in DER (RFC 5652), which C(openssl cms -decrypt -inform DER) opens without us.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pem_key import load_private_key
from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.cms import Recipient, recipients

try:
    from cryptography import __version__, x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.serialization import pkcs7
except ImportError:
    # require_cryptography() reports this before anything here is called.
    pass

RECOVERY_KEY_BYTES = 32
_RSA_BITS = 3072
_LEAST_RSA_BITS = 2048
_YEARS = 30


@dataclass(frozen=True)
class EscrowSettings:
    """The certificates to encrypt recovery keys to, and the key to decrypt them with.

    :ivar certificates: paths of certificates; none for the store's own.
    :ivar key: path of a private key that is not in the store.
    :ivar key_passphrase: passphrase of the private key.
    :ivar read: reads a file, and decrypts it where ansible-vault encrypted it.
    """

    certificates: tuple[str, ...] = ()
    key: str = ""
    key_passphrase: str = field(default="", repr=False)
    read: Callable[[str], bytes] = lambda path: Path(path).read_bytes()


def new_recovery_key() -> bytes:
    """256 random bits as eight groups of eight hexadecimal digits, usable as a key file and as a typed passphrase."""
    digits = secrets.token_hex(RECOVERY_KEY_BYTES)
    return "-".join(digits[at : at + 8] for at in range(0, len(digits), 8)).encode()


def new_certificate() -> tuple[bytes, bytes]:
    """A self-signed escrow certificate and its private key, both PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edgesec recovery escrow")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return as_pem(certificate), private


def as_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def load_certificate(pem: bytes, name: str) -> x509.Certificate:
    """Load a certificate from PEM; C(name) names it in errors.

    :raises EdgesecError: it is not a certificate.
    """
    subject, remedy = f"the escrow certificate {name}", "Give an X.509 certificate in PEM with an RSA key"
    if b"PRIVATE KEY-----" in pem and b"-----BEGIN CERTIFICATE-----" not in pem:
        raise EdgesecError(
            subject, "contains a private key instead of a certificate", f"Keep the private key safe. {remedy}"
        )
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise EdgesecError(subject, f"cannot be read ({error})", remedy) from None


def require_usable(certificate: x509.Certificate, name: str) -> None:
    """Refuse a certificate that must not or cannot be encrypted to; C(name) names it in errors.

    :raises EdgesecError: it is not valid now, or its key cannot be used.
    """
    subject, now = f"the escrow certificate {name}", datetime.now(UTC)
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > end:
        raise EdgesecError(subject, f"expired on {end:%Y-%m-%d}", "Give one that is valid, then run rotate.yml")
    if now < begin:
        raise EdgesecError(subject, f"is not valid before {begin:%Y-%m-%d}", "Check the controller's clock, or wait")
    try:
        pkcs7.PKCS7EnvelopeBuilder().add_recipient(certificate)
    except TypeError as error:
        raise EdgesecError(
            subject,
            f"has a key that cryptography {__version__} cannot encrypt to ({str(error).rstrip('.')})",
            "Give a certificate with an RSA key",
        ) from None
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _LEAST_RSA_BITS:
        raise EdgesecError(
            subject, f"has an RSA key of {public.key_size} bits", f"Give one of {_LEAST_RSA_BITS} bits or more"
        )


def load_escrow_key(pem: bytes, name: str, passphrase: str = "") -> rsa.RSAPrivateKey:
    """Load a private key from PEM; C(name) names it in errors.

    :param passphrase: used if the key is protected by one.
    :raises EdgesecError: it is not a private RSA key, or the passphrase is wrong.
    """
    subject, remedy = f"the escrow's private key {name}", "Give a private RSA key in PEM"
    key = load_private_key(pem, subject, passphrase, "encrypted_storage_escrow_key_passphrase", remedy)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise EdgesecError(subject, "is not an RSA key", remedy)
    return key


def encrypt(data: bytes, certificates: Sequence[x509.Certificate]) -> bytes:
    """Encrypt to every certificate, as CMS EnvelopedData (AES-256); each must be usable (:func:`require_usable`)."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(data).set_content_encryption_algorithm(algorithms.AES256)
    for certificate in certificates:
        builder = builder.add_recipient(certificate)
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def is_encrypted_to(envelope: bytes, certificates: Sequence[x509.Certificate]) -> bool:
    """Whether an envelope is encrypted to exactly these certificates."""
    try:
        return recipients(envelope) == {_recipient(certificate) for certificate in certificates}
    except Malformed:
        return False


def decrypt(
    envelope: bytes, certificates: Sequence[x509.Certificate], keys: Sequence[rsa.RSAPrivateKey], what: str
) -> bytes:
    """Decrypt an envelope.

    :param certificates: all known certificates, including former ones.
    :param keys: the available private keys.
    :param what: names the content in errors.
    :raises EdgesecError: none of the keys opens it, or it is damaged.
    """
    mine = {key.public_key().public_numbers(): key for key in keys}
    try:
        wanted = recipients(envelope)
        for certificate in certificates:
            public = certificate.public_key()
            if _recipient(certificate) in wanted and isinstance(public, rsa.RSAPublicKey):
                key = mine.get(public.public_numbers())
                if key is not None:
                    return pkcs7.pkcs7_decrypt_der(envelope, certificate, key, [])
    except (Malformed, ValueError, TypeError) as error:
        raise EdgesecError(what, f"cannot be decrypted ({error})", "Restore it from the backup of the store") from None
    raise EdgesecError(
        what,
        f"cannot be decrypted: it is encrypted to {_names(wanted, certificates)}, and no private key for it is here",
        "Name one with encrypted_storage_escrow_key, and its certificate with encrypted_storage_escrow_certificates",
    )


def _recipient(certificate: x509.Certificate) -> Recipient:
    return certificate.issuer.public_bytes(), certificate.serial_number


def _names(wanted: set[Recipient], certificates: Sequence[x509.Certificate]) -> str:
    known = {_recipient(each): each.subject.rfc4514_string() for each in certificates}
    return ", ".join(sorted(f"{known.get(each, 'an unknown certificate')} (serial {each[1]:x})" for each in wanted))
