# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Key pairs in a PKCS#11 token: found, made, and judged by the attributes that are read back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional

from .._base.tree import read_bytes
from . import pkcs11 as p11
from .pkcs11 import Library, Session, Token, TokenError
from .pkcs11_structures import Value
from .x509 import P256, ec_public_key, ecdsa_signature, is_rsa, rsa_public_key

SOFTWARE, VIRTUAL_TPM, TPM, TEE, ELEMENT, UNKNOWN = "software", "virtual_tpm", "tpm", "tee", "element", "unknown"
HARDWARE = (VIRTUAL_TPM, TPM, TEE, ELEMENT)
KEY_TYPES = ("ec-p256", "rsa-2048", "rsa-3072")

# What a private key must be for nobody to have had it outside the token, and what each is called in facts.
WANTED = {
    "sensitive": (p11.SENSITIVE, True),
    "always_sensitive": (p11.ALWAYS_SENSITIVE, True),
    "extractable": (p11.EXTRACTABLE, False),
    "never_extractable": (p11.NEVER_EXTRACTABLE, True),
    "local": (p11.LOCAL, True),
}
# DigestInfo of SHA-256 up to the digest (RFC 8017 section 9.2, note 1).
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_CHALLENGE_BYTES = 32
_MOST_PIN_BYTES = 256
_SOFT_MODELS = ("softhsm", "soft", "nss", "gnome-keyring", "p11-kit")


class Place(NamedTuple):
    """Where a key is, or is to be.

    :ivar library: path of the PKCS#11 library.
    :ivar environment: variables that it reads.
    :ivar token: label of the token.
    :ivar key: label of the key pair.
    """

    library: str
    environment: Mapping[str, str]
    token: str
    key: str


class PublicKey(NamedTuple):
    """A public key on a token.

    :ivar handle: of the object, in the session that it was found in.
    :ivar spki: SubjectPublicKeyInfo in DER.
    """

    handle: int
    key_id: bytes
    spki: bytes


def place_of(parameters: Mapping[str, Any]) -> Place:
    """The place that parameters C(library), C(environment), C(token) and C(key) name."""
    environment = {str(name): str(value) for name, value in parameters["environment"].items()}
    return Place(parameters["library"], environment, parameters["token"], parameters["key"])


def read_pin(root: str, path: str) -> bytes:
    """The PIN that the device keeps in a file.

    :param path: empty for none.
    :raises TokenError: there is none.
    """
    pin = (read_bytes(root, path, _MOST_PIN_BYTES) or b"").rstrip(b"\r\n") if path else b""
    if not pin:
        raise TokenError("pin_missing", f"the PIN file {path!r}", "cannot be read", "Run harden")
    return pin


@contextmanager
def opened(place: Place) -> Iterator[Library]:
    """The library, in use with its variables.

    :raises TokenError: it cannot be loaded.
    """
    os.environ.update(place.environment)
    library = Library(place.library)
    try:
        yield library
    finally:
        library.close()


def token_named(library: Library, place: Place) -> Optional[Token]:
    """The token of the key, or None where there is none of this label.

    :raises TokenError: there are several.
    """
    found = [token for token in library.tokens() if token.initialized and token.label == place.token]
    if len(found) > 1:
        raise TokenError(
            "token", f"the token {place.token}", f"is there {len(found)} times", "Give labels of their own"
        )
    return found[0] if found else None


def named(library: Library, place: Place) -> Token:
    """The token of the key.

    :raises TokenError: there is none of its label, or several.
    """
    token = token_named(library, place)
    if token is None:
        raise missing(library, place)
    return token


def missing(library: Library, place: Place) -> TokenError:
    """The error for a token that is not there."""
    labels = ", ".join(sorted(token.label for token in library.tokens() if token.initialized)) or "none"
    return TokenError(
        "token_missing",
        f"the token {place.token}",
        f"is not there; {place.library} shows: {labels}",
        "Insert it, or correct its label and what the library reads",
    )


def empty_slot(library: Library, place: Place) -> Token:
    """The slot that a token can be made of.

    :raises TokenError: there is not just one, or it is that of a secure element.
    """
    empty = [token for token in library.tokens() if not token.initialized]
    if len(empty) != 1:
        raise missing(library, place)
    if kind(library, empty[0], place.environment) == ELEMENT:
        # An ATECC608 gets its configuration, and is locked for good, by the call that makes a token.
        raise TokenError(
            "token_missing",
            f"the token {place.token}",
            "is not there, and to make one may lock the secure element for good, so that it was left alone",
            "Set it up with its vendor's tools, and set device_identity_pin",
        )
    return empty[0]


def kind(library: Library, token: Token, environment: Mapping[str, str]) -> str:
    """What a token is, as far as its library tells: software never reads as hardware, and what is not known neither."""
    model = token.model.lower()
    if any(model.startswith(name) for name in _SOFT_MODELS):
        return SOFTWARE
    if library.description().startswith("TPM2.0 Cryptoki"):
        # A TPM that is reached over a socket is a process; one that the kernel has may still be that of a hypervisor.
        if environment.get("TPM2_PKCS11_TCTI", "device").split(":")[0] not in ("device", "tabrmd"):
            return SOFTWARE
        return VIRTUAL_TPM if model.split() == ["sw", "tpm"] else TPM
    if model.startswith("op-tee"):
        return TEE
    return ELEMENT if token.hardware_slot else UNKNOWN


def public_key(session: Session, label: str) -> Optional[PublicKey]:
    """The public key of a label; most tokens show it without a PIN.

    :raises TokenError: there are several, or it is of a kind that is not known.
    """
    found = session.find({p11.CLASS: p11.PUBLIC_KEY, p11.LABEL: label.encode()})
    if not found:
        return None
    if len(found) > 1:
        raise TokenError("key", f"the key {label}", f"is there {len(found)} times", "Destroy those that are not used")
    handle = found[0]
    spki = _ec(session, handle) if session.number(handle, p11.KEY_TYPE) == p11.EC else _rsa(session, handle)
    if spki is None:
        raise TokenError("key", f"the key {label}", "is neither a P-256 nor an RSA key", "Name another label")
    return PublicKey(handle, session.attribute(handle, p11.ID) or b"", spki)


def private_key(session: Session, label: str, public: PublicKey) -> int:
    """The private key that belongs to a public one.

    :raises TokenError: it is not there.
    """
    found = _private_keys(session, label, public)
    if len(found) != 1:
        raise TokenError(
            "key", f"the key {label}", f"has {len(found)} private halves", "Destroy what there is of it in the token"
        )
    return found[0]


def key_pair(session: Session, label: str) -> tuple[PublicKey, int]:
    """The public key of a label, and the handle of the private one.

    :raises TokenError: one of them is not there.
    """
    public = public_key(session, label)
    if public is None:
        raise TokenError("key", f"the key {label}", "is not in the token", "Run harden")
    return public, private_key(session, label, public)


def make(session: Session, label: str, key_type: str) -> None:
    """Make a key pair in the token, which it never leaves."""
    key_id = os.urandom(8)
    both: dict[int, Value] = {p11.TOKEN: True, p11.LABEL: label.encode(), p11.ID: key_id}
    private: dict[int, Value] = {
        **both,
        p11.PRIVATE: True,
        p11.SENSITIVE: True,
        p11.EXTRACTABLE: False,
        p11.SIGN: True,
    }
    public: dict[int, Value] = {**both, p11.VERIFY: True}
    if key_type == "ec-p256":
        session.generate(p11.EC_KEY_PAIR_GEN, {**public, p11.EC_PARAMS: P256}, private)
        return
    size: dict[int, Value] = {p11.MODULUS_BITS: int(key_type.split("-")[1]), p11.PUBLIC_EXPONENT: b"\x01\x00\x01"}
    # Greengrass decrypts the secrets of its secret manager with it.
    session.generate(p11.RSA_PKCS_KEY_PAIR_GEN, {**public, **size, p11.ENCRYPT: True}, {**private, p11.DECRYPT: True})


def attributes(session: Session, private: int) -> dict[str, Optional[bool]]:
    """Those by which a private key is judged, as the token tells them; None where it does not."""
    return {name: session.flag(private, number) for name, (number, _wanted) in WANTED.items()}


def faults(seen: Mapping[str, Optional[bool]]) -> list[str]:
    """What is wrong with the attributes of a private key."""
    return [
        f"{name} is {'not told' if seen[name] is None else str(seen[name]).lower()}"
        for name, (_number, wanted) in WANTED.items()
        if seen[name] is not wanted
    ]


def require_born_inside(session: Session, label: str, private: int) -> dict[str, Optional[bool]]:
    """The attributes of a private key.

    :raises TokenError: somebody may have it outside the token.
    """
    seen = attributes(session, private)
    wrong = faults(seen)
    if wrong:
        raise TokenError(
            "key_extractable",
            f"the key {label}",
            f"may exist outside its token: {', '.join(wrong)}",
            "Destroy it and revoke its certificate, or name another label; then a key is made in the token",
        )
    return seen


def sign(session: Session, private: int, spki: bytes, data: bytes) -> bytes:
    """A signature with SHA-256 as X.509 has it, made in the token."""
    raw = session.sign(private, *_signed(spki, data))
    return raw if is_rsa(spki) else ecdsa_signature(raw)


def prove(session: Session, label: str, public: PublicKey, private: int) -> None:
    """Have a key sign what it has never seen, and see that its public half verifies that.

    :raises TokenError: it does not.
    """
    challenge = _signed(public.spki, os.urandom(_CHALLENGE_BYTES))
    if not session.verify(public.handle, *challenge, session.sign(private, *challenge)):
        raise TokenError(
            "signature_wrong",
            f"the key {label}",
            "made a signature that its public half does not verify",
            "Find out what answers in place of the token, and destroy what there is of the key",
        )


def rename(session: Session, label: str, to: str) -> None:
    """Give both halves of a key pair another label; where it was interrupted, again."""
    for handle in _halves(session, label):
        session.rename(handle, to)


def destroy(session: Session, label: str) -> None:
    """Destroy both halves of a key pair for good; where it was interrupted, again."""
    for handle in _halves(session, label):
        session.destroy(handle)


def _halves(session: Session, label: str) -> list[int]:
    # The private half first: by the public one, which keeps its label till then, the next run finds it.
    public = public_key(session, label)
    return [] if public is None else [*_private_keys(session, label, public), public.handle]


def _signed(spki: bytes, data: bytes) -> tuple[int, bytes]:
    """The mechanism of a key, and what it signs to sign data with SHA-256."""
    digest = hashlib.sha256(data).digest()
    return (p11.RSA_PKCS, _SHA256_INFO + digest) if is_rsa(spki) else (p11.ECDSA, digest)


def _private_keys(session: Session, label: str, public: PublicKey) -> list[int]:
    named = {p11.ID: public.key_id} if public.key_id else {p11.LABEL: label.encode()}
    return session.find({p11.CLASS: p11.PRIVATE_KEY, **named})


def _ec(session: Session, handle: int) -> Optional[bytes]:
    point = session.attribute(handle, p11.EC_POINT) or b""
    # An octet string in DER; some tokens give what is in it.
    if len(point) == 67 and point[:2] == b"\x04\x41":
        point = point[2:]
    if session.attribute(handle, p11.EC_PARAMS) != P256 or len(point) != 65 or point[0] != 4:
        return None
    return ec_public_key(point)


def _rsa(session: Session, handle: int) -> Optional[bytes]:
    modulus, exponent = (session.attribute(handle, each) for each in (p11.MODULUS, p11.PUBLIC_EXPONENT))
    if session.number(handle, p11.KEY_TYPE) != p11.RSA or not modulus or not exponent:
        return None
    return rsa_public_key(int.from_bytes(modulus, "big"), int.from_bytes(exponent, "big"))
