# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read LUKS headers from bytes (LUKS2 On-Disk Format Specification 1.1.1, sections 2 and 3)."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed

# How many bytes to read from the start of a device: both copies of the largest legal header.
HEADER_BYTES = 8 * 1024 * 1024

# The most that may precede the data: both header copies and the keyslots (specification, sections 2.1 and 2.2).
MOST_HEADER_BYTES = HEADER_BYTES + 128 * 1024 * 1024

LEGAL_HEADER_SIZES = tuple(0x4000 << shift for shift in range(9))

_PRIMARY_MAGIC = b"LUKS\xba\xbe"
_SECONDARY_MAGIC = b"SKUL\xba\xbe"
_BINARY_BYTES = 4096
_CHECKSUM_AT = 448
# magic, version, hdr_size, seqid, label, checksum_alg, salt, uuid, subsystem, hdr_offset
_BINARY = struct.Struct(">6sHQQ48s32s64s40s48sQ")
# LUKS1: magic, version, cipher name, cipher mode, hash; the UUID stands further down.
_LUKS1 = struct.Struct(">6sH32s32s32s")
_LUKS1_UUID_AT = 168


class NotLuks(Malformed):
    """There is no LUKS header at this place."""


class Header(NamedTuple):
    """One copy of a LUKS header; for LUKS1, only the fields that both versions have."""

    version: int
    uuid: str
    label: str
    subsystem: str
    seqid: int
    size: int
    metadata: dict[str, Any]

    def _part(self, name: str) -> dict[str, Any]:
        part = self.metadata.get(name)
        return part if isinstance(part, dict) else {}

    @property
    def keyslots(self) -> dict[str, Any]:
        """Keyslot objects by id."""
        return self._part("keyslots")

    @property
    def tokens(self) -> dict[str, Any]:
        """Token objects by id, of known and unknown types."""
        return self._part("tokens")

    @property
    def segments(self) -> dict[str, Any]:
        """Data segments by id."""
        return self._part("segments")

    @property
    def digests(self) -> dict[str, Any]:
        """Volume-key digests by id."""
        return self._part("digests")

    @property
    def requirements(self) -> list[str]:
        """Features that a reader must support, such as a re-encryption in progress."""
        requirements = self._part("config").get("requirements")
        mandatory = requirements.get("mandatory") if isinstance(requirements, dict) else None
        return [str(name) for name in mandatory] if isinstance(mandatory, list) else []

    @property
    def cipher(self) -> Optional[str]:
        """Cipher of the first data segment, such as C(aes-xts-plain64)."""
        value = self._first_segment("encryption")
        return value if isinstance(value, str) else None

    @property
    def sector_size(self) -> Optional[int]:
        """Encryption sector of the first data segment, in bytes."""
        value = self._first_segment("sector_size")
        return value if isinstance(value, int) else None

    @property
    def data_offset(self) -> Optional[int]:
        """The offset of the first data segment, in bytes."""
        offset = self._first_segment("offset")
        return int(offset) if isinstance(offset, str) and offset.isdigit() else None

    @property
    def final_segment(self) -> str:
        """Id of the segment that describes all the data once any re-encryption is done."""
        return next((name for name, segment in self.segments.items() if has_flag(segment, "backup-final")), "0")

    @property
    def volume_key_fingerprint(self) -> Optional[str]:
        """Fingerprint of the final segment's volume key; it does not depend on the keyslots."""
        return next(
            (fingerprint(digest) for digest in self.digests.values() if covers(digest, self.final_segment)), None
        )

    @property
    def unbound_keyslots(self) -> list[str]:
        """Keyslots whose volume key encrypts no data."""
        return sorted(
            str(slot)
            for digest in self.digests.values()
            if isinstance(digest, dict) and not digest.get("segments") and isinstance(digest.get("keyslots"), list)
            for slot in digest["keyslots"]
            if isinstance(self.keyslots.get(str(slot)), dict) and self.keyslots[str(slot)].get("type") == "luks2"
        )

    def _first_segment(self, field: str) -> Any:
        segment = self.segments.get("0")
        return segment.get(field) if isinstance(segment, dict) else None


def fingerprint(digest: Any) -> Optional[str]:
    """SHA-256 over salt and digest of a volume-key digest."""
    if not isinstance(digest, dict):
        return None
    return hashlib.sha256(f"{digest.get('salt')}|{digest.get('digest')}".encode()).hexdigest()


def covers(digest: Any, segment: str) -> bool:
    """Whether a segment is encrypted with the key of a digest."""
    segments = digest.get("segments") if isinstance(digest, dict) else None
    return isinstance(segments, list) and segment in segments


def has_flag(segment: Any, flag: str) -> bool:
    """Whether a segment has a flag."""
    flags = segment.get("flags") if isinstance(segment, dict) else None
    return isinstance(flags, list) and flag in flags


def read_header(data: bytes) -> Header:
    """The header that libcryptsetup would use: the most recently written of the valid copies.

    :param data: the device from its first byte, preferably :data:`HEADER_BYTES`.
    :raises NotLuks: there is no LUKS magic at the start.
    :raises Malformed: there is a LUKS magic, but no valid copy.
    """
    if data[:6] == _PRIMARY_MAGIC and data[6:8] == b"\x00\x01":
        return _read_luks1(data)
    valid = []
    problems = []
    for reader in (read_primary, read_secondary):
        try:
            valid.append(reader(data))
        except NotLuks:
            continue
        except Malformed as error:
            problems.append(error)
    if valid:
        return max(valid, key=lambda header: header.seqid)
    if problems:
        raise problems[0]
    raise NotLuks("the device", "has no LUKS header")


def read_primary(data: bytes) -> Header:
    """Read the copy at the start of the device.

    :raises NotLuks: there is none.
    :raises Malformed: it is damaged.
    """
    return _read_copy(data, 0, _PRIMARY_MAGIC)


def read_secondary(data: bytes) -> Header:
    """Read the second copy, whose offset is one of the legal header sizes.

    :raises NotLuks: there is none.
    :raises Malformed: it is damaged.
    """
    for offset in LEGAL_HEADER_SIZES:
        if data[offset : offset + 6] == _SECONDARY_MAGIC:
            return _read_copy(data, offset, _SECONDARY_MAGIC)
    raise NotLuks("the second LUKS2 header", "is not at any legal offset")


def _read_copy(data: bytes, offset: int, magic: bytes) -> Header:
    subject = f"the LUKS2 header at byte {offset}"
    binary = data[offset : offset + _BINARY_BYTES]
    if binary[:6] != magic:
        raise NotLuks(subject, "does not begin with the LUKS magic")
    if len(binary) < _BINARY_BYTES:
        raise Malformed(subject, "is cut short")
    _magic, version, size, seqid, label, algorithm, _salt, uuid, subsystem, recorded = _BINARY.unpack_from(binary)
    if version != 2:
        raise Malformed(subject, f"has version {version}, not 2")
    if size not in LEGAL_HEADER_SIZES or (offset and offset != size):
        raise Malformed(subject, f"claims an illegal size of {size} bytes")
    if recorded != offset:
        raise Malformed(subject, f"claims to be at byte {recorded}")
    whole = data[offset : offset + size]
    if len(whole) < size:
        raise Malformed(subject, f"is cut short: {len(whole)} of {size} bytes")
    _verify_checksum(subject, whole, _text(algorithm))
    return Header(
        version=2,
        uuid=_text(uuid),
        label=_text(label),
        subsystem=_text(subsystem),
        seqid=seqid,
        size=size,
        metadata=_parse_json(subject, whole[_BINARY_BYTES:]),
    )


def _verify_checksum(subject: str, whole: bytes, algorithm: str) -> None:
    if algorithm not in ("sha256", "sha512"):
        raise Malformed(subject, f"uses the checksum algorithm {algorithm!r}")
    digest = hashlib.new(algorithm)
    digest.update(whole[:_CHECKSUM_AT] + bytes(64) + whole[_CHECKSUM_AT + 64 :])
    if whole[_CHECKSUM_AT : _CHECKSUM_AT + digest.digest_size] != digest.digest():
        raise Malformed(subject, "does not match its checksum")


def _parse_json(subject: str, area: bytes) -> dict[str, Any]:
    text, _nul, rest = area.partition(b"\0")
    if rest.strip(b"\0"):
        raise Malformed(subject, "has bytes after the end of its JSON")
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(subject, "has JSON that cannot be parsed") from None
    if not isinstance(metadata, dict):
        raise Malformed(subject, "has JSON that is not an object")
    return metadata


def _read_luks1(data: bytes) -> Header:
    if len(data) < _LUKS1_UUID_AT + 40:
        raise Malformed("the LUKS1 header", "is cut short")
    _magic, version, cipher, mode, _hash = _LUKS1.unpack_from(data)
    segment = {"type": "crypt", "encryption": f"{_text(cipher)}-{_text(mode)}", "sector_size": 512}
    return Header(
        version=version,
        uuid=_text(data[_LUKS1_UUID_AT : _LUKS1_UUID_AT + 40]),
        label="",
        subsystem="",
        seqid=0,
        size=592,
        metadata={"segments": {"0": segment}},
    )


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
