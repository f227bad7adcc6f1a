# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The structures of PKCS#11 (OASIS PKCS#11 2.40, pkcs11t.h) for ctypes, and templates of attributes."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import byref, c_ubyte, c_ulong, c_void_p
from typing import Union


class Version(ctypes.Structure):
    """CK_VERSION."""

    _fields_ = (("major", c_ubyte), ("minor", c_ubyte))


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST of version 2.40."""

    _fields_ = (("version", Version), ("functions", c_void_p * 68))


class Info(ctypes.Structure):
    """CK_INFO."""

    _fields_ = (
        ("cryptoki", Version),
        ("manufacturer", c_ubyte * 32),
        ("flags", c_ulong),
        ("description", c_ubyte * 32),
        ("library", Version),
    )


class SlotInfo(ctypes.Structure):
    """CK_SLOT_INFO."""

    _fields_ = (
        ("description", c_ubyte * 64),
        ("manufacturer", c_ubyte * 32),
        ("flags", c_ulong),
        ("hardware", Version),
        ("firmware", Version),
    )


class TokenInfo(ctypes.Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label", c_ubyte * 32),
        ("manufacturer", c_ubyte * 32),
        ("model", c_ubyte * 16),
        ("serial", c_ubyte * 16),
        ("flags", c_ulong),
        ("sessions", c_ulong * 4),
        ("most_pin_bytes", c_ulong),
        ("least_pin_bytes", c_ulong),
        ("memory", c_ulong * 4),
        ("hardware", Version),
        ("firmware", Version),
        ("time", c_ubyte * 16),
    )


class Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("length", c_ulong))


class Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("type", c_ulong), ("parameter", c_void_p), ("length", c_ulong))


Value = Union[bool, int, bytes]
Template = Mapping[int, Value]


def attributes(template: Template) -> tuple[ctypes.Array[Attribute], list[object]]:
    """Make an array of CK_ATTRIBUTE; also return the buffers it points to, which must outlive it."""
    kept: list[object] = []
    array = (Attribute * len(template))()
    for at, (kind, value) in enumerate(template.items()):
        held: object
        if isinstance(value, bool):
            held, length = c_ubyte(value), 1
        elif isinstance(value, int):
            held, length = c_ulong(value), ctypes.sizeof(c_ulong)
        else:
            held, length = ctypes.create_string_buffer(value, len(value)), len(value)
        kept.append(held)
        array[at] = Attribute(kind, ctypes.cast(byref(held), c_void_p), length)
    return array, kept
