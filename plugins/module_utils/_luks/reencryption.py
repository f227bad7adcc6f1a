# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Headers of volumes with an encryption or re-encryption in progress: measure the progress, and check the header.

Source: LUKS2 On-Disk Format Specification 1.1.1, section 5 (reencryption). libcryptsetup itself verifies, by a digest
over the re-encryption fields, that whoever wrote the header knows the volume key.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional

from .header import Header, covers, has_flag

REQUIREMENT = "online-reencrypt-v2"


class Progress(NamedTuple):
    """How much of a volume is encrypted with its final key, in bytes."""

    done: int
    total: int


class Mode(NamedTuple):
    """A kind of re-encryption, defined by the values in its keyslot."""

    name: str
    direction: str
    resilience: tuple[str, ...]
    # Segment type of the data that has not been processed yet.
    before: str


ENCRYPT = Mode("encrypt", "backward", ("datashift", "datashift-checksum", "datashift-journal"), "linear")
REENCRYPT = Mode("reencrypt", "forward", ("checksum", "journal"), "crypt")


def is_under_way(header: Header) -> bool:
    """Whether an encryption or re-encryption is in progress."""
    return any(requirement.startswith("online-reencrypt") for requirement in header.requirements)


def is_rekeyed(header: Header) -> bool:
    """Whether a re-encryption to another volume key is in progress."""
    slots = [slot for slot in header.keyslots.values() if describes_reencryption(slot)]
    return any(slot.get("mode") == REENCRYPT.name for slot in slots)


def describes_reencryption(slot: Any) -> bool:
    """Whether a keyslot holds the state of a re-encryption instead of a key."""
    return isinstance(slot, dict) and slot.get("type") == "reencrypt"


def progress_of(header: Header, device: str) -> Optional[Progress]:
    """The progress of the encryption of the volume on a device, or None if none is in progress."""
    with open(device, "rb") as file:
        return progress(header, file.seek(0, os.SEEK_END))


def progress(header: Header, device_bytes: int) -> Optional[Progress]:
    """The progress of the encryption of a volume, or None if none is in progress.

    :param device_bytes: size of the device, for the segment that reaches to its end.
    """
    if not is_under_way(header):
        return None
    done = total = 0
    for name, segment in header.segments.items():
        if not isinstance(segment, dict) or _is_backup(segment):
            continue
        size = _size(segment, device_bytes)
        total += size
        if segment.get("type") == "crypt" and not has_flag(segment, "in-reencryption") and _is_final(header, name):
            done += size
    return Progress(done, total)


def when_finished(header: Header, mode: Mode) -> tuple[Header, list[str]]:
    """The header as it will be after the re-encryption, and the rules that its temporary parts break.

    One difference: the keyslots of the outgoing volume key remain, bound to no data.
    """
    found = []
    if header.requirements != [REQUIREMENT]:
        found.append(f"requirements are {header.requirements!r}, expected [{REQUIREMENT!r}]")
    final = {name: segment for name, segment in header.segments.items() if has_flag(segment, "backup-final")}
    if len(final) != 1:
        return header, [*found, f"{len(final)} segments have the flag backup-final, expected 1"]
    ((final_id, segment),) = final.items()
    segment = {key: value for key, value in segment.items() if key != "flags"}
    found += _segments(header, segment, mode)

    passing = {name: slot for name, slot in header.keyslots.items() if describes_reencryption(slot)}
    if len(passing) != 1:
        found.append(f"{len(passing)} keyslots describe the re-encryption, expected 1")
    for name, slot in passing.items():
        found += [f"keyslot {name}: {text}" for text in _keyslot(slot, mode)]
    keyslots = {name: slot for name, slot in header.keyslots.items() if name not in passing}
    digests = {
        name: digest
        for name, digest in header.digests.items()
        if not (isinstance(digest, dict) and digest.get("keyslots") == list(passing) and not digest.get("segments"))
    }
    if sum(covers(digest, final_id) for digest in digests.values()) != 1:
        found.append(f"the final segment {final_id} is not covered by exactly one digest")
    digests = {
        name: {**digest, "segments": ["0"] if covers(digest, final_id) else []} if isinstance(digest, dict) else digest
        for name, digest in digests.items()
    }
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
    return header._replace(metadata=metadata), found


def _segments(header: Header, final: dict[str, Any], mode: Mode) -> list[str]:
    """Encrypted segments must already have the final cipher; only an encryption may have data left in clear."""
    found = []
    for name, segment in sorted(header.segments.items()):
        if not isinstance(segment, dict):
            found.append(f"segment {name} is not an object")
        elif segment.get("type") == "crypt":
            seen = (segment.get("encryption"), segment.get("sector_size"))
            if seen != (final.get("encryption"), final.get("sector_size")):
                found.append(f"segment {name} is encrypted with {seen!r}")
        elif segment.get("type") != mode.before:
            found.append(f"segment {name} has type {segment.get('type')!r}")
    return found


def _is_final(header: Header, segment: str) -> bool:
    """Whether a segment is encrypted with the final volume key."""
    return any(covers(digest, segment) and covers(digest, header.final_segment) for digest in header.digests.values())


def _keyslot(slot: dict[str, Any], mode: Mode) -> list[str]:
    area = slot.get("area")
    resilience = area.get("type") if isinstance(area, dict) else None
    wanted = (
        ("mode", slot.get("mode"), (mode.name,)),
        ("direction", slot.get("direction"), (mode.direction,)),
        ("resilience", resilience, mode.resilience),
    )
    return [f"{name} is {seen!r}" for name, seen, allowed in wanted if seen not in allowed]


def _is_backup(segment: Any) -> bool:
    flags = segment.get("flags") if isinstance(segment, dict) else None
    return isinstance(flags, list) and any(str(flag).startswith("backup-") for flag in flags)


def _size(segment: dict[str, Any], device_bytes: int) -> int:
    size, offset = segment.get("size"), segment.get("offset")
    if isinstance(size, str) and size.isdecimal():
        return int(size)
    return max(device_bytes - int(offset), 0) if isinstance(offset, str) and offset.isdecimal() else 0
