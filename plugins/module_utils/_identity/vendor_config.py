# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Configuration of secure element vendors' PKCS#11 libraries: render files and variables from typed options.

Sources: lib/pkcs11/pkcs11_config.c and app/pkcs11/README.md of MicrochipTech/cryptoauthlib, ex_sss_boot_connectstring.c
and i2c_a7.c of NXP/plug-and-trust, pal_ifx_i2c_config.c of Infineon/optiga-trust-m.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._base.errors import EdgesecError

ATECC608, SE05X, OPTIGA_TRUST_M = "atecc608", "se05x", "optiga_trust_m"
DEVICES = ("ATECC508A", "ATECC608A", "ATECC608B")
PROFILES = ("TNGTLS", "TFLXTLS", "TNGLORA")
INTERFACES = ("i2c", "hid")
OBJECTS = ("private", "public", "secret", "certificate")
LIBRARIES = {
    ATECC608: "libcryptoauth.so",
    SE05X: "libsss_pkcs11.so",
    OPTIGA_TRUST_M: "liboptigatrust-i2c-linux-pkcs11.so",
}

# The options of each kind, with defaults. Bus, address and reset line of OPTIGA Trust M are compiled into its library,
# which reads neither a file nor a variable.
_DEFAULTS: dict[str, dict[str, Any]] = {
    ATECC608: {
        "device": "ATECC608B",
        "profile": "",
        "interface": "i2c",
        "bus": 1,
        "address": 0x60,
        "slot": 0,
        "free_slots": (),
        "objects": (),
        "configuration": "/etc/cryptoauthlib/cryptoauthlib.conf",
        "filestore": "/var/lib/cryptoauthlib",
    },
    SE05X: {"bus": 1, "address": 0x48, "scp03_keys": ""},
    OPTIGA_TRUST_M: {},
}
# The argument spec of a secure element.
ELEMENT: dict[str, Any] = {
    "type": "dict",
    "options": {
        "kind": {"type": "str", "choices": list(LIBRARIES), "required": True},
        "bus": {"type": "int"},
        "address": {"type": "int"},
        "device": {"type": "str", "choices": list(DEVICES)},
        "profile": {"type": "str", "choices": list(PROFILES)},
        "interface": {"type": "str", "choices": list(INTERFACES)},
        "slot": {"type": "int"},
        "free_slots": {"type": "list", "elements": "int"},
        "objects": {
            "type": "list",
            "elements": "dict",
            "options": {
                "type": {"type": "str", "choices": list(OBJECTS), "required": True},
                "label": {"type": "str", "required": True},
                "slot": {"type": "int", "required": True},
            },
        },
        "configuration": {"type": "str"},
        "filestore": {"type": "str"},
        "scp03_keys": {"type": "str", "no_log": False},
    },
}
_HEADING = "# Written by edgesec.hardening."
_MOST_BUSES, _SLOTS = 256, 16
# The 7-bit addresses that are not reserved (UM10204 section 3.1.12).
_ADDRESSES = range(0x08, 0x78)
# PKCS11_MAX_LABEL_SIZE includes a NUL; white space, =, # and commas are syntax in the file.
_LABEL = re.compile(r"[A-Za-z0-9._:-]{1,29}")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
# The library's buffer of 200 bytes holds this path, a slash, and the longest name, 15.15.conf.
_MOST_OF_FILESTORE = 188
# PKCS11_MAX_OBJECTS_ALLOWED; a private key counts as two, because its public half is an object too.
_MOST_OBJECTS = 16


def files(element: Mapping[str, Any], token: str) -> dict[str, str]:
    """Render the files that the library reads, by path.

    :param element: the option C(element); a value that is None or missing gets its kind's default.
    :param token: label of the token, if the library reads it from a file.
    :raises EdgesecError: the library would reject or misread an option.
    """
    options = _options_of(element)
    if element["kind"] != ATECC608:
        return {}
    _require(_LABEL.fullmatch(token), "token", token, "Use up to 29 letters, digits and . _ : -")
    return {
        options["configuration"]: _text([("filestore", options["filestore"])]),
        f"{options['filestore']}/{options['slot']}.conf": _text(_slot_lines(options, token)),
    }


def environment(element: Mapping[str, Any]) -> dict[str, str]:
    """Render the environment variables that the library reads.

    :param element: as for :func:`files`.
    :raises EdgesecError: as :func:`files` does.
    """
    options = _options_of(element)
    if element["kind"] != SE05X:
        return {}
    variables = {"EX_SSS_BOOT_SSS_PORT": f"/dev/i2c-{options['bus']}:{options['address']:#04x}"}
    if options["scp03_keys"]:
        variables["EX_SSS_BOOT_SCP03_PATH"] = options["scp03_keys"]
    return variables


def _options_of(element: Mapping[str, Any]) -> dict[str, Any]:
    kind = element["kind"]
    given = {name: value for name, value in element.items() if name != "kind" and value is not None}
    foreign = sorted(set(given) - set(_DEFAULTS[kind]))
    if foreign:
        known = ", ".join(_DEFAULTS[kind]) or "none"
        raise EdgesecError(
            f"the element {kind}", f"does not accept {' and '.join(foreign)}", f"Remove that; it accepts: {known}"
        )
    options = {**_DEFAULTS[kind], **given}
    for name, values in (("bus", range(_MOST_BUSES)), ("address", _ADDRESSES), ("slot", range(_SLOTS))):
        if name in options:
            _require_one_of(name, options[name], values)
    for name in ("configuration", "filestore", "scp03_keys"):
        if options.get(name):
            plain = _PATH.fullmatch(options[name]) and os.path.normpath(options[name]) == options[name]
            _require(plain, name, options[name], "Write a plain absolute path of letters, digits and . _ -")
    if kind == ATECC608:
        _require_slots(options)
    return options


def _require_slots(options: Mapping[str, Any]) -> None:
    fits = len(options["filestore"]) <= _MOST_OF_FILESTORE
    _require(fits, "filestore", options["filestore"], f"Use a path of up to {_MOST_OF_FILESTORE} characters")
    for slot in options["free_slots"]:
        _require_one_of("free_slots", slot, range(_SLOTS))
    for each in options["objects"]:
        _require_one_of("objects.slot", each["slot"], range(_SLOTS))
        _require(
            _LABEL.fullmatch(each["label"]),
            "objects.label",
            each["label"],
            "Use up to 29 letters, digits and . _ : -",
        )
        # Otherwise the library would overwrite the existing key with the next one.
        taken = each["slot"] not in options["free_slots"]
        _require(taken, "free_slots", each["slot"], f"Remove the slot of the object {each['label']}")
    count = sum(2 if each["type"] == "private" else 1 for each in options["objects"])
    _require(count <= _MOST_OBJECTS, "objects", count, f"Name up to {_MOST_OBJECTS}; a private key counts as two")


def _slot_lines(options: Mapping[str, Any], token: str) -> list[tuple[str, str]]:
    # The library wants the address shifted left by the direction bit, and reads slot and bus numbers as hexadecimal,
    # except free slots. Setting the interface resets the device options, so the device comes after it.
    address = f"{options['address'] << 1:#04x}"
    bus = ("i2c", address, f"{options['bus']:#x}") if options["interface"] == "i2c" else ("hid", "i2c", address)
    device = f"{options['device']}-{options['profile']}" if options["profile"] else options["device"]
    lines = [("label", token), ("interface", ",".join(bus)), ("device", device)]
    if options["free_slots"]:
        lines.append(("freeslots", ",".join(str(slot) for slot in sorted(set(options["free_slots"])))))
    return lines + [("object", f"{each['type']},{each['label']},{each['slot']:#x}") for each in options["objects"]]


def _text(lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join((_HEADING, *(f"{name} = {value}" for name, value in lines), ""))


def _require_one_of(name: str, value: int, values: range) -> None:
    _require(value in values, name, value, f"Use a number from {values[0]:#x} to {values[-1]:#x}")


def _require(condition: object, name: str, value: object, remedy: str) -> None:
    if not condition:
        raise EdgesecError(f"{name} of the secure element", f"cannot be {value!r}", remedy)
