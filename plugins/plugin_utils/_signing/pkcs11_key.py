# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Private keys on a PKCS#11 token (2.40 and newer): they sign there and never leave it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pem_key import SET_BY, signing_public_pem
from ansible_collections.edgesec.hardening.plugins.plugin_utils._signing.pkcs11_uri import parse_pkcs11_uri

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
except ImportError:
    # Told by require_cryptography() before anything here is called.
    pass
try:
    import pkcs11
    from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag
except ImportError as missing:
    _MISSING: ImportError | None = missing
else:
    _MISSING = None

# The named curve P-256 as in CKA_EC_PARAMS, and an uncompressed point on it as in CKA_EC_POINT.
_P256 = bytes.fromhex("06082a8648ce3d030107")
_POINT_PREFIX, _POINT_BYTES = bytes.fromhex("0441"), 65


class Pkcs11Key:
    """A private key on a token, P-256 or RSA; the constructor finds it and tries the PIN.

    :param uri: PKCS#11 URI of the key.
    :param pin: the user PIN of the token.
    :param read: reads the file that C(pin-source) names.
    :raises EdgesecError: no key or more than one matches, or it cannot be used.
    """

    def __init__(self, uri: str, pin: str, read: Callable[[str], bytes]) -> None:
        if _MISSING is not None:
            raise EdgesecError(
                "the Python package python-pkcs11 on the controller",
                f"is needed for a policy key on a token, and cannot be imported ({_MISSING})",
                "Install it for the Python that runs Ansible: pip install 'python-pkcs11>=0.10'",
            )
        self._uri = parse_pkcs11_uri(uri)
        self._subject = f"the policy key {self._uri.shown}"
        if pin and self._uri.pin_source:
            raise self._error(f"has its PIN from both {SET_BY} and pin-source", "Give one of them")
        self._pin = self._pin_from(read) if self._uri.pin_source else pin
        with self._private_key() as key:
            self._public = self._public_key_of(key)
        self._public_pem = signing_public_pem(self._public, self._subject)

    def public_pem(self) -> str:
        """The public key, SubjectPublicKeyInfo in PEM."""
        return self._public_pem

    def sign(self, data: bytes) -> bytes:
        """Sign, and verify the signature before returning it.

        :raises EdgesecError: the token did not sign, or signed with a key that does not match the public key.
        """
        with self._private_key() as key:
            # A key that needs the PIN for each use, as on a PIV card.
            pin = self._pin if _flag(key, Attribute.ALWAYS_AUTHENTICATE) else None
            try:
                if isinstance(self._public, rsa.RSAPublicKey):
                    signature = key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS, pin=pin)
                    self._public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
                    return bytes(signature)
                raw = key.sign(hashlib.sha256(data).digest(), mechanism=Mechanism.ECDSA, pin=pin)
                numbers = (int.from_bytes(part, "big") for part in (raw[: len(raw) // 2], raw[len(raw) // 2 :]))
                signature = utils.encode_dss_signature(*numbers)
                self._public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
                return signature
            except InvalidSignature:
                raise self._error(
                    "does not belong to the public key with the same id on the token", "Remove the wrong one of them"
                ) from None

    @contextmanager
    def _private_key(self) -> Iterator[Any]:
        """The key, for the duration of a session with the token."""
        token = self._token()
        if TokenFlag.LOGIN_REQUIRED in token.flags and not self._pin:
            raise self._error("needs the PIN of the token", f"Set {SET_BY}, or name a file with pin-source")
        wanted: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.PRIVATE_KEY}
        if self._uri.label:
            wanted[Attribute.LABEL] = self._uri.label
        if self._uri.key_id:
            wanted[Attribute.ID] = self._uri.key_id
        try:
            with token.open(user_pin=self._pin or None) as session:
                keys = list(session.get_objects(wanted))
                if len(keys) != 1:
                    listed = ", ".join(sorted(f"id=%{key[Attribute.ID].hex('%')}" for key in keys)) or "none"
                    raise self._error(f"names {len(keys)} private keys of the token ({listed})", "Name one by its id")
                yield keys[0]
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise self._error(
                "is not opened by the PIN", f"Correct {SET_BY} or pin-source; a token may count wrong PINs"
            ) from None
        except pkcs11.PinLocked:
            raise self._error("is on a token whose PIN is locked", "Unlock it with the PIN of its SO") from None
        except pkcs11.PKCS11Error as error:
            raise self._error(f"cannot be used: the token says {_said(error)}", "Check that it may sign") from None

    def _pin_from(self, read: Callable[[str], bytes]) -> str:
        try:
            return read(self._uri.pin_source).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise self._error("has a pin-source that is not text", "Write only the PIN into it") from None

    def _token(self) -> pkcs11.Token:
        try:
            found = list(pkcs11.lib(self._uri.module).get_tokens())
        except pkcs11.PKCS11Error as error:
            raise self._error(
                f"is reached by a PKCS#11 module that cannot be used ({_said(error)})",
                "Correct module-path, and check that the token is inserted",
            ) from None
        tokens = [token for token in found if TokenFlag.TOKEN_INITIALIZED in token.flags]
        fitting = [token for token in tokens if self._uri.token.items() <= _described(token).items()]
        if len(fitting) != 1:
            labels = ", ".join(sorted(_described(token)["token"] for token in tokens)) or "none"
            raise self._error(
                f"names {len(fitting)} tokens; inserted are: {labels}",
                "Insert the token, and name it by token or serial",
            )
        return fitting[0]

    def _public_key_of(self, private: Any) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        if not _flag(private, Attribute.SIGN):
            raise self._error("may not sign", "Create one on the token that may sign")
        if private.key_type not in (KeyType.EC, KeyType.RSA):
            raise self._error("is neither an EC nor an RSA key", "Create one of these kinds on the token")
        wanted = {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: private.key_type,
            Attribute.ID: private.id,
        }
        keys = list(private.session.get_objects(wanted))
        if len(keys) != 1:
            raise self._error(
                f"has {len(keys)} public keys with its id on the token",
                "Add its public key to the token (pkcs11-tool --write-object --type pubkey)",
            )
        try:
            return self._rsa(keys[0]) if private.key_type == KeyType.RSA else self._p256(keys[0])
        except ValueError as error:
            raise self._error(
                f"has a public key on the token that is not valid ({error})", "Replace it with the right one"
            ) from None

    def _rsa(self, public: pkcs11.Object) -> rsa.RSAPublicKey:
        exponent, modulus = (public[each] for each in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS))
        return rsa.RSAPublicNumbers(int.from_bytes(exponent, "big"), int.from_bytes(modulus, "big")).public_key()

    def _p256(self, public: pkcs11.Object) -> ec.EllipticCurvePublicKey:
        if public[Attribute.EC_PARAMS] != _P256:
            raise self._error("is an EC key on another curve than P-256", "Create a P-256 key on the token")
        point = public[Attribute.EC_POINT]
        # A DER octet string; some tokens return only its content.
        if len(point) == len(_POINT_PREFIX) + _POINT_BYTES:
            point = point.removeprefix(_POINT_PREFIX)
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

    def _error(self, seen: str, remedy: str) -> EdgesecError:
        return EdgesecError(self._subject, seen, remedy)


def _described(token: pkcs11.Token) -> dict[str, str]:
    """The attributes that a URI can name a token by."""
    return {
        "token": token.label,
        "manufacturer": token.manufacturer_id,
        "model": token.model,
        "serial": token.serial.decode(errors="replace"),
    }


def _flag(key: Any, attribute: Attribute) -> bool:
    """Whether a key has an attribute that is set."""
    return bool(key.get_attributes([attribute]).get(attribute))


def _said(error: pkcs11.PKCS11Error) -> str:
    return str(error) or type(error).__name__
