# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of certificates (RFC 5280 section 4.1), and writer of certificate requests (PKCS#10, RFC 2986).

Nothing is verified here: the controller and the server that the device connects to do that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime, timezone
from typing import Callable, NamedTuple

from .._base.der import BIT_STRING, CONTEXT_0, INTEGER, OCTET_STRING, OID, SEQUENCE, Value, children, encode, value
from .._base.errors import Malformed, Refused

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")

_SET, _UTF8_STRING, _UTC_TIME, _GENERALIZED_TIME = 0x31, 0x0C, 0x17, 0x18
_COMMON_NAME = encode(OID, bytes.fromhex("550403"))
_EXTENSION_REQUEST = encode(OID, bytes.fromhex("2a864886f70d01090e"))
_SUBJECT_ALT_NAME = encode(OID, bytes.fromhex("551d11"))
_DNS_NAME = 0x82
_RSA_ENCRYPTION = encode(OID, bytes.fromhex("2a864886f70d010101"))
_SHA256_WITH_RSA = encode(OID, bytes.fromhex("2a864886f70d01010b"))
_EC_PUBLIC_KEY = encode(OID, bytes.fromhex("2a8648ce3d0201"))
P256 = encode(OID, bytes.fromhex("2a8648ce3d030107"))
_ECDSA_WITH_SHA256 = encode(OID, bytes.fromhex("2a8648ce3d040302"))
_NULL = bytes((5, 0))
_EXPONENT = 65537
# RFC 5280 appendix A.1, ub-common-name.
_MOST_NAME_CHARACTERS = 64
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")


class Certificate(NamedTuple):
    """The parts of a certificate that are judged.

    :ivar serial: in hexadecimal digits.
    :ivar not_before: seconds since the epoch, like C(not_after).
    :ivar public_key: SubjectPublicKeyInfo in DER.
    :ivar der: the certificate itself.
    """

    serial: str
    subject: bytes
    issuer: bytes
    not_before: int
    not_after: int
    public_key: bytes
    der: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal digits."""
        return hashlib.sha256(self.der).hexdigest()


def parse_certificate(pem: bytes, name: str) -> Certificate:
    """Parse the first certificate in PEM; C(name) is its name in errors.

    :raises Malformed: there is no valid certificate.
    """
    found = _PEM.search(pem)
    if found is None:
        raise Malformed(name, "holds no PEM certificate", "Put a PEM certificate there")
    try:
        der = base64.b64decode(b"".join(found.group(1).split()), validate=True)
    except binascii.Error:
        raise Malformed(
            name, "holds a certificate that is not valid base64", "Put a complete certificate there"
        ) from None
    try:
        outer = value(der, 0, len(der))
        body = children(der, outer, SEQUENCE)[0]
        fields = [each for each in children(der, body, SEQUENCE) if each.tag != CONTEXT_0]
        serial, _algorithm, issuer, validity, subject, public_key = fields[:6]
        begin, end = children(der, validity, SEQUENCE)
    except Malformed as error:
        raise Malformed(name, f"holds a certificate that {error.seen}", "Put a complete certificate there") from None
    except (IndexError, ValueError):
        raise Malformed(name, "holds something other than a certificate", "Put a certificate there") from None
    return Certificate(
        serial=der[serial.content : serial.end].hex(),
        subject=der[subject.begin : subject.end],
        issuer=der[issuer.begin : issuer.end],
        not_before=_time(der, begin, name),
        not_after=_time(der, end, name),
        public_key=der[public_key.begin : public_key.end],
        der=der[: outer.end],
    )


def ec_public_key(point: bytes) -> bytes:
    """Encode the SubjectPublicKeyInfo of a P-256 key from its uncompressed point."""
    return encode(SEQUENCE, encode(SEQUENCE, _EC_PUBLIC_KEY, P256), _bits(point))


def rsa_public_key(modulus: int, exponent: int) -> bytes:
    """Encode the SubjectPublicKeyInfo of an RSA key."""
    key = encode(SEQUENCE, _unsigned(modulus), _unsigned(exponent))
    return encode(SEQUENCE, encode(SEQUENCE, _RSA_ENCRYPTION, _NULL), _bits(key))


def is_rsa(public_key: bytes) -> bool:
    """Whether a SubjectPublicKeyInfo holds an RSA key."""
    return _RSA_ENCRYPTION in public_key[:32]


def ecdsa_signature(raw: bytes) -> bytes:
    """Convert an ECDSA signature from PKCS#11 format (both numbers concatenated) to X.509 format (DER)."""
    half = len(raw) // 2
    numbers = (int.from_bytes(part, "big") for part in (raw[:half], raw[half:]))
    return encode(SEQUENCE, *(_unsigned(number) for number in numbers))


def key_type(public_key: bytes) -> str:
    """The kind of key in a SubjectPublicKeyInfo, such as C(ec-p256) or C(rsa-2048).

    Empty for anything that :func:`ec_public_key` and :func:`rsa_public_key` (with exponent 65537) cannot produce.
    """
    if len(public_key) > 65 and ec_public_key(public_key[-65:]) == public_key and public_key[-65] == 4:
        return "ec-p256"
    try:
        fields = children(public_key, value(public_key, 0, len(public_key)), SEQUENCE)
        bits = public_key[fields[1].content + 1 : fields[1].end]
        modulus = children(bits, value(bits, 0, len(bits)), SEQUENCE)[0]
    except (Malformed, IndexError):
        return ""
    number = int.from_bytes(bits[modulus.content : modulus.end], "big")
    return f"rsa-{number.bit_length()}" if rsa_public_key(number, _EXPONENT) == public_key else ""


def require_common_name(common_name: str) -> None:
    """
    :raises Refused: the name cannot be the subject of a certificate.
    """
    seen = ""
    if not common_name.strip():
        seen = "is empty"
    elif len(common_name) > _MOST_NAME_CHARACTERS:
        seen = f"has {len(common_name)} characters; a certificate allows at most {_MOST_NAME_CHARACTERS}"
    elif not common_name.isprintable():
        seen = "contains an unprintable character"
    if seen:
        shown = ascii(common_name[:_MOST_NAME_CHARACTERS])
        raise Refused(f"the common name {shown}", seen, "Set device_identity_common_name to another name")


def request_body(common_name: str, public_key: bytes) -> bytes:
    """Encode the signed part of a request (CertificationRequestInfo) in DER.

    :param common_name: also requested as a DNS name if it is a valid one.
    """
    subject = encode(SEQUENCE, encode(_SET, encode(SEQUENCE, _COMMON_NAME, encode(_UTF8_STRING, common_name.encode()))))
    attributes = b""
    if _HOST_NAME.fullmatch(common_name):
        names = encode(SEQUENCE, encode(_DNS_NAME, common_name.encode()))
        extension = encode(SEQUENCE, _SUBJECT_ALT_NAME, encode(OCTET_STRING, names))
        attributes = encode(SEQUENCE, _EXTENSION_REQUEST, encode(_SET, encode(SEQUENCE, extension)))
    return encode(SEQUENCE, _unsigned(0), subject, public_key, encode(CONTEXT_0, attributes))


def signed_request(body: bytes, public_key: bytes, signature: bytes) -> bytes:
    """Encode a request in DER; the signature is SHA-256 with ECDSA (DER) or RSASSA-PKCS1-v1_5."""
    algorithm = (
        encode(SEQUENCE, _SHA256_WITH_RSA, _NULL) if is_rsa(public_key) else encode(SEQUENCE, _ECDSA_WITH_SHA256)
    )
    return encode(SEQUENCE, body, algorithm, _bits(signature))


def request_pem(der: bytes) -> str:
    """Encode a request in PEM."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""))


def request(common_name: str, public_key: bytes, sign: Callable[[bytes], bytes]) -> str:
    """Make a certificate request in PEM.

    :param sign: signs with SHA-256 and ECDSA (DER) or RSASSA-PKCS1-v1_5, using the requested key.
    """
    body = request_body(common_name, public_key)
    return request_pem(signed_request(body, public_key, sign(body)))


def _unsigned(number: int) -> bytes:
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return encode(BIT_STRING, b"\0", content)


def _time(der: bytes, time: Value, name: str) -> int:
    text = der[time.content : time.end].decode("ascii", "replace")
    try:
        if time.tag == _UTC_TIME:
            # RFC 5280 section 4.1.2.5.1: years from 50 on are 19xx.
            text = ("19" if int(text[:2]) >= 50 else "20") + text
        elif time.tag != _GENERALIZED_TIME:
            raise ValueError
        return int(datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp())
    except ValueError:
        raise Malformed(
            name, f"has an invalid validity time ({text[:20]!r})", "Put another certificate there"
        ) from None
