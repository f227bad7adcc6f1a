# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Client of PKCS#11 libraries (OASIS PKCS#11 2.40) through ctypes: tokens, objects, attributes, signatures.

A PIN goes from memory to the library and is tried once. It never appears in argv, the environment or an error.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError
from .pkcs11_structures import Attribute, FunctionList, Info, Mechanism, SlotInfo, Template, TokenInfo, attributes

# Classes, key types and mechanisms (pkcs11t.h).
CERTIFICATE, PUBLIC_KEY, PRIVATE_KEY = 1, 2, 3
RSA, EC, X_509 = 0, 3, 0
RSA_PKCS_KEY_PAIR_GEN, RSA_PKCS, EC_KEY_PAIR_GEN, ECDSA = 0x0, 0x1, 0x1040, 0x1041
# Attributes.
CLASS, TOKEN, PRIVATE, LABEL, KEY_TYPE, ID = 0x0, 0x1, 0x2, 0x3, 0x100, 0x102
SENSITIVE, DECRYPT, SIGN, VERIFY, ENCRYPT = 0x103, 0x105, 0x108, 0x10A, 0x104
MODULUS, MODULUS_BITS, PUBLIC_EXPONENT, EC_PARAMS, EC_POINT = 0x120, 0x121, 0x122, 0x180, 0x181
EXTRACTABLE, LOCAL, NEVER_EXTRACTABLE, ALWAYS_SENSITIVE = 0x162, 0x163, 0x164, 0x165
VALUE, CERTIFICATE_TYPE, ISSUER, SERIAL_NUMBER, SUBJECT = 0x11, 0x80, 0x81, 0x82, 0x101

# Flags of slots and tokens.
_HW_SLOT, _TOKEN_INITIALIZED, _USER_PIN_INITIALIZED, _FINAL_TRY, _LOCKED = 0x2, 0x400, 0x8, 0x20000, 0x40000
# Sessions and users.
_RW, _SERIAL, _SO, _USER = 0x2, 0x4, 0, 1
# Results.
_OK, _ALREADY_INITIALIZED, _ATTRIBUTE_TYPE_INVALID = 0x0, 0x191, 0x12
_WRONG_PIN = (0xA0, 0xA1, 0xA2)  # incorrect, invalid, length
_PIN_LOCKED = 0xA4
_SIGNATURE_WRONG = (0xC0, 0xC1)  # invalid, length
_MOST_OBJECTS, _MOST_SLOTS, _MOST_BYTES = 256, 256, 65536
_LABEL_BYTES = 32

# Indexes into CK_FUNCTION_LIST; the standard fixes the order.
_FUNCTIONS = {
    "C_Initialize": 0,
    "C_Finalize": 1,
    "C_GetInfo": 2,
    "C_GetSlotList": 4,
    "C_GetSlotInfo": 5,
    "C_GetTokenInfo": 6,
    "C_InitToken": 9,
    "C_InitPIN": 10,
    "C_OpenSession": 12,
    "C_CloseSession": 13,
    "C_Login": 18,
    "C_Logout": 19,
    "C_CreateObject": 20,
    "C_DestroyObject": 22,
    "C_GetAttributeValue": 24,
    "C_SetAttributeValue": 25,
    "C_FindObjectsInit": 26,
    "C_FindObjects": 27,
    "C_FindObjectsFinal": 28,
    "C_SignInit": 42,
    "C_Sign": 43,
    "C_VerifyInit": 48,
    "C_Verify": 49,
    "C_GenerateKeyPair": 59,
}


class TokenError(EdgesecError):
    """A token cannot be used; C(reason) is one word for results and facts."""

    def __init__(self, reason: str, subject: str, seen: str, remedy: str = "") -> None:
        self.reason = reason
        super().__init__(subject, seen, remedy)


class CallFailed(TokenError):
    """The library refused a call; C(code) is its CK_RV."""

    def __init__(self, subject: str, function: str, code: int) -> None:
        self.code = code
        super().__init__("failed", subject, f"{function} failed with CKR 0x{code:X}", "Check that the token allows it")


class Token(NamedTuple):
    """A token's description of itself.

    :ivar slot: ID of its slot.
    :ivar hardware_slot: whether the library reports the slot as a hardware device (CKF_HW_SLOT).
    :ivar locked: whether the user PIN is locked.
    :ivar final_try: whether one more wrong PIN locks it.
    :ivar pin_bytes: minimum and maximum length of a PIN in bytes, as the token states; 0 and 0 if it does not.
    """

    slot: int
    label: str
    manufacturer: str
    model: str
    serial: str
    hardware_slot: bool
    initialized: bool
    pin_set: bool
    locked: bool
    final_try: bool
    pin_bytes: tuple[int, int]


def require_label(label: str) -> None:
    """
    :raises TokenError: a token with this label could not be found again (PKCS#11, CK_TOKEN_INFO: 32 bytes, padded).
    """
    size = len(label.encode("utf-8", "surrogatepass"))
    seen = ""
    if not 1 <= size <= _LABEL_BYTES:
        seen = f"has a label of {size} bytes; a label has 1 to {_LABEL_BYTES}"
    elif label != label.strip() or not label.isprintable():
        seen = "has a label with a blank at either end, or with an unprintable character"
    if seen:
        raise TokenError("token", f"the token {label[:_LABEL_BYTES]!a}", seen, "Set device_identity_token")


class Library:
    """A loaded PKCS#11 library.

    :param path: its absolute path.
    :raises TokenError: it cannot be loaded or initialised.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._subject = f"the PKCS#11 library {path}"
        try:
            loaded = ctypes.CDLL(path)
            listed = POINTER(FunctionList)()
            found = loaded.C_GetFunctionList(byref(listed))
        except (OSError, AttributeError) as error:
            raise TokenError(
                "library", self._subject, f"cannot be loaded: {error}", "Install it, or name another library"
            ) from None
        if found != _OK or not listed:
            raise CallFailed(self._subject, "C_GetFunctionList", found)
        self._functions = listed.contents.functions
        if self._call("C_Initialize", None, ok=(_OK, _ALREADY_INITIALIZED)) == _ALREADY_INITIALIZED:
            raise TokenError("library", self._subject, "is already in use in this process", "Close it first")

    def close(self) -> None:
        """Finalise the library."""
        self._call("C_Finalize", None)

    def description(self) -> str:
        """The library's description of itself."""
        info = Info()
        self._call("C_GetInfo", byref(info))
        return _text(info.description)

    def tokens(self) -> list[Token]:
        """List every token present, initialised or not."""
        count = c_ulong(_MOST_SLOTS)
        slots = (c_ulong * _MOST_SLOTS)()
        self._call("C_GetSlotList", c_ubyte(1), slots, byref(count))
        return [self._token(slots[at]) for at in range(min(count.value, _MOST_SLOTS))]

    def initialize(self, token: Token, label: str, so_pin: bytes, pin: bytes) -> None:
        """Initialise a token in an empty slot, and set its user PIN.

        :raises TokenError: the token refused, or is already initialised.
        """
        if token.initialized:
            raise TokenError("token", f"the token {token.label}", "is already initialised", "Use its label")
        require_label(label)
        _require_pin(token, label, so_pin, "SO PIN")
        _require_pin(token, label, pin, "PIN")
        name = label.encode().ljust(_LABEL_BYTES)
        self._call("C_InitToken", c_ulong(token.slot), c_char_p(so_pin), c_ulong(len(so_pin)), c_char_p(name))
        # The slot may have a new ID; find the token by label.
        made = [each for each in self.tokens() if each.initialized and each.label == label]
        if len(made) != 1:
            raise TokenError("token", f"the token {label}", f"exists {len(made)} times after it was made", "Remove it")
        with self._opened(made[0], writable=True) as session:
            self._login(made[0], session, _SO, so_pin)
            self._call("C_InitPIN", session, c_char_p(pin), c_ulong(len(pin)))
            self._call("C_Logout", session)

    @contextmanager
    def session(self, token: Token, pin: Optional[bytes] = None) -> Iterator[Session]:
        """Open a session with a token. Without a PIN it is read-only and shows public objects.

        :raises TokenError: the PIN is wrong or locked; it was tried at most once.
        """
        if pin is not None:
            _require_pin(token, token.label, pin, "PIN")
        with self._opened(token, writable=pin is not None) as handle:
            if pin is not None:
                self._login(token, handle, _USER, pin)
            try:
                yield Session(self, handle, f"the token {token.label}")
            finally:
                if pin is not None:
                    self._call("C_Logout", handle)

    def _token(self, slot: int) -> Token:
        place, info = SlotInfo(), TokenInfo()
        self._call("C_GetSlotInfo", c_ulong(slot), byref(place))
        self._call("C_GetTokenInfo", c_ulong(slot), byref(info))
        return Token(
            slot=slot,
            label=_text(info.label),
            manufacturer=_text(info.manufacturer),
            model=_text(info.model),
            serial=_text(info.serial),
            hardware_slot=bool(place.flags & _HW_SLOT),
            initialized=bool(info.flags & _TOKEN_INITIALIZED),
            pin_set=bool(info.flags & _USER_PIN_INITIALIZED),
            locked=bool(info.flags & _LOCKED),
            final_try=bool(info.flags & _FINAL_TRY),
            pin_bytes=(int(info.least_pin_bytes), int(info.most_pin_bytes)),
        )

    @contextmanager
    def _opened(self, token: Token, *, writable: bool) -> Iterator[c_ulong]:
        handle = c_ulong()
        flags = c_ulong(_SERIAL | (_RW if writable else 0))
        self._call("C_OpenSession", c_ulong(token.slot), flags, None, None, byref(handle))
        try:
            yield handle
        finally:
            self._call("C_CloseSession", handle)

    def _login(self, token: Token, session: c_ulong, user: int, pin: bytes) -> None:
        subject, unlock = f"the token {token.label}", "Unlock it with its SO PIN, or reinitialise it"
        if user == _USER and token.locked:
            raise TokenError("pin_locked", subject, "has locked its PIN", unlock)
        if user == _USER and token.final_try:
            raise TokenError("pin_final_try", subject, "locks its PIN at the next wrong try, so none was tried", unlock)
        try:
            self._call("C_Login", session, c_ulong(user), c_char_p(pin), c_ulong(len(pin)))
        except CallFailed as error:
            if error.code == _PIN_LOCKED:
                raise TokenError("pin_locked", subject, "has locked its PIN", unlock) from None
            if error.code in _WRONG_PIN:
                raise TokenError(
                    "pin_wrong", subject, "refused the PIN; it is not tried again", "Put the right PIN in the store"
                ) from None
            raise

    def _call(self, name: str, *arguments: object, ok: tuple[int, ...] = (_OK,)) -> int:
        address = self._functions[_FUNCTIONS[name]]
        if not address:
            raise TokenError("failed", self._subject, f"has no {name}", "Use a library that has it")
        code = int(ctypes.CFUNCTYPE(c_ulong)(address)(*arguments))
        if code not in ok:
            raise CallFailed(self._subject, name, code)
        return code


def _require_pin(token: Token, label: str, pin: bytes, which: str) -> None:
    """
    :raises TokenError: the token does not accept a PIN of this length, so it is not tried.
    """
    least, most = token.pin_bytes
    # Some libraries report nothing, or set all bits (CK_UNAVAILABLE_INFORMATION).
    if least <= most and most and not least <= len(pin) <= most:
        raise TokenError(
            "pin_length",
            f"the token {label}",
            f"accepts a {which} of {least} to {most} bytes, but the given one has {len(pin)}",
            "Set device_identity_pin to a PIN of that length",
        )


class Session:
    """An open session, made by :meth:`Library.session`."""

    def __init__(self, library: Library, handle: c_ulong, subject: str) -> None:
        self._library = library
        self._handle = handle
        self._subject = subject

    def find(self, template: Template) -> list[int]:
        """Return handles of the objects that have all these attributes."""
        wanted, _kept = attributes(template)
        self._call("C_FindObjectsInit", wanted, c_ulong(len(template)))
        try:
            found, count = (c_ulong * _MOST_OBJECTS)(), c_ulong()
            self._call("C_FindObjects", found, c_ulong(_MOST_OBJECTS), byref(count))
            return [int(found[at]) for at in range(count.value)]
        finally:
            self._call("C_FindObjectsFinal")

    def attribute(self, handle: int, kind: int) -> Optional[bytes]:
        """Read an attribute of an object; None if the token does not show it."""
        asked = Attribute(kind, None, 0)
        try:
            self._call("C_GetAttributeValue", c_ulong(handle), byref(asked), c_ulong(1))
            if asked.length > _MOST_BYTES:
                return None
            buffer = (c_ubyte * max(asked.length, 1))()
            asked.value = ctypes.cast(buffer, c_void_p)
            self._call("C_GetAttributeValue", c_ulong(handle), byref(asked), c_ulong(1))
        except CallFailed:
            return None
        return bytes(buffer[: asked.length])

    def flag(self, handle: int, kind: int) -> Optional[bool]:
        """Read a boolean attribute; None if the token does not show it."""
        value = self.attribute(handle, kind)
        return None if not value else any(value)

    def number(self, handle: int, kind: int) -> Optional[int]:
        """Read a CK_ULONG attribute; None if the token does not show it."""
        value = self.attribute(handle, kind)
        if value is None or len(value) != ctypes.sizeof(c_ulong):
            return None
        return int(c_ulong.from_buffer_copy(value).value)

    def create(self, template: Template) -> int:
        """Create an object from its attributes; return its handle."""
        wanted, _kept = attributes(template)
        made = c_ulong()
        self._call("C_CreateObject", wanted, c_ulong(len(template)), byref(made))
        return int(made.value)

    def rename(self, handle: int, label: str) -> None:
        """Give an object another label."""
        wanted, _kept = attributes({LABEL: label.encode()})
        self._call("C_SetAttributeValue", c_ulong(handle), wanted, c_ulong(1))

    def destroy(self, handle: int) -> None:
        """Destroy an object permanently."""
        self._call("C_DestroyObject", c_ulong(handle))

    def generate(self, mechanism: int, public: Template, private: Template) -> tuple[int, int]:
        """Generate a key pair in the token; return the handles of its public and private keys."""
        publics, _kept = attributes(public)
        privates, _kept_too = attributes(private)
        made = c_ulong(), c_ulong()
        self._call(
            "C_GenerateKeyPair",
            byref(Mechanism(mechanism, None, 0)),
            publics,
            c_ulong(len(public)),
            privates,
            c_ulong(len(private)),
            byref(made[0]),
            byref(made[1]),
        )
        return int(made[0].value), int(made[1].value)

    def sign(self, handle: int, mechanism: int, data: bytes) -> bytes:
        """Sign in the token; the mechanism defines the signature's format."""
        self._call("C_SignInit", byref(Mechanism(mechanism, None, 0)), c_ulong(handle))
        signature, length = (c_ubyte * 1024)(), c_ulong(1024)
        self._call("C_Sign", c_char_p(data), c_ulong(len(data)), signature, byref(length))
        return bytes(signature[: length.value])

    def verify(self, handle: int, mechanism: int, data: bytes, signature: bytes) -> bool:
        """Whether a signature verifies with a public key, according to the token."""
        self._call("C_VerifyInit", byref(Mechanism(mechanism, None, 0)), c_ulong(handle))
        try:
            self._call("C_Verify", c_char_p(data), c_ulong(len(data)), c_char_p(signature), c_ulong(len(signature)))
        except CallFailed as error:
            if error.code in _SIGNATURE_WRONG:
                return False
            raise
        return True

    def _call(self, name: str, *arguments: object) -> None:
        self._library._call(name, self._handle, *arguments)


def _text(field: ctypes.Array[c_ubyte]) -> str:
    return bytes(field).decode("utf-8", "replace").rstrip(" \0")
