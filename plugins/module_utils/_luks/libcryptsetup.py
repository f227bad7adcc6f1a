# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Call libcryptsetup for what cryptsetup(8) has no command for.

C(cryptsetup reencrypt --encrypt) makes a header with a single keyslot and writes it over the start of the data in one
write; a power cut in that write is fatal. With the library, a header can be prepared elsewhere, with all its keyslots
and tokens. C(cryptsetup reencrypt) prompts for the passphrase of every keyslot to keep, or keeps only one.
Source: libcryptsetup.h (the ABI of libcryptsetup.so.12 is stable since version 2.0).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Optional

from .._base.errors import ToolFailed, ToolMissing
from .cipher import KEYSLOT_CIPHER, KEYSLOT_KEY_BITS

_LIBRARY = "libcryptsetup.so.12"
_SECTOR = 512
_ANY_SLOT = -1
_REENCRYPT, _ENCRYPT = 0, 1
_FORWARD, _BACKWARD = 0, 1
_INITIALIZE_ONLY, _MOVE_FIRST_SEGMENT = 1 << 0, 1 << 1
_NO_SEGMENT, _DIGEST_REUSE = 1 << 0, 1 << 2
_NO_BENCHMARK = 1 << 1
_FOR_ACTIVATION = 0
_ANY_PCRS = 0xFFFFFFFF
# The flags that a LUKS2 header can hold, by their names in it.
PERSISTENT_FLAGS = {
    "allow-discards": 1 << 3,
    "same-cpu-crypt": 1 << 6,
    "submit-from-crypt-cpus": 1 << 7,
    "no-read-workqueue": 1 << 24,
    "no-write-workqueue": 1 << 25,
}


class _Pbkdf(ctypes.Structure):
    """C(struct crypt_pbkdf_type)."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("hash", ctypes.c_char_p),
        ("time_ms", ctypes.c_uint32),
        ("iterations", ctypes.c_uint32),
        ("max_memory_kb", ctypes.c_uint32),
        ("parallel_threads", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    )


# As in cryptsetup.py: each key is 256 random bits.
_CHEAP_PBKDF = _Pbkdf(type=b"pbkdf2", hash=b"sha256", iterations=1000, flags=_NO_BENCHMARK)


class _Luks2(ctypes.Structure):
    """C(struct crypt_params_luks2)."""

    _fields_ = (
        ("pbkdf", ctypes.c_void_p),
        ("integrity", ctypes.c_char_p),
        ("integrity_params", ctypes.c_void_p),
        ("data_alignment", ctypes.c_size_t),
        ("data_device", ctypes.c_char_p),
        ("sector_size", ctypes.c_uint32),
        ("label", ctypes.c_char_p),
        ("subsystem", ctypes.c_char_p),
    )


class _Reencrypt(ctypes.Structure):
    """C(struct crypt_params_reencrypt)."""

    _fields_ = (
        ("mode", ctypes.c_int),
        ("direction", ctypes.c_int),
        ("resilience", ctypes.c_char_p),
        ("hash", ctypes.c_char_p),
        ("data_shift", ctypes.c_uint64),
        ("max_hotzone_size", ctypes.c_uint64),
        ("device_size", ctypes.c_uint64),
        ("luks2", ctypes.POINTER(_Luks2)),
        ("flags", ctypes.c_uint32),
    )


class _Tpm2Plugin(ctypes.Structure):
    """C(systemd_tpm2_plugin_params) of systemd (src/shared/tpm2-util.h); up to version 254 only three fields."""

    _fields_ = (
        ("search_pcr_mask", ctypes.c_uint32),
        ("device", ctypes.c_char_p),
        ("signature_path", ctypes.c_char_p),
        ("pcrlock_path", ctypes.c_char_p),
    )


_LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


def begin_encryption(header: str, device: str, key: bytes, *, slot: int, sector_size: int, shift_bytes: int) -> None:
    """Start an in-place encryption in a header, and copy the start of the data to the end of the device.

    The device's last C(2 * shift_bytes) must be unused: the first C(shift_bytes) are copied to the end, and the
    encryption then moves the data up by C(shift_bytes). This function writes nothing else to the device.

    :param header: a file with a LUKS2 header whose data offset is C(shift_bytes).
    :param key: opens keyslot C(slot) of that header.
    :raises ToolMissing: libcryptsetup is not installed.
    :raises ToolFailed: the library refused; the data is where it was.
    """
    with _loaded(header, device) as (library, context, require):
        volume = _Luks2(sector_size=sector_size)
        parameters = _Reencrypt(
            mode=_ENCRYPT,
            direction=_BACKWARD,
            resilience=b"datashift",
            hash=b"sha256",
            data_shift=shift_bytes // _SECTOR,
            luks2=ctypes.pointer(volume),
            flags=_INITIALIZE_ONLY | _MOVE_FIRST_SEGMENT,
        )
        cipher, mode = library.crypt_get_cipher(context), library.crypt_get_cipher_mode(context)
        require(
            "crypt_reencrypt_init_by_passphrase",
            *(context, None, key, len(key), _ANY_SLOT, slot, cipher, mode, ctypes.byref(parameters)),
        )


def add_next_volume_key(device: str, keys: Mapping[str, bytes]) -> None:
    """Generate the next volume key, and add a keyslot for it per key. No data is encrypted with it yet.

    :param keys: the number of a free keyslot, and the key that will open it.
    :raises ToolMissing: libcryptsetup is not installed.
    :raises ToolFailed: the library refused; some keyslots may have been added.
    """
    with _loaded(device, device) as (library, context, require):
        require("crypt_set_pbkdf_type", context, ctypes.byref(_CHEAP_PBKDF))
        require("crypt_keyslot_set_encryption", context, KEYSLOT_CIPHER.encode(), KEYSLOT_KEY_BITS // 8)
        size = ctypes.c_size_t(library.crypt_get_volume_key_size(context))
        volume_key = ctypes.create_string_buffer(size.value)
        (first, key), *others = ((int(slot), key) for slot, key in keys.items())
        require("crypt_keyslot_add_by_key", context, first, None, size, key, len(key), _NO_SEGMENT)
        require("crypt_volume_key_get", context, first, volume_key, ctypes.byref(size), key, len(key))
        for slot, key in others:
            flags = _NO_SEGMENT | _DIGEST_REUSE
            require("crypt_keyslot_add_by_key", context, slot, volume_key, size, key, len(key), flags)


def begin_reencryption(
    device: str, name: Optional[str], key: bytes, *, old_slot: str, new_slot: str, sector_size: int
) -> None:
    """Start a re-encryption to another volume key in the header of a volume. No data changes yet.

    :param name: its device-mapper name, or None if it is closed.
    :param key: opens C(old_slot), with the present volume key, and C(new_slot), with the next.
    :raises ToolMissing: libcryptsetup is not installed.
    :raises ToolFailed: the library refused; the header is as it was.
    """
    with _loaded(device, device) as (library, context, require):
        volume = _Luks2(sector_size=sector_size)
        parameters = _Reencrypt(
            mode=_REENCRYPT,
            direction=_FORWARD,
            resilience=b"checksum",
            hash=b"sha256",
            luks2=ctypes.pointer(volume),
            flags=_INITIALIZE_ONLY,
        )
        cipher, mode = library.crypt_get_cipher(context), library.crypt_get_cipher_mode(context)
        require(
            "crypt_reencrypt_init_by_passphrase",
            *(context, name.encode() if name else None, key, len(key), int(old_slot), int(new_slot), cipher, mode),
            ctypes.byref(parameters),
        )


def set_persistent_flags(device: str, flags: Sequence[str]) -> None:
    """Set the activation flags stored in a LUKS2 header, replacing all others.

    cryptsetup(8) can do so only while it opens a volume.

    :param flags: some of :data:`PERSISTENT_FLAGS`.
    :raises ToolMissing: libcryptsetup is not installed.
    :raises ToolFailed: the library refused.
    """
    wanted = sum(PERSISTENT_FLAGS[flag] for flag in set(flags))
    with _loaded(device, device) as (_library, context, require):
        require("crypt_persistent_flags_set", context, _FOR_ACTIVATION, wanted)


def require_systemd_token(device: str, token: str, *, tcti: str, signature: str = "") -> None:
    """Prove that a systemd token opens a keyslot, through the plug-in that the boot uses. Nothing is mapped.

    cryptsetup(8) cannot tell the plug-in which TPM to use.

    :param token: the number of the token.
    :param tcti: how to reach the TPM.
    :param signature: file with signed PCR values; if empty, systemd searches its default paths.
    :raises ToolMissing: libcryptsetup is not installed.
    :raises ToolFailed: the token does not open the keyslot.
    """
    with _loaded(device, device) as (_library, context, require):
        parameters = _Tpm2Plugin(
            search_pcr_mask=_ANY_PCRS, device=tcti.encode(), signature_path=signature.encode() or None
        )
        arguments = (context, None, b"systemd-tpm2", int(token), None, 0, ctypes.byref(parameters), 0)
        require("crypt_activate_by_token_pin", *arguments)


@contextmanager
def _loaded(header: str, device: str) -> Iterator[tuple[ctypes.CDLL, ctypes.c_void_p, Callable[..., None]]]:
    """Yield the library, a context for a LUKS2 volume, and a function that calls the library and raises on failure."""
    library = _load()
    messages: list[str] = []
    log = _LOG(lambda _level, message, _user: messages.append((message or b"").decode("utf-8", "replace").strip()))
    context = ctypes.c_void_p()

    def require(name: str, *arguments: Any) -> None:
        result = getattr(library, name)(*arguments)
        if result < 0:
            raise ToolFailed(f"{_LIBRARY} ({name})", result, "; ".join(filter(None, messages)))

    require("crypt_init_data_device", ctypes.byref(context), header.encode(), device.encode())
    try:
        library.crypt_set_log_callback(context, log, None)
        require("crypt_load", context, b"LUKS2", None)
        yield library, context, require
    finally:
        library.crypt_free(context)


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        raise ToolMissing(_LIBRARY, "cannot be loaded", "Install it (on Debian: apt install libcryptsetup12)") from None
    text, number, size, pointer = ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p
    library.crypt_init_data_device.argtypes = (ctypes.POINTER(pointer), text, text)
    library.crypt_load.argtypes = (pointer, text, pointer)
    library.crypt_set_log_callback.argtypes = (pointer, _LOG, pointer)
    library.crypt_set_log_callback.restype = None
    library.crypt_get_cipher.argtypes = library.crypt_get_cipher_mode.argtypes = (pointer,)
    library.crypt_get_cipher.restype = library.crypt_get_cipher_mode.restype = text
    library.crypt_reencrypt_init_by_passphrase.argtypes = (
        *(pointer, text, text, size, number, number, text, text),
        ctypes.POINTER(_Reencrypt),
    )
    library.crypt_set_pbkdf_type.argtypes = (pointer, ctypes.POINTER(_Pbkdf))
    library.crypt_keyslot_set_encryption.argtypes = (pointer, text, size)
    library.crypt_get_volume_key_size.argtypes = (pointer,)
    library.crypt_keyslot_add_by_key.argtypes = (pointer, number, text, size, text, size, ctypes.c_uint32)
    library.crypt_volume_key_get.argtypes = (pointer, number, text, ctypes.POINTER(size), text, size)
    library.crypt_persistent_flags_set.argtypes = (pointer, number, ctypes.c_uint32)
    library.crypt_activate_by_token_pin.argtypes = (
        *(pointer, text, text, number, text, size),
        ctypes.POINTER(_Tpm2Plugin),
        ctypes.c_uint32,
    )
    library.crypt_free.argtypes = (pointer,)
    library.crypt_free.restype = None
    return library
