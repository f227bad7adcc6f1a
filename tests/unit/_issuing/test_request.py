# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of a device in other hands: an issuer gets the one that was asked for, byte for byte, or none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.x509 import (
    key_type,
    request,
    request_body,
    request_pem,
    signed_request,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._issuing.issuer import (
    issue,
    issued_by_command,
    issued_chain,
    load_request,
    new_ca,
)

NAME = "gateway-a"
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
CA = new_ca()
CN = x509.NameOID.COMMON_NAME
SAN = x509.SubjectAlternativeName([x509.DNSName(NAME)])


def spki(key: Any) -> bytes:
    return bytes(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def ec_sign(data: bytes) -> bytes:
    return EC_KEY.sign(data, ec.ECDSA(hashes.SHA256()))


def rsa_sign(data: bytes) -> bytes:
    return RSA_KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())


GOOD = request(NAME, spki(EC_KEY), ec_sign)
BODY = request_body(NAME, spki(EC_KEY))


def built(
    subject: list[tuple[x509.ObjectIdentifier, str]],
    *extensions: x509.ExtensionType,
    key: Any = EC_KEY,
    digest: Any = hashes.SHA256(),  # noqa: B008
) -> str:
    """A request as another program makes it."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(*each) for each in subject])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode()


def certified(
    *extensions: x509.ExtensionType,
    name: str = NAME,
    begins: timedelta = timedelta(),
    days: int = 90,
    key: Any = EC_KEY,
) -> bytes:
    """A certificate as some issuer makes it."""
    begin = datetime.now(UTC) + begins
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(CN, name)] if name else []))
        .issuer_name(x509.Name([x509.NameAttribute(CN, "CA")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(EC_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("name", [NAME, "gw.example.com", "Gerät 7", "a" * 64])
@pytest.mark.parametrize(("key", "sign", "kind"), [(EC_KEY, ec_sign, "ec-p256"), (RSA_KEY, rsa_sign, "rsa-2048")])
def test_the_request_of_the_role_is_taken_whoever_issues(
    name: str, key: Any, sign: Callable[[bytes], bytes], kind: str
) -> None:
    assert key_type(spki(key)) == kind
    pem = request(name, spki(key), sign)
    for wanted in (kind, ""):
        loaded = load_request(pem, name, wanted)
        assert loaded.public_bytes(serialization.Encoding.PEM).decode() == pem
    chain = x509.load_pem_x509_certificates(issue(loaded, *CA, 365, name="x").encode())
    assert [each.value for each in chain[0].subject] == [name]
    assert chain[0].public_key() == key.public_key()
    chain[0].verify_directly_issued_by(chain[1])


def test_another_program_may_make_the_same_request() -> None:
    assert load_request(built([(CN, NAME)], SAN), NAME).is_signature_valid


FOREIGN = {
    "no names": built([(CN, NAME)]),
    "other names": built([(CN, NAME)], x509.SubjectAlternativeName([x509.DNSName("controller.example.com")])),
    "one name more": built([(CN, NAME)], x509.SubjectAlternativeName([x509.DNSName(NAME), x509.DNSName("b")])),
    "an address": built(
        [(CN, NAME)], x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ip_address("192.0.2.1"))])
    ),
    "a CA": built([(CN, NAME)], SAN, x509.BasicConstraints(ca=True, path_length=None)),
    "a use": built([(CN, NAME)], SAN, x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])),
    "an organisation": built([(CN, NAME), (x509.NameOID.ORGANIZATION_NAME, "root")], SAN),
    "another attribute for the name": built([(x509.NameOID.ORGANIZATION_NAME, NAME)], SAN),
    "another name": built([(CN, "gateway-b")], SAN),
    "NUL in the name": built([(CN, NAME + "\0.evil")], SAN),
    "RSA 1024": built([(CN, NAME)], SAN, key=rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "RSA 4096": built([(CN, NAME)], SAN, key=rsa.generate_private_key(65537, 4096)),
    "exponent 3": built([(CN, NAME)], SAN, key=rsa.generate_private_key(3, 2048)),
    "secp192r1": built([(CN, NAME)], SAN, key=ec.generate_private_key(ec.SECP192R1())),
    "secp256k1": built([(CN, NAME)], SAN, key=ec.generate_private_key(ec.SECP256K1())),
    "P-384": built([(CN, NAME)], SAN, key=ec.generate_private_key(ec.SECP384R1())),
    "Ed25519": built([(CN, NAME)], SAN, key=ed25519.Ed25519PrivateKey.generate(), digest=None),
    "SHA-384": built([(CN, NAME)], SAN, digest=hashes.SHA384()),
    "a challenge password": (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(CN, NAME)]))
        .add_extension(SAN, critical=False)
        .add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"x")
        .sign(EC_KEY, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    ),
    "two requests": GOOD + GOOD,
    "text before": "text\n" + GOOD,
    "text after": GOOD + "text\n",
    "a certificate after": GOOD + CA[0].decode(),
    "CRLF": GOOD.replace("\n", "\r\n"),
    "other words": GOOD.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
    "bytes after": request_pem(signed_request(BODY, spki(EC_KEY), ec_sign(BODY)) + b"\0"),
    "of another key": request_pem(signed_request(BODY, spki(EC_KEY), ec_sign(BODY + b"\0"))),
    "a point off the curve": request(NAME, spki(EC_KEY)[:-1] + bytes([spki(EC_KEY)[-1] ^ 1]), ec_sign),
    "empty": "",
    "garbage": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "lone surrogate": "\ud800",
    "NUL": "\0" * 100,
    "huge": GOOD + "A" * 10_000_000,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_request_that_was_not_asked_for_is_refused_by_name(kind: str) -> None:
    with pytest.raises(EdgesecError, match="the request for the certificate of gateway-a: ") as refused:
        load_request(FOREIGN[kind], NAME)
    assert len(str(refused.value)) < 500
    assert str(refused.value).isprintable()


def test_a_key_of_another_kind_than_the_task_names_is_refused() -> None:
    with pytest.raises(EdgesecError, match="of the kind ec-p256, not rsa-2048"):
        load_request(GOOD, NAME, "rsa-2048")


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "gw\0", "gw\n001", "\ud800", "a" * 1_000_000])
def test_a_name_that_no_certificate_holds_is_refused(name: str) -> None:
    with pytest.raises(EdgesecError, match="Set device_identity_common_name") as refused:
        load_request(GOOD, name)
    assert len(str(refused.value)) < 500


@given(st.integers(0, len(BODY)), st.binary(max_size=6), st.integers(0, 6))
def test_a_device_that_changes_and_signs_any_bytes_of_its_request_gets_nothing(at: int, put: bytes, cut: int) -> None:
    changed = BODY[:at] + put + BODY[at + cut :]
    pem = request_pem(signed_request(changed, spki(EC_KEY), ec_sign(changed)))
    if changed == BODY:
        load_request(pem, NAME)
        return
    with pytest.raises(EdgesecError):
        load_request(pem, NAME)


@given(st.integers(0, len(GOOD)), st.text(max_size=3), st.integers(0, 3))
def test_text_that_differs_is_not_passed_on(at: int, put: str, cut: int) -> None:
    changed = GOOD[:at] + put + GOOD[at + cut :]
    if changed != GOOD:
        with pytest.raises(EdgesecError):
            load_request(changed, NAME)


REQUEST = load_request(GOOD, NAME)
ISSUED = {
    "another key": (certified(key=RSA_KEY), "another key"),
    "another name": (certified(name="gateway-b"), "not for"),
    "another name beside ours": (certified(x509.SubjectAlternativeName([x509.DNSName("b")])), "not for"),
    "no name": (certified(name=""), "not for"),
    "a CA": (certified(x509.BasicConstraints(ca=True, path_length=None)), "a CA certificate"),
    "not valid yet": (certified(begins=timedelta(days=2)), "not now"),
    "expired": (certified(begins=timedelta(days=-2), days=1), "not now"),
    "no certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate in PEM"),
    "nothing": (b"", "no certificate in PEM"),
    "replaced at each run": (certified(days=30), "each run would replace"),
}


@pytest.mark.parametrize("kind", ISSUED)
def test_what_no_issuer_should_give_is_not_sent_on(kind: str, tmp_path: Path) -> None:
    pem, seen = ISSUED[kind]
    with pytest.raises(EdgesecError, match=f"the issuer: gave .*{seen}|the issuer: gives .*{seen}"):
        issued_chain(pem, REQUEST, "the issuer", renew_before_days=30)
    (tmp_path / "issued.pem").write_bytes(pem)
    with pytest.raises(EdgesecError, match=f"device_identity_ca_command names: .*{seen}"):
        issued_by_command(["cat", str(tmp_path / "issued.pem")], REQUEST, NAME, renew_before_days=30)


def test_what_an_issuer_prints_around_its_certificates_is_not_sent_on() -> None:
    first = certified(x509.SubjectAlternativeName([x509.DNSName(NAME.upper())]))
    assert issued_chain(b"Certificate:\n" + first + b"text\n" + CA[0], REQUEST, "x").encode() == first + CA[0]
    unnamed = certified(x509.SubjectAlternativeName([x509.DNSName(NAME)]), name="")
    assert issued_chain(unnamed, REQUEST, "x").encode() == unnamed
    assert issued_chain(certified(name="AWS"), REQUEST, "x", default="AWS")


def test_a_ca_that_ends_within_the_renewal_window_is_refused() -> None:
    with pytest.raises(EdgesecError, match=r"the CA x: gives a certificate for 30\.0 days.* replace a CA"):
        issue(REQUEST, *CA, 30, name="x", renew_before_days=30)
    assert issue(REQUEST, *CA, 31, name="x", renew_before_days=30)


def test_a_program_gets_the_bytes_that_were_checked(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read()); print(open(sys.argv[2]).read())"
    (tmp_path / "issued.pem").write_bytes(certified())
    command = [sys.executable, "-c", script, str(tmp_path / "got"), str(tmp_path / "issued.pem")]
    issued_by_command(command, REQUEST, NAME)
    assert (tmp_path / "got").read_text() == GOOD
