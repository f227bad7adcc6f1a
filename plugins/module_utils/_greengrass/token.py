# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Greengrass's key and certificate in a live token: prove that they are what a configuration says."""

from __future__ import annotations

import os

from .._base.der import INTEGER, encode
from .._base.errors import Malformed
from .._identity import key_pair as element
from .._identity import pkcs11 as p11
from .._identity.key_pair import PublicKey
from .._identity.pkcs11 import Session, TokenError
from .._identity.x509 import Certificate, is_rsa, parse_certificate
from .settings import PRIVATE, Uri

_SMALLEST_RSA = 2048


def read_certificate(path: str) -> Certificate:
    """Read the device's certificate.

    :raises TokenError: the file holds no certificate.
    """
    try:
        with open(path, "rb") as stream:
            return parse_certificate(stream.read(1 << 20), path)
    except OSError:
        raise TokenError("certificate_missing", path, "cannot be read", "Run device_identity first") from None
    except Malformed as error:
        raise TokenError("certificate_wrong", path, error.seen, error.remedy) from None


def require_key(session: Session, label: str, certificate: Certificate) -> PublicKey:
    """Require a key that Greengrass can use, that belongs to the certificate, and that was never outside the token.

    :raises TokenError: the key does not meet one of these conditions.
    """
    subject = f"the key {label}"
    public, private = element.key_pair(session, label)
    if session.attribute(private, p11.LABEL) != label.encode():
        raise TokenError("key", subject, "has a private half with another label", "Give both halves the same label")
    element.require_born_inside(session, label, private)
    if certificate.public_key != public.spki:
        raise TokenError(
            "certificate_wrong", "the certificate", f"is not for the key {label}", "Have one issued for this key"
        )
    bits = len((session.attribute(public.handle, p11.MODULUS) or b"").lstrip(b"\0")) * 8
    if is_rsa(public.spki) and bits < _SMALLEST_RSA:
        raise TokenError("key", subject, f"has {bits} bits", f"Use an RSA key of {_SMALLEST_RSA} bits or more")
    if is_rsa(public.spki) and session.flag(private, p11.DECRYPT) is False:
        raise TokenError(
            "key", subject, "may not decrypt, which Greengrass needs", "Make a key in the token that may decrypt"
        )
    # A key may be listed and yet unusable.
    element.sign(session, private, public.spki, os.urandom(16))
    return public


def has_certificate(session: Session, label: str, public: PublicKey, certificate: Certificate) -> bool:
    """Whether the token's only certificate with a label is this one, with the key's ID."""
    found = _certificates(session, label)
    return len(found) == 1 and _is(session, found[0], public, certificate)


def put_certificate(session: Session, label: str, public: PublicKey, certificate: Certificate) -> None:
    """Put a certificate into the token with its key's label and ID, and destroy others with that label.

    :raises TokenError: the token refused it and was not changed.
    """
    before = _certificates(session, label)
    good = [handle for handle in before if _is(session, handle, public, certificate)]
    if not good:
        session.create(
            {
                p11.CLASS: p11.CERTIFICATE,
                p11.CERTIFICATE_TYPE: p11.X_509,
                p11.TOKEN: True,
                p11.PRIVATE: False,
                p11.LABEL: label.encode(),
                p11.ID: public.key_id,
                p11.SUBJECT: certificate.subject,
                p11.ISSUER: certificate.issuer,
                p11.SERIAL_NUMBER: encode(INTEGER, bytes.fromhex(certificate.serial)),
                p11.VALUE: certificate.der,
            }
        )
    for handle in before:
        if handle not in good[:1]:
            session.destroy(handle)


def resolve(session: Session, uri: Uri, public: PublicKey, certificate: Certificate) -> None:
    """Require that a URI leads to exactly the key or its certificate.

    :raises TokenError: it does not.
    """
    kind = p11.PRIVATE_KEY if uri.kind == PRIVATE else p11.CERTIFICATE
    found = session.find({p11.CLASS: kind, p11.LABEL: uri.label.encode()})
    right = len(found) == 1 and (
        session.attribute(found[0], p11.ID) == public.key_id
        if uri.kind == PRIVATE
        else _is(session, found[0], public, certificate)
    )
    if not right:
        raise TokenError(
            "unresolved",
            f"the URI of the {'private key' if uri.kind == PRIVATE else 'certificate'}",
            f"leads to {len(found)} objects, or to another object than the key {uri.label} and its certificate",
            "Check what else has that label (pkcs11-tool --list-objects)",
        )


def _certificates(session: Session, label: str) -> list[int]:
    return session.find({p11.CLASS: p11.CERTIFICATE, p11.LABEL: label.encode()})


def _is(session: Session, handle: int, public: PublicKey, certificate: Certificate) -> bool:
    return (
        session.attribute(handle, p11.VALUE) == certificate.der and session.attribute(handle, p11.ID) == public.key_id
    )
