# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""What is to be done with the device of a volume, and what must not be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from ._errors import Refused
from ._storage import Volume

FORMAT, ENCRYPT_IN_PLACE = "format", "encrypt_in_place"


@dataclass(frozen=True)
class Plan:
    """What would be done to make the volume: one word (None where it is made already), and a sentence."""

    intent: Optional[str]
    text: str = ""


def label_of(name: str) -> str:
    """The LUKS2 label of a volume that this collection made."""
    return f"edgesec-{name}"


def plan(facts: dict[str, Any], volume: Volume) -> Plan:
    """What is to be done with a device of which these facts were found.

    :raises Refused: the device is not there, or holds something that the operator has not consented to.
    """
    device, name = facts["device"], facts["name"]
    if not facts["exists"]:
        raise Refused(
            device, "there is no such device", f"See that the device of the volume {name} is right: lsblk shows them"
        )
    luks = facts["luks"]
    if luks is not None:
        _require_own(device, luks, name)
        return Plan(None)
    if facts["blank"]:
        return Plan(FORMAT, f"format {device} ({facts['size_bytes']} bytes, blank) as LUKS2 volume {label_of(name)}")
    if _may_be_encrypted_in_place(facts, volume):
        return Plan(
            ENCRYPT_IN_PLACE, f"encrypt {contents(facts)} on {device} in place as LUKS2 volume {label_of(name)}"
        )
    raise Refused(
        device,
        f"it is not blank: {contents(facts)}",
        "Nothing was changed. Move the data away and wipe the device (wipefs --all) if it may go",
    )


def _require_own(device: str, luks: dict[str, Any], name: str) -> None:
    if luks["version"] != 2 or luks["label"] != label_of(name):
        raise Refused(
            device,
            f"it holds a LUKS{luks['version']} volume that was not made by this role (uuid {luks['uuid']}, "
            f"label {luks['label']!r}, expected {label_of(name)!r})",
            "Nothing was changed. Name the volume as its label says, or move the data away and wipe the device",
        )


def _may_be_encrypted_in_place(facts: dict[str, Any], volume: Volume) -> bool:
    if volume.on_existing_data != ENCRYPT_IN_PLACE:
        return False
    if facts["interrupted"]:
        return True
    signatures = facts["signatures"] or []
    return (
        len(signatures) == 1
        and signatures[0]["usage"] == "filesystem"
        and volume.consent in (signatures[0]["uuid"], signatures[0]["label"])
        and bool(volume.consent)
        and not (facts["partition_table"] or facts["holders"] or facts["in_use_as"])
        and set(facts["mounted_at"]) <= {volume.mount}
    )


def contents(facts: dict[str, Any]) -> str:
    """What was seen on a device that is not blank, in words."""
    seen = [
        " ".join(
            [str(signature["type"])]
            + [f"{field} {signature[field]}" for field in ("uuid", "label") if signature.get(field)]
        )
        for signature in facts["signatures"] or []
    ]
    if facts["partition_table"]:
        seen.append("a partition table")
    seen += [f"mounted at {path}" for path in facts["mounted_at"]]
    seen += [f"held by {holder}" for holder in facts["holders"]]
    seen += [f"in use as {use}" for use in facts["in_use_as"]]
    return "; ".join(seen) or facts["reason"] or "something that was not recognised"
