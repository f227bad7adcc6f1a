# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe what the firmware trusts: the Secure Boot keys, and shim with its own lists."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, Callable, Optional, TypeVar

from .._base.errors import Malformed
from .._base.tree import names_in, read_bytes
from .._boot.efi_signature_list import SHA256, X509
from .._boot.efi_signature_list import parse as parse_signatures
from .._boot.efi_variables import DIRECTORY, GLOBAL, IMAGE_SECURITY, SHIM, flag, parse, path_of
from .._measured_boot.pkcs7 import certificate, name_text

_STORES = (("PK", GLOBAL), ("KEK", GLOBAL), ("db", IMAGE_SECURITY), ("dbx", IMAGE_SECURITY))
# Test keys from firmware vendors, whose private halves are widely known (AMI's is "PKfail").
_TEST_KEY = re.compile(
    r"do not (trust|ship|use)|snake ?oil|for test(ing)? (only|purposes)|\btest(ing)? (pk|kek|db|key|root|ca\b|cert)"
    r"|\b(pk|kek) test\b|\btest only\b",
    re.IGNORECASE,
)

T = TypeVar("T")


def variable(root: str, name: str, vendor: str, reader: Callable[[bytes], T]) -> Optional[T]:
    """Read a variable; None if it cannot be read or parsed."""
    data = read_bytes(root, path_of(name, vendor))
    if data is None:
        return None
    try:
        return reader(data)
    except Malformed:
        return None


def collect(root: str) -> dict[str, Any]:
    """Collect the facts C(firmware_keys) and C(shim); both are None if the firmware shows no variables."""
    shown = set(names_in(root, DIRECTORY))
    if not shown:
        return {"firmware_keys": None, "shim": None}
    stores = {name: _store(root, name, vendor, shown) for name, vendor in _STORES}
    modes = {
        "audit_mode": variable(root, "AuditMode", GLOBAL, flag),
        "deployed_mode": variable(root, "DeployedMode", GLOBAL, flag),
    }
    return {"firmware_keys": {**stores, **modes, "source": DIRECTORY}, "shim": _shim(root, shown)}


def is_test_key(subject: str) -> bool:
    """Whether a name belongs to a test key."""
    return _TEST_KEY.search(subject) is not None


def _store(root: str, name: str, vendor: str, shown: set[str]) -> dict[str, Any]:
    """Describe the contents of a signature store.

    C(present) is None if the store exists but cannot be read.
    """
    facts: dict[str, Any] = {
        "present": f"{name}-{vendor}" in shown,
        "bytes": 0,
        "certificates": [],
        "hashes": 0,
        "others": 0,
        "reason": None,
    }
    if not facts["present"]:
        return facts
    data = read_bytes(root, path_of(name, vendor))
    try:
        if data is None:
            raise Malformed(name, "cannot be read")
        value = parse(data).value
        signatures = parse_signatures(value)
    except Malformed as error:
        facts.update(present=None, reason=error.seen)
        return facts
    # An emptied store counts as absent.
    facts.update(present=bool(signatures), bytes=len(value))
    for signature in signatures:
        if signature.type == X509:
            facts["certificates"].append({**_certificate(signature.data), "owner": signature.owner})
        else:
            facts["hashes" if signature.type == SHA256 else "others"] += 1
    return facts


def _certificate(der: bytes) -> dict[str, Any]:
    read = certificate(der)
    names = [name_text(read.subject), name_text(read.issuer)] if read is not None else []
    return {
        "subject": names[0] if names else None,
        "sha256": hashlib.sha256(read.der if read is not None else der).hexdigest(),
        "test_key": any(map(is_test_key, names)) if names else None,
    }


def _shim(root: str, shown: set[str]) -> dict[str, Any]:
    """shim's state, from the variables that it mirrors; if it ran, it mirrors at least one of them."""
    present = any(name.endswith(SHIM) and name.startswith(("MokList", "SbatLevel", "MokSBState")) for name in shown)
    state = f"MokSBStateRT-{SHIM}" in shown
    off = variable(root, "MokSBStateRT", SHIM, flag) if state else False
    level = variable(root, "SbatLevelRT", SHIM, lambda data: parse(data).value)
    return {
        "present": present,
        "validation_disabled": off if present else None,
        "machine_owner_keys": _store(root, "MokListRT", SHIM, shown) if present else None,
        "sbat_level": _sbat(level),
        "source": os.path.join(DIRECTORY, f"*-{SHIM}"),
    }


def _sbat(value: Optional[bytes]) -> Optional[str]:
    """The date of the SBAT level: the last field of C(sbat,1,2023012900) (github.com/rhboot/shim, SBAT.md)."""
    if value is None:
        return None
    fields = value.split(b"\n", 1)[0].rstrip(b"\0\r").decode("utf-8", "replace").split(",")
    return fields[2] if len(fields) > 2 and fields[0] == "sbat" else None
