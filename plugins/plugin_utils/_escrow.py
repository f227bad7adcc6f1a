# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Recovery keys and header backups, encrypted on the controller to the operator's certificate.

The format is CMS EnvelopedData in DER (RFC 5652), which C(openssl cms -decrypt -inform DER) opens without us.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.ciphers import algorithms
    from cryptography.hazmat.primitives.serialization import pkcs7
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass

RECOVERY_KEY_BYTES = 32
_RSA_BITS = 3072
_YEARS = 30


def new_recovery_key() -> bytes:
    """256 random bits as eight groups of eight hexadecimal digits: a key file and a passphrase that can be typed."""
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
    return certificate.public_bytes(serialization.Encoding.PEM), private


def encrypt(data: bytes, certificates: list[bytes]) -> bytes:
    """CMS EnvelopedData (AES-256) for every certificate, each PEM with an RSA key.

    :raises EdgesecError: no certificate, or one that cannot be used.
    """
    if not certificates:
        raise EdgesecError("the escrow", "has no certificate to encrypt to", "Name one in edgesec_escrow_certificates")
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(data).set_content_encryption_algorithm(algorithms.AES256)
    for pem in certificates:
        try:
            builder = builder.add_recipient(x509.load_pem_x509_certificate(pem))
        except (ValueError, TypeError) as error:
            raise EdgesecError(
                "an escrow certificate", f"cannot be used ({error})", "Give an X.509 certificate in PEM with an RSA key"
            ) from None
    return builder.encrypt(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


def decrypt(envelope: bytes, certificate: bytes, private_key: bytes) -> bytes:
    """What was encrypted to a certificate.

    :raises EdgesecError: the key is not the one it was encrypted to, or the envelope is damaged.
    """
    try:
        key = serialization.load_pem_private_key(private_key, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("it is no RSA key")
        return pkcs7.pkcs7_decrypt_der(envelope, x509.load_pem_x509_certificate(certificate), key, [])
    except (ValueError, TypeError) as error:
        raise EdgesecError(
            "the escrowed recovery key",
            f"cannot be decrypted ({error})",
            "Give the private key of the certificate it was encrypted to",
        ) from None
