# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Ask blkid and wipefs whether a device holds anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.tools import LOOK_SECONDS, run

# blkid(8): 2 = nothing was found, 8 = ambivalent, several formats were found.
_BLKID_NOTHING = 2
_BLKID_AMBIVALENT = 8
_COLUMNS = "OFFSET,TYPE,USAGE,UUID,LABEL"
# The first copy of a GPT is in the second sector; the superblock that btrfs mounts from is at 64 KiB.
_GPT_AT_MOST = 4096
_BTRFS_AT = 0x10040
_SECTOR = 512
_DOS_ENTRIES = slice(446, 510)


class Signature(NamedTuple):
    """One format on a device, with all of its magic strings.

    :ivar offset: the offset of the first magic string that was found, in bytes.
    :ivar offsets: the offsets of all of them.
    :ivar live: false for a leftover that its own tool would reject: a backup whose original is gone. None if partly
        overwritten.
    """

    type: str
    usage: Optional[str]
    uuid: Optional[str]
    label: Optional[str]
    offset: Optional[int]
    offsets: tuple[int, ...] = ()
    live: Optional[bool] = True


class Contents(NamedTuple):
    """What a device holds; C(something) is false only if both tools saw nothing.

    :ivar ambivalent: whether blkid saw formats that exclude each other.
    :ivar tags: the names of the partition in its partition table, such as C(PARTUUID=...).
    """

    signatures: tuple[Signature, ...]
    partition_table: bool
    partition_table_uuid: Optional[str]
    something: bool
    ambivalent: bool
    tags: tuple[str, ...] = ()


def probe(path: str) -> Contents:
    """Ask both tools about a device or file.

    :raises EdgesecError: a tool is missing, failed, or printed something unexpected.
    """
    blkid = run(["blkid", "-p", "-o", "export", path], ok=(0, _BLKID_NOTHING, _BLKID_AMBIVALENT), timeout=LOOK_SECONDS)
    wipefs = run(["wipefs", "-n", "-J", "-O", _COLUMNS, path], timeout=LOOK_SECONDS)
    properties = parse_blkid(blkid.stdout.decode("utf-8", "replace"))
    found = parse_wipefs(wipefs.stdout.decode("utf-8", "replace"))
    if _has_empty_table(path):
        found = without_table(found)
    if "dos" not in [each.type for each in found] and properties.get("PTTYPE") == "dos" and found:
        properties = {name: value for name, value in properties.items() if not name.startswith("PT")}
    has_table = "PTTYPE" in properties
    # For an empty partition, blkid still prints its entry in the partition table, and succeeds.
    own = {name for name in properties if name != "DEVNAME" and not name.startswith("PART_ENTRY_")}
    return Contents(
        signatures=gathered((*found, *_only_blkid(properties, found))),
        partition_table=has_table,
        partition_table_uuid=properties.get("PTUUID") if has_table else None,
        something=bool(own or found) or blkid.rc == _BLKID_AMBIVALENT,
        ambivalent=blkid.rc == _BLKID_AMBIVALENT,
        tags=tuple(f"PARTUUID={value}" for name, value in properties.items() if name == "PART_ENTRY_UUID"),
    )


def without_table(found: Sequence[Signature]) -> tuple[Signature, ...]:
    """Drop a false DOS table: the boot sector of a file system, whose four table entries are empty, looks like one."""
    others = tuple(each for each in found if each.type != "dos")
    own = any(each.offset is not None and each.offset < _SECTOR and each.usage == "filesystem" for each in others)
    return others if own else tuple(found)


def _has_empty_table(path: str) -> bool:
    with open(path, "rb") as file:
        sector = file.read(_SECTOR)
    return len(sector) == _SECTOR and not any(sector[_DOS_ENTRIES])


def gathered(found: Sequence[Signature]) -> tuple[Signature, ...]:
    """Merge the signatures of each format: vfat, for example, is listed once per magic string, three times."""
    things: dict[Signature, list[int]] = {}
    for each in found:
        offsets = things.setdefault(each._replace(offset=None), [])
        offsets += [] if each.offset is None else [each.offset]
    # The protective MBR belongs to the GPT behind it.
    tables = {thing.type: thing for thing in things if thing.type in ("gpt", "PMBR")}
    protected = things.pop(tables["PMBR"]) if len(tables) == 2 else []
    return tuple(_placed(thing, offsets, protected) for thing, offsets in things.items())


def _placed(thing: Signature, offsets: list[int], protected: list[int]) -> Signature:
    """Add the offsets of its magic strings to a signature.

    :param protected: the offsets of the protective MBR of a GPT.
    """
    live = True
    if thing.type == "gpt" and offsets:
        # The kernel accepts the copy at the end of a disk only with a protective MBR at its start.
        live = bool(protected) or min(offsets) <= _GPT_AT_MOST
        offsets = offsets + protected
    elif thing.type == "btrfs" and offsets:
        live = _BTRFS_AT in offsets
    return thing._replace(offset=offsets[0] if offsets else None, offsets=tuple(offsets), live=live)


def _only_blkid(properties: dict[str, str], found: Sequence[Signature]) -> list[Signature]:
    """The signatures that only blkid reports."""
    seen = {signature.type for signature in found}
    named = []
    if properties.get("TYPE", "") not in ("", *seen):
        usage, uuid, label = (properties.get(name) for name in ("USAGE", "UUID", "LABEL"))
        named.append(Signature(properties["TYPE"], usage, uuid, label, None))
    if properties.get("PTTYPE", "") not in ("", *seen):
        named.append(Signature(properties["PTTYPE"], "partition-table", properties.get("PTUUID"), None, None))
    return named


def parse_blkid(text: str) -> dict[str, str]:
    """The properties that C(blkid -o export) printed, by name."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def parse_wipefs(text: str) -> tuple[Signature, ...]:
    """The signatures that C(wipefs --json) printed, one for each magic string.

    :raises Malformed: the text is not the JSON of wipefs.
    """
    if not text.strip():
        return ()
    try:
        return tuple(_signature(entry) for entry in json.loads(text)["signatures"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Malformed("the output of wipefs", "is not the requested JSON") from None


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
