# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Facts on how volumes are opened at boot: the unit, the outcome in this boot, and the key file on a token."""

from __future__ import annotations

from typing import Any, Optional

from .._base.errors import EdgesecError, Malformed
from .._luks.header import Header
from .._luks.key_file_token import TYPE, KeyFile, parse_key_file
from .._unlock.enrolment import read_enrolment
from .._unlock.outcome import read_outcome
from .._unlock.unit import unit_enabled


def last_unlock(root: str, name: str) -> Optional[dict[str, Any]]:
    """The outcome of the last attempt in this boot, or None if there was none."""
    outcome = read_outcome(name, root)
    if outcome is None:
        return None
    return {"reason": outcome.reason, "at": outcome.at, "approval": outcome.approval}


def key_file_facts(root: str, name: str, header: Header) -> Optional[dict[str, Any]]:
    """Facts on the key file that opens a volume at boot; None if its header names none."""
    if not any(isinstance(data, dict) and data.get("type") == TYPE for data in header.tokens.values()):
        return None
    facts: dict[str, Any] = {
        "enrolled": False,
        "reason": None,
        "keyslot": None,
        "file_system": None,
        "path": None,
        "unlock_unit_enabled": unit_enabled(root, name),
        "last_unlock": last_unlock(root, name),
    }
    try:
        key_file = enrolled_key_file(root, name, header)
    except EdgesecError as error:
        facts["reason"] = str(error)
        return facts
    facts.update(enrolled=True, keyslot=key_file.keyslot, file_system=key_file.file_system, path=key_file.path)
    return facts


def enrolled_key_file(root: str, name: str, header: Header) -> KeyFile:
    """The key file that opens a volume at boot.

    :raises Malformed: enrolment and header name different key files.
    """
    enrolment = read_enrolment(name, root)
    tokens = [data for data in header.tokens.values() if isinstance(data, dict) and data.get("type") == TYPE]
    if len(tokens) == 1 and enrolment.pins.uuid == header.uuid:
        key_file = parse_key_file(tokens[0])
        if key_file == enrolment.token and key_file.keyslot in header.keyslots:
            return key_file
    raise Malformed(
        f"the enrolment of {name}", "names another key file than its header", "Run harden again to write it"
    )
