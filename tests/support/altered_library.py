# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module with a PKCS#11 library, one function of which is altered on its way: a real token behind a bad driver.

It is put before the command that runs the module, with the name of the alteration.
"""

from __future__ import annotations

import ctypes
import runpy
import sys
from collections.abc import Callable
from ctypes import POINTER, c_ubyte, c_ulong, c_void_p
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._identity import key_pair as element
from ansible_collections.edgesec.hardening.plugins.module_utils._identity import pkcs11 as p11
from ansible_collections.edgesec.hardening.plugins.module_utils._identity.pkcs11_structures import SlotInfo, TokenInfo

NOT_SUPPORTED, HW_SLOT = 0x54, 0x2
_SIGN = ctypes.CFUNCTYPE(c_ulong, c_ulong, c_void_p, c_ulong, POINTER(c_ubyte), POINTER(c_ulong))
_SLOT = ctypes.CFUNCTYPE(c_ulong, c_ulong, POINTER(SlotInfo))
_TOKEN = ctypes.CFUNCTYPE(c_ulong, c_ulong, POINTER(TokenInfo))
_SET = ctypes.CFUNCTYPE(c_ulong, c_ulong, c_ulong, c_void_p, c_ulong)


def _wrong_signature(address: int) -> Any:
    def sign(session: int, data: int, length: int, signature: Any, size: Any) -> int:
        code = int(_SIGN(address)(session, data, length, signature, size))
        signature[size[0] - 1] ^= 1
        return code

    return _SIGN(sign)


def _no_renaming(_address: int) -> Any:
    return _SET(lambda _session, _handle, _template, _count: NOT_SUPPORTED)


def _absent(_address: int) -> None:
    return None


def _hardware(address: int) -> Any:
    def slot(number: int, info: Any) -> int:
        code = int(_SLOT(address)(number, info))
        info.contents.flags |= HW_SLOT
        return code

    return _SLOT(slot)


def _another_model(address: int) -> Any:
    def token(number: int, info: Any) -> int:
        code = int(_TOKEN(address)(number, info))
        info.contents.model[:] = b"ATECC608B".ljust(16)
        return code

    return _TOKEN(token)


ALTERATIONS: dict[str, dict[str, Callable[[int], Any]]] = {
    "wrong signature": {"C_Sign": _wrong_signature},
    "no renaming": {"C_SetAttributeValue": _no_renaming},
    "renaming absent": {"C_SetAttributeValue": _absent},
    "secure element": {"C_GetSlotInfo": _hardware, "C_GetTokenInfo": _another_model},
}


def altered(which: str) -> type[p11.Library]:
    """The class of libraries of which some functions are altered once they are loaded."""

    class Altered(p11.Library):
        def __init__(self, path: str) -> None:
            super().__init__(path)
            functions = (c_void_p * 68)(*self._functions)
            self.kept = []
            for name, alteration in ALTERATIONS[which].items():
                place = p11._FUNCTIONS[name]
                function = alteration(functions[place] or 0)
                functions[place] = ctypes.cast(function, c_void_p) if function else None
                self.kept.append(function)
            self._functions = functions

    return Altered


if __name__ == "__main__":
    # Ansible reads what comes after the name.
    _name, which, *command = sys.argv
    sys.argv = command[-1:]
    vars(element).update(Library=altered(which))
    runpy.run_module(command[-1], run_name="__main__", alter_sys=True)
