# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates that are read, and requests that are written, held against cryptography's own reading of them."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import Malformed
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.x509 import (
    ec_public_key,
    ecdsa_signature,
    is_rsa,
    parse_certificate,
    request,
    rsa_public_key,
)

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def der(public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def a_certificate(begin: datetime, end: datetime) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gw-001")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .sign(EC_KEY, hashes.SHA256())
    )


PEM = a_certificate(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)).public_bytes(
    serialization.Encoding.PEM
)


def test_public_keys_are_as_cryptography_writes_them() -> None:
    point = EC_KEY.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    assert ec_public_key(point) == der(EC_KEY.public_key())
    assert not is_rsa(der(EC_KEY.public_key()))
    numbers = RSA_KEY.public_key().public_numbers()
    assert rsa_public_key(numbers.n, numbers.e) == der(RSA_KEY.public_key())
    assert is_rsa(der(RSA_KEY.public_key()))


@pytest.mark.parametrize("end", [datetime(2049, 12, 31, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)])
def test_a_certificate_is_read_as_cryptography_reads_it(end: datetime) -> None:
    certificate = a_certificate(datetime(1999, 1, 1, tzinfo=UTC), end)
    read = parse_certificate(b"text before\n" + certificate.public_bytes(serialization.Encoding.PEM) + PEM, "x")
    assert int(read.serial, 16) == certificate.serial_number
    assert (read.subject, read.issuer) == (certificate.subject.public_bytes(), certificate.issuer.public_bytes())
    assert read.not_before == certificate.not_valid_before_utc.timestamp()
    assert read.not_after == end.timestamp()
    assert read.public_key == der(EC_KEY.public_key())
    assert read.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()


@given(st.integers(1, 2**256 - 1), st.integers(1, 2**256 - 1))
def test_a_signature_is_as_cryptography_writes_it(r: int, s: int) -> None:
    assert ecdsa_signature(r.to_bytes(32, "big") + s.to_bytes(32, "big")) == utils.encode_dss_signature(r, s)


@pytest.mark.parametrize("name", ["gw-001", "gw-001.example.com", "Gerät 7", "a" * 64])
def test_a_request_is_one_that_cryptography_accepts(name: str) -> None:
    for key in (EC_KEY, RSA_KEY):
        if isinstance(key, rsa.RSAPrivateKey):
            pem = request(name, der(key.public_key()), lambda d: RSA_KEY.sign(d, padding.PKCS1v15(), hashes.SHA256()))
        else:
            pem = request(name, der(key.public_key()), lambda d: EC_KEY.sign(d, ec.ECDSA(hashes.SHA256())))
        read = x509.load_pem_x509_csr(pem.encode())
        assert read.is_signature_valid
        assert [attribute.value for attribute in read.subject] == [name]
        assert der(read.public_key()) == der(key.public_key())  # type: ignore[arg-type]
        names = [value for extension in read.extensions for value in extension.value.get_values_for_type(x509.DNSName)]
        assert names == ([name] if name.startswith("gw") else [])


@given(st.integers(0, len(PEM) - 1), st.binary(max_size=8), st.integers(0, 8))
def test_what_is_no_certificate_is_malformed_and_never_worse(at: int, bytes_there: bytes, cut: int) -> None:
    with contextlib.suppress(Malformed):
        parse_certificate(PEM[:at] + bytes_there + PEM[at + cut :], "x")
    with contextlib.suppress(Malformed):
        parse_certificate(bytes_there, "x")


def test_a_certificate_that_ends_early_names_its_file() -> None:
    with pytest.raises(Malformed, match=r"/etc/x\.pem"):
        parse_certificate(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "/etc/x.pem")
