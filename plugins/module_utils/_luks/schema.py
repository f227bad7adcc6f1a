# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The shape of LUKS2 metadata: the members of each object, with their types and ranges.

Source: LUKS2 On-Disk Format Specification 1.1.1, sections 3 to 5, and what cryptsetup 2.1 to 2.8 write. Unlisted
members are refused: some release of libcryptsetup may obey one that :mod:`_luks.allow_list` does not check. Tokens are
the exception: besides their type and keyslots, they hold data of their makers, which libcryptsetup ignores.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Optional

from .header import Header

_Rule = Callable[[Any], bool]
_Members = Mapping[str, _Rule]

_BINARY_BYTES = 4096
_IDS = frozenset(map(str, range(32)))
_MOST_KEYSLOT_BYTES = 128 * 1024 * 1024
_HASH_BYTES = {
    "sha1": 20,
    "ripemd160": 20,
    "sha224": 28,
    "sha256": 32,
    "sha384": 48,
    "sha512": 64,
    "sha3-224": 28,
    "sha3-256": 32,
    "sha3-384": 48,
    "sha3-512": 64,
    "whirlpool": 64,
    "blake2b-512": 64,
    "blake2s-256": 32,
}
# A volume converted from LUKS1 has a digest of this length with every hash.
_LUKS1_DIGEST_BYTES = 20
_SALT_BYTES = 32
_SEGMENT_FLAGS = frozenset({"backup-previous", "backup-final", "backup-moved-segment", "in-reencryption"})
_SECTOR = 512


def shape_violations(header: Header) -> list[str]:
    """List everything in the metadata that breaks its shape, in words. Never raises, whatever the header holds."""
    found = _object("the metadata", header.metadata, _TOP)
    if found:
        return found
    for section, kinds in _SECTIONS.items():
        for name, member in header.metadata[section].items():
            where = f"{section} {name}"
            if not _is_id(name):
                found.append(f"{where} is not one of 0 to 31")
            elif not isinstance(member, dict):
                found.append(f"{where} is not an object")
            else:
                found += kinds(where, member)
    found += _object("config", header.metadata["config"], _CONFIG, _CONFIG_OPTIONAL)
    return found or [*_sizes(header), *_layout(header), *_references(header)]


def _object(where: str, value: Any, required: _Members, optional: Optional[_Members] = None) -> list[str]:
    """List the unknown members of an object, its missing members, and the members that break their rules."""
    if not isinstance(value, dict):
        return [f"{where} is not an object"]
    rules = {**required, **(optional or {})}
    return [
        *(f"{where} has the unknown member {name!r}" for name in value if name not in rules),
        *(f"{where} lacks {name!r}" for name in required if name not in value),
        *(
            f"{where}: {name} is {value[name]!r}"
            for name, rule in rules.items()
            if name in value and not rule(value[name])
        ),
    ]


def _keyslot(where: str, slot: dict[str, Any]) -> list[str]:
    if slot.get("type") == "reencrypt":
        found = _object(where, slot, _PROGRESS, _PRIORITY)
        resilience = slot.get("area", {}).get("type") if isinstance(slot.get("area"), dict) else None
        extra = _RESILIENCE.get(resilience) if isinstance(resilience, str) else None
        if extra is None:
            return [*found, f"{where}: area type is {resilience!r}"]
        return found or _object(f"{where}: area", slot["area"], {**_AREA, **extra})
    found = _object(where, slot, _KEYSLOT, _PRIORITY)
    if found:
        return found
    kind = slot["kdf"].get("type")
    members = _KDF.get(kind) if isinstance(kind, str) else None
    if members is None:
        return [f"{where}: the key derivation is {kind!r}"]
    found = [
        *_object(f"{where}: area", slot["area"], {**_AREA, "encryption": _is_text, "key_size": _is_key_size}),
        *_object(f"{where}: af", slot["af"], _SPLITTER),
        *_object(f"{where}: kdf", slot["kdf"], members),
    ]
    if not found and int(slot["area"]["size"]) < slot["key_size"] * slot["af"]["stripes"]:
        found.append(f"{where}: its area of {slot['area']['size']} bytes is too small for its key")
    return found


def _segment(where: str, segment: dict[str, Any]) -> list[str]:
    members = _SEGMENTS.get(segment["type"]) if isinstance(segment.get("type"), str) else None
    if members is None:
        return [f"{where} has type {segment.get('type')!r}"]
    found = _object(where, segment, {**_EXTENT, **members}, {"flags": _are_segment_flags})
    if not found and segment["size"] != "dynamic" and int(segment["size"]) % segment.get("sector_size", _SECTOR):
        found.append(f"{where}: its size is not a multiple of its sector size")
    return found


def _digest(where: str, digest: dict[str, Any]) -> list[str]:
    found = _object(where, digest, _DIGEST)
    if not found and _decoded(digest["digest"]) not in (_LUKS1_DIGEST_BYTES, _HASH_BYTES[digest["hash"]]):
        found.append(f"{where}: the digest has the wrong length for {digest['hash']}")
    return found


def _token(where: str, token: dict[str, Any]) -> list[str]:
    return _object(where, {name: token[name] for name in token if name in _TOKEN}, _TOKEN)


def _sizes(header: Header) -> list[str]:
    """Check that the header copies and keyslot areas do not overlap and lie within their bounds."""
    config = header.metadata["config"]
    begin, keyslot_bytes = 2 * header.size, int(config["keyslots_size"])
    found = []
    if int(config["json_size"]) != header.size - _BINARY_BYTES:
        found.append(f"config: json_size is {config['json_size']} in a header of {header.size} bytes")
    if keyslot_bytes % _BINARY_BYTES or keyslot_bytes > _MOST_KEYSLOT_BYTES:
        found.append(f"config: keyslots_size is {keyslot_bytes}")
    end = begin
    for offset, size in sorted(
        (int(slot["area"]["offset"]), int(slot["area"]["size"])) for slot in header.keyslots.values()
    ):
        if offset < end or size == 0:
            found.append(f"a keyslot area begins at byte {offset}, inside the header or another area")
        end = max(end, offset + size)
    if end > begin + keyslot_bytes:
        found.append(f"a keyslot area ends at byte {end}, beyond the {keyslot_bytes} bytes for keyslots")
    return found


def _layout(header: Header) -> list[str]:
    """Check that segments are numbered without a gap, data first and then backups, and that data does not overlap."""
    names = [str(number) for number in range(len(header.segments))]
    if not names or set(header.segments) != set(names):
        return [f"segments are {sorted(header.segments)}"]
    segments = [header.segments[name] for name in names]
    is_backup = [any(flag.startswith("backup-") for flag in segment.get("flags", [])) for segment in segments]
    if is_backup[0] or is_backup != sorted(is_backup):
        return ["a data segment follows a backup segment"]
    flags = [flag for segment in segments for flag in segment.get("flags", [])]
    if any(is_backup) and (flags.count("backup-previous"), flags.count("backup-final")) != (1, 1):
        return ["there is not exactly one backup-previous segment and one backup-final segment"]
    data = segments[: is_backup.count(False)]
    found = [
        f"segment {name} is encrypted, but no digest covers it"
        for name, segment in zip(names, segments)
        if segment["type"] == "crypt" and not any(name in digest["segments"] for digest in header.digests.values())
    ]
    if any(segment["size"] == "dynamic" for segment in data[:-1]):
        found.append("a segment before the last one reaches to the end of the device")
    end = 2 * header.size + int(header.metadata["config"]["keyslots_size"])
    for offset, segment in sorted((int(segment["offset"]), number) for number, segment in enumerate(data)):
        if offset < end:
            found.append(f"segment {segment} begins at byte {offset}, inside the header or another segment")
        size = data[segment]["size"]
        end = 2**63 if size == "dynamic" else offset + int(size)
    return found


def _references(header: Header) -> list[str]:
    """Check that digests and tokens refer to existing keyslots and segments, each only once."""
    found = []
    for section in ("digests", "tokens"):
        for name, member in header.metadata[section].items():
            for part, there in (("keyslots", header.keyslots), ("segments", header.segments)):
                named = member.get(part, []) if section == "digests" or part == "keyslots" else []
                if len(set(named)) != len(named) or not set(named) <= set(there):
                    found.append(f"{section} {name} refers to the {part} {named!r}")
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and value in _IDS


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and all(" " <= character <= "~" for character in value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_segment_flags(value: Any) -> bool:
    return _are_texts(value) and _SEGMENT_FLAGS.issuperset(value)


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_id, value))


def _is_number(value: Any) -> bool:
    """A 32-bit number. Booleans are a separate type in JSON, but not in Python."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**32


def _is_long(value: Any) -> bool:
    """A 63-bit number, which LUKS2 stores as a string."""
    return (
        isinstance(value, str)
        and re.fullmatch(r"0|[1-9][0-9]{0,18}", value, re.ASCII) is not None
        and int(value) < 2**63
    )


def _is_key_size(value: Any) -> bool:
    return _is_number(value) and 0 < value <= 512


def _is_sector_size(value: Any) -> bool:
    return _is_number(value) and value in (512, 1024, 2048, 4096)


def _decoded(value: Any) -> Optional[int]:
    """The decoded length of canonical base64, in bytes; None for anything else."""
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None
    return len(data) if base64.b64encode(data).decode() == value else None


def _one_of(*values: Any) -> _Rule:
    return lambda value: type(value) is type(values[0]) and value in values


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_offset(value: Any) -> bool:
    return _is_long(value) and int(value) % _SECTOR == 0


def _is_size(value: Any) -> bool:
    return _is_offset(value) and value != "0"


def _is_extent(value: Any) -> bool:
    return value == "dynamic" or _is_size(value)


def _is_requirement(value: Any) -> bool:
    return _object("", value, {"mandatory": _are_texts}) == []


_TOP: _Members = dict.fromkeys(("keyslots", "tokens", "segments", "digests", "config"), _is_object)
_SECTIONS: Mapping[str, Callable[[str, dict[str, Any]], list[str]]] = {
    "keyslots": _keyslot,
    "tokens": _token,
    "segments": _segment,
    "digests": _digest,
}
_CONFIG: _Members = {"json_size": _is_long, "keyslots_size": _is_long}
_CONFIG_OPTIONAL: _Members = {"flags": _are_texts, "requirements": _is_requirement}
_PRIORITY: _Members = {"priority": lambda value: _is_number(value) and value <= 2}
_AREA: _Members = {"type": _is_text, "offset": _is_long, "size": _is_long}
_SPLITTER: _Members = {"type": _is_text, "stripes": _is_number, "hash": _one_of(*_HASH_BYTES)}
_KEYSLOT: _Members = {
    "type": _one_of("luks2"),
    "key_size": _is_key_size,
    "area": _is_object,
    "af": _is_object,
    "kdf": _is_object,
}
_SALTED: _Members = {"type": _is_text, "salt": lambda value: 0 < (_decoded(value) or 0) <= 2 * _SALT_BYTES}
_ARGON2: _Members = {**_SALTED, "time": _is_number, "memory": _is_number, "cpus": _is_number}
_KDF: Mapping[str, _Members] = {
    "pbkdf2": {**_SALTED, "hash": _one_of(*_HASH_BYTES), "iterations": _is_number},
    "argon2i": _ARGON2,
    "argon2id": _ARGON2,
}
_PROGRESS: _Members = {
    "type": _one_of("reencrypt"),
    "key_size": _one_of(1),
    "area": _is_object,
    "mode": _one_of("encrypt", "reencrypt", "decrypt"),
    "direction": _one_of("forward", "backward"),
}
_SHIFT: _Members = {"shift_size": _is_size}
_CHECKSUMS: _Members = {"hash": _one_of(*_HASH_BYTES), "sector_size": _is_sector_size}
_RESILIENCE: Mapping[str, _Members] = {
    "none": {},
    "journal": {},
    "checksum": _CHECKSUMS,
    "datashift": _SHIFT,
    "datashift-journal": _SHIFT,
    "datashift-checksum": {**_SHIFT, **_CHECKSUMS},
}
_EXTENT: _Members = {"type": _is_text, "offset": _is_offset, "size": _is_extent}
_SEGMENTS: Mapping[str, _Members] = {
    "linear": {},
    "crypt": {"iv_tweak": _is_long, "encryption": _is_text, "sector_size": _is_sector_size},
}
_DIGEST: _Members = {
    "type": _one_of("pbkdf2"),
    "keyslots": _are_ids,
    "segments": _are_ids,
    "hash": _one_of(*_HASH_BYTES),
    "iterations": _is_number,
    "salt": lambda value: _decoded(value) == _SALT_BYTES,
    "digest": lambda value: _decoded(value) is not None,
}
_TOKEN: _Members = {"type": _is_text, "keyslots": _are_ids}
