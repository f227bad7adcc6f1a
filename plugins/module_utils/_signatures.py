# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What blkid and wipefs find on a device: the answer to "does it hold anything?"."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Optional

from ._cli import LOOK_SECONDS, run
from ._errors import EdgesecError, Malformed

# blkid(8): 2 = nothing was found, 8 = more than one format was found, so that none is certain.
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8
_COLUMNS = "OFFSET,TYPE,USAGE,UUID,LABEL"


class Signature(NamedTuple):
    """One magic string, as wipefs(8) lists it."""

    type: str
    usage: Optional[str]
    uuid: Optional[str]
    label: Optional[str]
    offset: Optional[int]


class Contents(NamedTuple):
    """What a device holds; C(something) is false only if both tools saw nothing."""

    signatures: tuple[Signature, ...]
    partition_table: bool
    partition_table_uuid: Optional[str]
    something: bool


def probe(path: str) -> Contents:
    """Ask both tools about a device or file.

    :raises EdgesecError: a tool is missing, failed, or printed what it should not.
    """
    blkid = run(["blkid", "-p", "-o", "export", path], ok=(0, _BLKID_NOTHING, _BLKID_AMBIVALENT), timeout=LOOK_SECONDS)
    wipefs = run(["wipefs", "-n", "-J", "-O", _COLUMNS, path], timeout=LOOK_SECONDS)
    properties = parse_blkid(blkid.stdout.decode("utf-8", "replace"))
    signatures = parse_wipefs(wipefs.stdout.decode("utf-8", "replace"))
    if blkid.rc != _BLKID_AMBIVALENT:
        _require_agreement(path, properties, signatures)
    # On an empty partition blkid still prints what the partition table says of it, and succeeds.
    own = {name for name in properties if name != "DEVNAME" and not name.startswith("PART_ENTRY_")}
    return Contents(
        signatures=signatures,
        partition_table="PTTYPE" in properties,
        partition_table_uuid=properties.get("PTUUID"),
        something=bool(own or signatures) or blkid.rc == _BLKID_AMBIVALENT,
    )


def _require_agreement(path: str, properties: dict[str, str], signatures: tuple[Signature, ...]) -> None:
    """What only one of the two tools sees is not understood, and nothing is done about it."""
    found = {signature.type for signature in signatures}
    named = {properties[name] for name in ("TYPE", "PTTYPE") if name in properties}
    if not named <= found or bool(named) != bool(found):
        raise EdgesecError(
            path,
            f"blkid sees {', '.join(sorted(named)) or 'nothing'} on it, wipefs {', '.join(sorted(found)) or 'nothing'}",
            "Find out what it holds",
        )


def parse_blkid(text: str) -> dict[str, str]:
    """The properties that C(blkid -o export) printed, by name."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_wipefs(text: str) -> tuple[Signature, ...]:
    """The signatures that C(wipefs --json) printed.

    :raises Malformed: not the JSON of wipefs.
    """
    if not text.strip():
        return ()
    try:
        return tuple(_signature(entry) for entry in json.loads(text)["signatures"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Malformed("the output of wipefs", "is not the JSON that was asked for") from None


def _signature(entry: dict[str, Any]) -> Signature:
    def word(name: str) -> Optional[str]:
        value = entry.get(name)
        return str(value) if value not in (None, "") else None

    offset = word("offset")
    return Signature(
        type=word("type") or "unknown",
        usage=word("usage"),
        uuid=word("uuid"),
        label=word("label"),
        offset=int(offset, 0) if offset is not None else None,
    )
