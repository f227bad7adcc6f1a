# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Headers of volumes whose data is being encrypted: how far it is, and what such a header may say.

Source: LUKS2 On-Disk Format Specification 1.1.1, section 5 (reencryption). That the header was written by somebody
who knows the volume key is proven by libcryptsetup, by a digest over the fields of the re-encryption.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Optional

from ._luks2 import Header

REQUIREMENT = "online-reencrypt-v2"
_RESILIENCE = ("datashift", "datashift-checksum", "datashift-journal")


@dataclass(frozen=True)
class Progress:
    """How much of a volume is encrypted, in bytes."""

    done: int
    total: int


def is_under_way(header: Header) -> bool:
    """Whether data of the volume is being encrypted or re-encrypted."""
    return any(requirement.startswith("online-reencrypt") for requirement in header.requirements)


def describes_reencryption(slot: Any) -> bool:
    """Whether a keyslot holds no key, but how far data is encrypted."""
    return isinstance(slot, dict) and slot.get("type") == "reencrypt"


def progress(header: Header, device_bytes: int) -> Optional[Progress]:
    """How far the encryption of a volume is, or None where none is under way.

    :param device_bytes: size of the device, for the segment that reaches to its end.
    """
    if not is_under_way(header):
        return None
    done = total = 0
    for segment in header.segments.values():
        if not isinstance(segment, dict) or _is_backup(segment):
            continue
        size = _size(segment, device_bytes)
        total += size
        if segment.get("type") == "crypt" and "in-reencryption" not in (segment.get("flags") or []):
            done += size
    return Progress(done, total)


def settled(header: Header) -> tuple[Header, list[str]]:
    """The header as it will be when the encryption in place is done, and every rule that its passing parts break."""
    found = []
    if header.requirements != [REQUIREMENT]:
        found.append(f"requirements are {header.requirements!r}, expected [{REQUIREMENT!r}]")
    final = {name: segment for name, segment in header.segments.items() if _has_flag(segment, "backup-final")}
    if len(final) != 1:
        return header, [*found, f"{len(final)} segments are the final one, expected 1"]
    ((final_id, segment),) = final.items()
    segment = {key: value for key, value in segment.items() if key != "flags"}
    found += _segments(header, segment)

    passing = {name: slot for name, slot in header.keyslots.items() if describes_reencryption(slot)}
    if len(passing) != 1:
        found.append(f"{len(passing)} keyslots describe the encryption, expected 1")
    for name, slot in passing.items():
        found += [f"keyslot {name}: {text}" for text in _keyslot(slot)]
    keyslots = {name: slot for name, slot in header.keyslots.items() if name not in passing}
    digests = {
        name: digest
        for name, digest in header.digests.items()
        if not (isinstance(digest, dict) and digest.get("keyslots") == list(passing) and not digest.get("segments"))
    }
    if "0" in digests and isinstance(digests["0"], dict):
        covered = digests["0"].get("segments")
        if not isinstance(covered, list) or final_id not in covered:
            found.append(f"digest 0 covers segments {covered!r}")
        digests["0"] = {**digests["0"], "segments": ["0"]}
    config = header.metadata.get("config")
    if isinstance(config, dict):
        config = {key: value for key, value in config.items() if key != "requirements"}
    metadata = {
        **header.metadata,
        "segments": {"0": segment},
        "keyslots": keyslots,
        "digests": digests,
        "config": config,
    }
    return replace(header, metadata=metadata), found


def _segments(header: Header, final: dict[str, Any]) -> list[str]:
    """What is encrypted already must be so as it will be in the end; the rest is not encrypted yet."""
    found = []
    for name, segment in sorted(header.segments.items()):
        if not isinstance(segment, dict):
            found.append(f"segment {name} is not an object")
        elif segment.get("type") == "crypt":
            seen = (segment.get("encryption"), segment.get("sector_size"))
            if seen != (final.get("encryption"), final.get("sector_size")):
                found.append(f"segment {name} is encrypted with {seen!r}")
        elif segment.get("type") != "linear":
            found.append(f"segment {name} has type {segment.get('type')!r}")
    return found


def _keyslot(slot: dict[str, Any]) -> list[str]:
    area = slot.get("area")
    resilience = area.get("type") if isinstance(area, dict) else None
    wanted = (
        ("mode", slot.get("mode"), ("encrypt",)),
        ("direction", slot.get("direction"), ("backward",)),
        ("resilience", resilience, _RESILIENCE),
    )
    return [f"{name} is {seen!r}" for name, seen, allowed in wanted if seen not in allowed]


def _is_backup(segment: Any) -> bool:
    flags = segment.get("flags") if isinstance(segment, dict) else None
    return isinstance(flags, list) and any(str(flag).startswith("backup-") for flag in flags)


def _has_flag(segment: Any, flag: str) -> bool:
    flags = segment.get("flags") if isinstance(segment, dict) else None
    return isinstance(flags, list) and flag in flags


def _size(segment: dict[str, Any], device_bytes: int) -> int:
    size, offset = segment.get("size"), segment.get("offset")
    if isinstance(size, str) and size.isdecimal():
        return int(size)
    return max(device_bytes - int(offset), 0) if isinstance(offset, str) and offset.isdecimal() else 0
