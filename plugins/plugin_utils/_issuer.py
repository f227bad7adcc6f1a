# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Who issues the certificates of devices: a CA of which the controller has the key, or a program of the operator's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing_key import load_private_key

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass

SECONDS = 300
_CA_YEARS = 20
_EARLIER = timedelta(hours=1)


@dataclass(frozen=True)
class IssuerSettings:
    """Whom the operator wants to issue certificates; see M(edgesec.hardening.identity_certificate)."""

    certificate: str = ""
    key: str = ""
    key_passphrase: str = field(default="", repr=False)
    command: Sequence[str] = ()
    aws: Mapping[str, Any] = field(default_factory=dict)
    days: int = 365


def load_request(pem: str, common_name: str) -> x509.CertificateSigningRequest:
    """A request from a device, with its signature verified.

    :raises EdgesecError: it is none, or was not made for this name by the key that it is for.
    """
    subject = f"the request for the certificate of {common_name}"
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        signed = request.is_signature_valid
    except ValueError as error:
        raise EdgesecError(subject, f"cannot be read ({error})", "Report this") from None
    names = [attribute.value for attribute in request.subject]
    if not signed or names != [common_name]:
        seen = "is not signed by its own key" if not signed else f"is for {names}"
        raise EdgesecError(subject, seen, "Find out what answers in place of the token")
    return request


def new_ca() -> tuple[bytes, bytes]:
    """The certificate and the private key of a CA for devices, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "edgesec device CA")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=365 * _CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def issue(
    request: x509.CertificateSigningRequest, ca: bytes, key: bytes, days: int, *, name: str, passphrase: str = ""
) -> str:
    """A certificate for TLS clients, with the CA's after it, both PEM.

    :param ca: certificate of the CA in PEM, and C(key) its private key; C(name) stands for them in errors.
    :raises EdgesecError: they do not belong together, or cannot be used.
    """
    subject, remedy = f"the CA {name}", "Give the certificate of a CA and its own private key, both in PEM"
    try:
        issuer = x509.load_pem_x509_certificate(ca)
    except ValueError as error:
        raise EdgesecError(subject, f"has a certificate that cannot be read ({error})", remedy) from None
    private = load_private_key(key, subject, passphrase, "device_identity_ca_key_passphrase", remedy)
    if not isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise EdgesecError(subject, "has a key that is neither EC nor RSA", remedy)
    if private.public_key() != issuer.public_key():
        raise EdgesecError(subject, "has a certificate of another key", remedy)
    now = datetime.now(UTC)
    end = min(now + timedelta(days=days), issuer.not_valid_after_utc)
    if end <= now:
        raise EdgesecError(subject, f"expired on {end:%Y-%m-%d}", "Give one that is valid")
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(issuer.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _EARLIER, issuer.not_valid_before_utc))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), critical=False)
    )
    for extension in request.extensions:
        # The request holds no more than the name that it was checked for.
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = extension.value.get_values_for_type(x509.DNSName)
            if names != [attribute.value for attribute in request.subject]:
                raise EdgesecError("the request", f"asks for the names {names}", "Find out what answers for the token")
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(names[0])]), critical=False)
    certificate = builder.sign(private, hashes.SHA256())
    return (certificate.public_bytes(serialization.Encoding.PEM) + ca).decode()


def issued_by_command(command: Sequence[str], request: x509.CertificateSigningRequest, host: str) -> str:
    """What a program of the operator's makes of a request: the certificate and those that it was issued by, PEM.

    :raises EdgesecError: it failed, or printed something else.
    """
    subject = f"the program {command[0]} that device_identity_ca_command names"
    pem = request.public_bytes(serialization.Encoding.PEM)
    try:
        done = subprocess.run(
            list(command),
            input=pem,
            capture_output=True,
            env={**os.environ, "EDGESEC_HOST": host},
            timeout=SECONDS,
            check=False,
        )
    except OSError as error:
        raise EdgesecError(subject, f"cannot be run: {error.strerror}", "Correct its path") from None
    except subprocess.TimeoutExpired:
        raise EdgesecError(subject, f"did not end within {SECONDS} s", "See what it waits for") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "it printed no error"
        raise EdgesecError(subject, f"ended with {done.returncode}: {said}", "See what it says; nothing was changed")
    try:
        chain = x509.load_pem_x509_certificates(done.stdout)
    except ValueError:
        raise EdgesecError(subject, "printed no certificate in PEM", "Have it print that alone") from None
    if chain[0].public_key() != request.public_key():
        raise EdgesecError(subject, "printed a certificate of another key first", "Have it certify the request")
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain).decode()


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
