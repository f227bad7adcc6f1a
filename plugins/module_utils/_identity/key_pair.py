# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Key pairs in a PKCS#11 token: find them, make them, and judge them by the attributes read back."""

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

# The attributes, by name in facts, of a private key that was never outside its token.
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
    """Where a key is or will be.

    :ivar library: path of the PKCS#11 library.
    :ivar environment: environment variables for the library.
    :ivar token: label of the token.
    :ivar key: label of the key pair.
    """

    library: str
    environment: Mapping[str, str]
    token: str
    key: str


class PublicKey(NamedTuple):
    """A public key on a token.

    :ivar handle: the object's handle, valid in the session that found it.
    :ivar spki: SubjectPublicKeyInfo in DER.
    """

    handle: int
    key_id: bytes
    spki: bytes


def place_of(parameters: Mapping[str, Any]) -> Place:
    """The place named by the parameters C(library), C(environment), C(token) and C(key)."""
    environment = {str(name): str(value) for name, value in parameters["environment"].items()}
    return Place(parameters["library"], environment, parameters["token"], parameters["key"])


def read_pin(root: str, path: str) -> bytes:
    """Read the PIN that the device keeps in a file.

    :param path: empty if there is no such file.
    :raises TokenError: there is no PIN.
    """
    pin = (read_bytes(root, path, _MOST_PIN_BYTES) or b"").rstrip(b"\r\n") if path else b""
    if not pin:
        raise TokenError("pin_missing", f"the PIN file {path!r}", "cannot be read", "Run harden")
    return pin


@contextmanager
def opened(place: Place) -> Iterator[Library]:
    """Open the library with its environment variables.

    :raises TokenError: it cannot be loaded.
    """
    os.environ.update(place.environment)
    library = Library(place.library)
    try:
        yield library
    finally:
        library.close()


def token_named(library: Library, place: Place) -> Optional[Token]:
    """The key's token, or None if no token has this label.

    :raises TokenError: several tokens have it.
    """
    found = [token for token in library.tokens() if token.initialized and token.label == place.token]
    if len(found) > 1:
        raise TokenError(
            "token", f"the token {place.token}", f"exists {len(found)} times", "Give each token its own label"
        )
    return found[0] if found else None


def named(library: Library, place: Place) -> Token:
    """The key's token.

    :raises TokenError: no token or several tokens have its label.
    """
    token = token_named(library, place)
    if token is None:
        raise missing(library, place)
    return token


def missing(library: Library, place: Place) -> TokenError:
    """The error for a missing token."""
    labels = ", ".join(sorted(token.label for token in library.tokens() if token.initialized)) or "none"
    return TokenError(
        "token_missing",
        f"the token {place.token}",
        f"was not found; {place.library} shows: {labels}",
        "Insert it, or correct its label or the library's configuration",
    )


def empty_slot(library: Library, place: Place) -> Token:
    """The empty slot in which a token can be made.

    :raises TokenError: there is not exactly one, or it belongs to a secure element.
    """
    empty = [token for token in library.tokens() if not token.initialized]
    if len(empty) != 1:
        raise missing(library, place)
    if kind(library, empty[0], place.environment) == ELEMENT:
        # Making a token in an ATECC608 writes its configuration and locks it permanently.
        raise TokenError(
            "token_missing",
            f"the token {place.token}",
            "was not found; it was not made, because that may lock the secure element permanently",
            "Set the element up with its vendor's tools, and set device_identity_pin",
        )
    return empty[0]


def kind(library: Library, token: Token, environment: Mapping[str, str]) -> str:
    """Classify a token by what its library reports. Software and unknown tokens never count as hardware."""
    model = token.model.lower()
    if any(model.startswith(name) for name in _SOFT_MODELS):
        return SOFTWARE
    if library.description().startswith("TPM2.0 Cryptoki"):
        # A TPM behind a socket is a process; one that the kernel drives may still be a hypervisor's.
        if environment.get("TPM2_PKCS11_TCTI", "device").split(":")[0] not in ("device", "tabrmd"):
            return SOFTWARE
        return VIRTUAL_TPM if model.split() == ["sw", "tpm"] else TPM
    if model.startswith("op-tee"):
        return TEE
    return ELEMENT if token.hardware_slot else UNKNOWN


def public_key(session: Session, label: str) -> Optional[PublicKey]:
    """The public key with a label; most tokens show it without a PIN.

    :raises TokenError: several keys have it, or the key is of an unknown kind.
    """
    found = session.find({p11.CLASS: p11.PUBLIC_KEY, p11.LABEL: label.encode()})
    if not found:
        return None
    if len(found) > 1:
        raise TokenError("key", f"the key {label}", f"exists {len(found)} times", "Destroy those that are not used")
    handle = found[0]
    spki = _ec(session, handle) if session.number(handle, p11.KEY_TYPE) == p11.EC else _rsa(session, handle)
    if spki is None:
        raise TokenError("key", f"the key {label}", "is neither a P-256 nor an RSA key", "Name another label")
    return PublicKey(handle, session.attribute(handle, p11.ID) or b"", spki)


def private_key(session: Session, label: str, public: PublicKey) -> int:
    """The private key that belongs to a public one.

    :raises TokenError: there is no such key, or there are several.
    """
    found = _private_keys(session, label, public)
    if len(found) != 1:
        raise TokenError(
            "key",
            f"the key {label}",
            f"has {len(found)} private halves",
            "Destroy all objects of this key in the token",
        )
    return found[0]


def key_pair(session: Session, label: str) -> tuple[PublicKey, int]:
    """The public key with a label, and the handle of its private key.

    :raises TokenError: one of them is missing.
    """
    public = public_key(session, label)
    if public is None:
        raise TokenError("key", f"the key {label}", "is not in the token", "Run harden")
    return public, private_key(session, label, public)


def make(session: Session, label: str, key_type: str) -> None:
    """Generate a key pair in the token; the private key never leaves it."""
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
    # Greengrass's secret manager decrypts with this key.
    session.generate(p11.RSA_PKCS_KEY_PAIR_GEN, {**public, **size, p11.ENCRYPT: True}, {**private, p11.DECRYPT: True})


def attributes(session: Session, private: int) -> dict[str, Optional[bool]]:
    """The attributes that decide whether a private key is well kept; None where the token does not report one."""
    return {name: session.flag(private, number) for name, (number, _wanted) in WANTED.items()}


def faults(seen: Mapping[str, Optional[bool]]) -> list[str]:
    """List what is wrong with a private key's attributes."""
    return [
        f"{name} is {'not reported' if seen[name] is None else str(seen[name]).lower()}"
        for name, (_number, wanted) in WANTED.items()
        if seen[name] is not wanted
    ]


def require_born_inside(session: Session, label: str, private: int) -> dict[str, Optional[bool]]:
    """Require a private key that was never outside its token; return its attributes.

    :raises TokenError: the key may exist outside the token.
    """
    seen = attributes(session, private)
    wrong = faults(seen)
    if wrong:
        raise TokenError(
            "key_extractable",
            f"the key {label}",
            f"may exist outside its token: {', '.join(wrong)}",
            "Destroy it and revoke its certificate, or name another label; a new key is then made in the token",
        )
    return seen


def sign(session: Session, private: int, spki: bytes, data: bytes) -> bytes:
    """Sign data with SHA-256 in the token; return the signature in X.509 format."""
    raw = session.sign(private, *_signed(spki, data))
    return raw if is_rsa(spki) else ecdsa_signature(raw)


def prove(session: Session, label: str, public: PublicKey, private: int) -> None:
    """Sign a random challenge with a key, and verify the signature with its public half.

    :raises TokenError: the signature is wrong.
    """
    challenge = _signed(public.spki, os.urandom(_CHALLENGE_BYTES))
    if not session.verify(public.handle, *challenge, session.sign(private, *challenge)):
        raise TokenError(
            "signature_wrong",
            f"the key {label}",
            "made a signature that its public half does not verify",
            "Find out what answers instead of the token, and destroy the key",
        )


def rename(session: Session, label: str, to: str) -> None:
    """Relabel both halves of a key pair; safe to repeat after an interruption."""
    for handle in _halves(session, label):
        session.rename(handle, to)


def destroy(session: Session, label: str) -> None:
    """Destroy both halves of a key pair permanently; safe to repeat after an interruption."""
    for handle in _halves(session, label):
        session.destroy(handle)


def _halves(session: Session, label: str) -> list[int]:
    # Private half first: the public one keeps its label until then, so the next run can find the pair.
    public = public_key(session, label)
    return [] if public is None else [*_private_keys(session, label, public), public.handle]


def _signed(spki: bytes, data: bytes) -> tuple[int, bytes]:
    """A key's mechanism, and its input for a SHA-256 signature of the data."""
    digest = hashlib.sha256(data).digest()
    return (p11.RSA_PKCS, _SHA256_INFO + digest) if is_rsa(spki) else (p11.ECDSA, digest)


def _private_keys(session: Session, label: str, public: PublicKey) -> list[int]:
    named = {p11.ID: public.key_id} if public.key_id else {p11.LABEL: label.encode()}
    return session.find({p11.CLASS: p11.PRIVATE_KEY, **named})


def _ec(session: Session, handle: int) -> Optional[bytes]:
    point = session.attribute(handle, p11.EC_POINT) or b""
    # A DER octet string; some tokens return only its contents.
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
