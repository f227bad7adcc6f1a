# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Issue device certificates, with a CA whose key the controller has, or with a program of the operator."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.der import SEQUENCE, children, value
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.key_pair import KEY_TYPES
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.x509 import key_type as kind_of_key
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.x509 import (
    request_body,
    request_pem,
    require_common_name,
    signed_request,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pem_key import load_private_key

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
except ImportError:
    # require_cryptography() reports this before anything here is called.
    pass
else:
    # What cryptography raises for certificates and requests that it cannot parse.
    _UNREADABLE = (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )

SECONDS = 300
_CA_YEARS = 20
_EARLIER = timedelta(hours=1)
_MOST_REQUEST, _MOST_ISSUED = 16 * 1024, 1024 * 1024


@dataclass(frozen=True)
class IssuerSettings:
    """The issuer that the operator chose; see M(edgesec.hardening.identity_certificate)."""

    certificate: str = ""
    key: str = ""
    key_passphrase: str = field(default="", repr=False)
    command: Sequence[str] = ()
    aws: Mapping[str, Any] = field(default_factory=dict)
    days: int = 365


def load_request(pem: str, common_name: str, key_type: str = "") -> x509.CertificateSigningRequest:
    """Check that a device's request equals, byte for byte, the one that our own code on the device makes.

    Issuers get only the bytes that were checked, and nothing around them.

    :param key_type: the expected kind of key, one of KEY_TYPES; empty for any of them.
    :raises EdgesecError: it differs from the expected request, or is not signed by its own key.
    """
    require_common_name(common_name)
    subject, remedy = f"the request for the certificate of {common_name}", "Find out what answers in place of the token"
    if len(pem) > _MOST_REQUEST:
        raise EdgesecError(subject, f"has {len(pem)} characters, more than {_MOST_REQUEST}", remedy)
    der = _der_of(pem)
    if der is None:
        raise EdgesecError(subject, "is not one request in PEM and nothing else", remedy)
    try:
        body, _algorithm, signature = children(der, value(der, 0, len(der)), SEQUENCE)
        public_key = children(der, body, SEQUENCE)[2]
    except (Malformed, ValueError, IndexError):
        raise EdgesecError(subject, "cannot be read", remedy) from None
    spki = der[public_key.begin : public_key.end]
    kind, allowed = kind_of_key(spki), (key_type,) if key_type else KEY_TYPES
    if kind not in allowed:
        raise EdgesecError(subject, f"is for a key of the kind {kind or 'unknown'}, not {' or '.join(allowed)}", remedy)
    wanted = request_body(common_name, spki)
    if der != signed_request(wanted, spki, der[signature.content + 1 : signature.end]):
        raise EdgesecError(subject, _difference(der, wanted), remedy)
    try:
        request = x509.load_der_x509_csr(der)
        signed = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EdgesecError(subject, f"cannot be read ({error})", remedy) from None
    if not signed:
        raise EdgesecError(subject, "is not signed by its own key", remedy)
    return request


def _der_of(pem: str) -> bytes | None:
    lines = pem.split("\n")
    try:
        der = base64.b64decode("".join(lines[1:-2]), validate=True)
    except ValueError:
        return None
    return der if request_pem(der) == pem else None


def _difference(der: bytes, wanted: bytes) -> str:
    """Explain how a request differs from the expected one."""
    try:
        request = x509.load_der_x509_csr(der)
        names = [f"{each.oid.dotted_string}={each.value!a}" for each in request.subject]
        more = [each.oid.dotted_string for each in request.extensions]
        same = request.tbs_certrequest_bytes == wanted
    except (*_UNREADABLE, AttributeError):
        return "is not written as the role writes requests"
    if same:
        return "is not signed with SHA-256 as the role signs requests"
    return f"asks for something else: subject {', '.join(names) or 'empty'}; extensions {', '.join(more) or 'none'}"[
        :300
    ]


def issued_chain(
    pem: bytes, request: x509.CertificateSigningRequest, subject: str, *, renew_before_days: int = 0, default: str = ""
) -> str:
    """Check the certificate that an issuer returned; returns it and its chain in PEM, written from what was checked.

    :param subject: the issuer, for errors.
    :param renew_before_days: the next run would replace a certificate that expires within these days.
    :param default: another common name that the issuer may use instead of the requested one.
    :raises EdgesecError: it is not a valid certificate for this request.
    """
    remedy = "Make it certify the request"
    try:
        chain = x509.load_pem_x509_certificates(pem[:_MOST_ISSUED])
        first = chain[0]
        ours = first.public_key() == request.public_key()
        common = [str(each.value) for each in first.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        values = [each.value for each in first.extensions]
    except _UNREADABLE as error:
        raise EdgesecError(
            subject, f"gave no certificate in PEM ({str(error)[:100]})", "Make it return only that"
        ) from None
    if not ours:
        raise EdgesecError(subject, "gave a certificate of another key first", remedy)
    if any(
        (isinstance(each, x509.BasicConstraints) and each.ca)
        or (isinstance(each, x509.KeyUsage) and each.key_cert_sign)
        for each in values
    ):
        raise EdgesecError(subject, "gave a CA certificate, with which a device could issue others", remedy)
    dns = [
        name
        for each in values
        if isinstance(each, x509.SubjectAlternativeName)
        for name in each.get_values_for_type(x509.DNSName)
    ]
    asked = [str(each.value) for each in request.subject]
    given, wanted = ({name.lower() for name in names if name} for names in ([*common, *dns], [*asked, default]))
    if not given or given - wanted:
        raise EdgesecError(subject, f"gave a certificate for {[*common, *dns]}, not for {asked}"[:300], remedy)
    now, begin, end = datetime.now(UTC), first.not_valid_before_utc, first.not_valid_after_utc
    if not begin - _EARLIER <= now < end:
        raise EdgesecError(
            subject,
            f"gave a certificate that is valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, not now",
            "Check the clocks of the issuer and the controller",
        )
    require_longer_than_renewal(end - now, renew_before_days, subject)
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain).decode()


def require_longer_than_renewal(life: timedelta, renew_before_days: int, subject: str) -> None:
    """
    :raises EdgesecError: every run would replace a certificate with this lifetime.
    """
    if life <= timedelta(days=renew_before_days):
        raise EdgesecError(
            subject,
            f"gives a certificate for {life / timedelta(days=1):.1f} days, and device_identity_renew_before_days is"
            f" {renew_before_days}: each run would replace the key and its certificate",
            "Lower device_identity_renew_before_days, raise device_identity_valid_days, or replace a CA that ends soon",
        )


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
    request: x509.CertificateSigningRequest,
    ca: bytes,
    key: bytes,
    days: int,
    *,
    name: str,
    passphrase: str = "",
    renew_before_days: int = 0,
) -> str:
    """Issue a certificate for TLS clients; returns it and the CA's, both in PEM.

    :param ca: certificate of the CA in PEM; C(key) is its private key, and C(name) names them in errors.
    :param renew_before_days: see :func:`issued_chain`.
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
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=False)
    certificate = builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return issued_chain(certificate + ca, request, subject, renew_before_days=renew_before_days)


def issued_by_command(
    command: Sequence[str], request: x509.CertificateSigningRequest, host: str, *, renew_before_days: int = 0
) -> str:
    """Let a program of the operator certify a request; returns the certificate and its chain, in PEM.

    :param renew_before_days: see :func:`issued_chain`.

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
        raise EdgesecError(subject, f"did not end within {SECONDS} s", "Check what it waits for") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "it printed no error"
        raise EdgesecError(subject, f"ended with {done.returncode}: {said}", "Check its message; nothing was changed")
    if b"-----BEGIN CERTIFICATE-----" not in done.stdout:
        raise EdgesecError(subject, "printed no certificate in PEM", "Make it print only that")
    return issued_chain(done.stdout, request, subject, renew_before_days=renew_before_days)


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
