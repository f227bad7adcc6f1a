# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Decide what to do with a volume's device, and what to refuse."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple, Optional

from .._base.errors import Refused
from .._disk.blank import DIGITS
from .._luks.on_device import is_unfinished
from .._storage.volume import Volume, label_of

FORMAT, ENCRYPT_IN_PLACE, ERASE, ADOPT, ADJUST = "format", "encrypt_in_place", "erase", "adopt", "adjust"

# The file systems that can be encrypted in place, as blkid names them.
IN_PLACE_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs")
_TABLE = "partition-table"
_STATES = {True: "", False: "(a leftover)", None: "(partly overwritten)"}


class Plan(NamedTuple):
    """How to make the volume: one word (None if it already exists), and a sentence."""

    intent: Optional[str]
    text: str = ""


def plan(facts: dict[str, Any], volume: Volume) -> Plan:
    """Decide what to do with a device, from its facts.

    :raises Refused: the device is missing or in use, or holds something that the operator has not consented to.
    """
    device, name = facts["device"], facts["name"]
    target = f"LUKS2 volume {label_of(name)}"
    if not facts["exists"]:
        raise Refused(
            device, "there is no such device", f"Correct the device of the volume {name}; lsblk lists devices"
        )
    if facts.get("size_bytes") == 0:
        raise Refused(
            device,
            "its size is 0",
            "Nothing was changed. Insert its medium, or set up its loop device",
        )
    luks = facts["luks"]
    seen = contents(facts)
    _require_one(facts, seen)
    own = luks is not None and luks["version"] == 2 and luks["label"] == label_of(name)
    if own and not is_unfinished(luks):
        return Plan(None)
    if volume.on_existing_data in (ERASE, ENCRYPT_IN_PLACE) or facts["blank"]:
        _require_lasting_name(device)
    if facts["blank"] and (own or luks is None):
        return Plan(FORMAT, f"format {device} ({facts['size_bytes']} bytes, blank) as {target}")
    if volume.on_existing_data == ENCRYPT_IN_PLACE:
        _require_file_system(facts, volume, seen)
        return Plan(ENCRYPT_IN_PLACE, f"encrypt {seen} on {device} in place as {target}")
    if volume.on_existing_data == ADOPT:
        _require_luks(facts, volume, seen)
        return Plan(ADOPT, f"adopt {seen} on {device} as {target}, with the keyslots {keyslots_of(facts['luks'])}")
    if volume.on_existing_data == ERASE:
        _require_idle(facts, seen)
        _require_consent(facts, volume, seen)
        return Plan(ERASE, f"erase {seen} on {device} ({facts['size_bytes']} bytes) and format it as {target}")
    raise Refused(device, f"it is not blank: {seen}", f"Nothing was changed. {_ways_on(facts)}")


def identifiers(facts: dict[str, Any]) -> list[str]:
    """The names that a consent may use: UUID and label of the one live item on the device.

    If it has neither, or nothing was recognised, the digest of the sampled data. Erased devices of one size look the
    same: their digest also covers the device's name and what refers to it.
    """
    live = _live(facts)
    if len(live) > 1:
        return []
    names = [str(each[field]) for each in live for field in ("uuid", "label") if each[field]]
    if live and live[0]["usage"] == _TABLE and facts["partition_table_uuid"]:
        names.append(facts["partition_table_uuid"])
    if not names and facts["sample"] is not None:
        names.append(_digest_of_erased(facts) if facts["sample"]["erased"] else facts["sample"]["digest"])
    return list(dict.fromkeys(names))


def _digest_of_erased(facts: dict[str, Any]) -> str:
    named = json.dumps([facts["sample"]["digest"], facts["device"], facts["named_by"]])
    return f"sha256:{hashlib.sha256(named.encode()).hexdigest()[:DIGITS]}"


def contents(facts: dict[str, Any]) -> str:
    """Describe the contents of a device that is not blank."""
    seen = [_in_words(signature, facts) for signature in facts["signatures"] or []]
    if facts["partition_table"] and _TABLE not in [each["usage"] for each in facts["signatures"] or []]:
        seen.append(f"a partition table {facts['partition_table_uuid'] or ''}".rstrip())
    sampled = facts["sample"]
    if sampled is not None and not sampled["erased"] and not _live(facts):
        seen.append(f"data that no tool recognises ({sampled['digest']})")
    seen += [f"named by {place}" for place in facts["named_by"]]
    seen += _uses(facts)
    seen += [facts["reason"]] if facts["reason"] else []
    return "; ".join(seen) or "something that was not recognised"


def _in_words(signature: dict[str, Any], facts: dict[str, Any]) -> str:
    luks, kind = facts["luks"], str(signature["type"])
    if luks and kind == "crypto_LUKS" and signature["live"]:
        kind = f"LUKS{luks['version']}"
    elif signature["usage"] == _TABLE:
        kind = f"a partition table ({kind}) {facts['partition_table_uuid'] or ''}".rstrip()
    named = [f"{field} {signature[field]}" for field in ("uuid", "label") if signature.get(field)]
    at = "" if signature["offset"] is None else f"at byte {signature['offset']}"
    return " ".join(filter(None, [kind, *named, at, _STATES[signature["live"]]]))


def _live(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The items that are not leftovers; partitions known only to the kernel count as one more item."""
    live = [signature for signature in facts["signatures"] or [] if signature["live"] is not False]
    if facts["partition_table"] and not any(each["usage"] == _TABLE for each in live):
        live.append({"type": "partition table", "usage": _TABLE, "uuid": None, "label": None, "live": True})
    return live


def keyslots_of(luks: dict[str, Any]) -> str:
    """The keyslots of a LUKS2 volume, each with its token's type; LUKS1 keyslots are not read."""
    if luks["version"] == 1:
        return "as they are, once its header is converted to LUKS2"
    types = {slot: token["type"] for token in luks["tokens"] for slot in token["keyslots"]}
    ids = [slot["id"] for slot in luks["keyslots"]]
    return ", ".join(f"{slot} ({types[slot]})" if slot in types else slot for slot in ids) or "none"


def _uses(facts: dict[str, Any]) -> list[str]:
    return (
        [f"mounted at {path}" for path in facts["mounted_at"]]
        + [f"held by {holder}" for holder in facts["holders"]]
        + [f"in use as {use}" for use in facts["in_use_as"]]
        + list(facts["partitions_in_use"])
    )


def _ways_on(facts: dict[str, Any]) -> str:
    """What the operator can do about a device that is not blank."""
    names = identifiers(facts)
    if not names:
        return "Find out what it holds; there is nothing that a consent could name"
    ways = [f"To erase it, set on_existing_data: erase and consent: {names[0]}"]
    if facts["luks"] is not None:
        ways.insert(0, f"To keep it with its data, set on_existing_data: adopt and consent: {names[0]}")
    if _in_place_type(facts) in IN_PLACE_TYPES and facts["parts_elsewhere"] is None:
        ways.insert(0, f"To keep the data, set on_existing_data: encrypt_in_place and consent: {names[0]}")
    return ". ".join(ways)


def _in_place_type(facts: dict[str, Any]) -> Optional[str]:
    """The type of the file system, if it is the only live item on the device."""
    live = _live(facts)
    return str(live[0]["type"]) if [each["usage"] for each in live] == ["filesystem"] else None


def _require_one(facts: dict[str, Any], seen: str) -> None:
    """Refuse a device with several live items, whatever the consent."""
    if len(_live(facts)) > 1:
        raise Refused(
            facts["device"],
            f"it holds several things, and any of them may be in use: {seen}",
            "Nothing was changed; a consent covers only one. Find out which of them is in use (mdadm "
            "--examine, pvs, blkid -p, fdisk -l), and remove the others by hand (wipefs --backup --offset)",
        )


def _require_lasting_name(device: str) -> None:
    """Refuse a name derived from the device's contents: it disappears with them, and may then name another device."""
    if device.startswith(("/dev/disk/by-uuid/", "/dev/disk/by-label/")):
        raise Refused(
            device,
            "this name belongs to the device's current contents, not to the device",
            "Nothing was changed. Name the device below /dev/disk/by-partlabel, by-partuuid, by-id or by-path",
        )


def _require_idle(facts: dict[str, Any], seen: str) -> None:
    if _uses(facts):
        raise Refused(
            facts["device"], f"it is in use: {seen}", "Nothing was changed. Take it out of use first, even with consent"
        )


def _require_consent(facts: dict[str, Any], volume: Volume, seen: str) -> None:
    if facts["blank"] is None:
        raise Refused(
            facts["device"], f"what it holds could not be determined: {facts['reason']}", "Nothing was changed"
        )
    if not volume.consent or volume.consent not in identifiers(facts):
        given = f"the consent {volume.consent!r} names something else" if volume.consent else "there is no consent"
        raise Refused(facts["device"], f"it holds {seen}, and {given}", f"Nothing was changed. {_ways_on(facts)}")


def _require_luks(facts: dict[str, Any], volume: Volume, seen: str) -> None:
    device, luks = facts["device"], facts["luks"]
    if luks is None:
        raise Refused(device, f"it holds no LUKS volume: {seen}", f"Nothing was changed. {_ways_on(facts)}")
    if luks["version"] == 1 and _uses(facts):
        raise Refused(
            device,
            f"it is in use: {seen}",
            "Nothing was changed. Close it first: LUKS1 is converted to LUKS2 only while it is closed",
        )
    if luks["version"] == 2 and luks["data_offset"] == 0:
        raise Refused(
            device,
            f"it is a detached header, whose data is on another device: {seen}",
            "Nothing was changed. A volume with a detached header cannot be adopted",
        )
    if luks["requirements"]:
        raise Refused(
            device, f"it is being changed ({', '.join(luks['requirements'])})", "Let that end, then run again"
        )
    _require_consent(facts, volume, seen)


def _require_file_system(facts: dict[str, Any], volume: Volume, seen: str) -> None:
    if facts["interrupted"]:
        return
    device = facts["device"]
    elsewhere = [path for path in facts["mounted_at"] if path != volume.mount]
    if elsewhere or facts["holders"] or facts["in_use_as"] or facts["partitions_in_use"]:
        raise Refused(
            device,
            f"it is in use: {seen}",
            "Nothing was changed. Only a file system that is mounted at the volume's mount, or not at all, "
            "can be encrypted in place",
        )
    kind = _in_place_type(facts)
    if kind is None:
        raise Refused(device, f"it holds no single file system: {seen}", f"Nothing was changed. {_ways_on(facts)}")
    if kind not in IN_PLACE_TYPES:
        raise Refused(
            device,
            f"{kind} cannot be encrypted in place: {seen}",
            f"Nothing was changed. Only {', '.join(IN_PLACE_TYPES)} can be. {_ways_on(facts)}",
        )
    if facts["parts_elsewhere"] is not None:
        raise Refused(
            device,
            f"a part of its file system is elsewhere: {facts['parts_elsewhere']}; {seen}",
            f"Nothing was changed. That part would stay in clear. {_ways_on(facts)}",
        )
    _require_consent(facts, volume, seen)
