# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The allow-list that a LUKS2 header must pass before any key is tried on it.

libcryptsetup trusts the header; a header is data of whoever held the disk. cipher_null keyslots and segments
(CVE-2025-59054, CVE-2025-58356), redirected keyslot areas, forged re-encryption (CVE-2021-4122) and expensive key
derivations all live in fields that are checked here.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple, Optional

from ._luks2 import Header, fingerprint
from ._reencryption import ENCRYPT, REENCRYPT, is_under_way, settled
from ._slots import BOOT_SLOTS, RECOVERY_SLOT

KEYSLOT_CIPHERS = ("aes-xts-plain64",)
_KEY_SIZES = {
    "aes-xts-plain64": (32, 64),
    "xchacha12,aes-adiantum-plain64": (32,),
    "xchacha20,aes-adiantum-plain64": (32,),
}
_PBKDF2_ITERATIONS = (1000, 10_000_000)
_ARGON2_LIMITS = {"time": 20, "memory": 1024 * 1024, "cpus": 4}
_CONFIG_KEYS = {"json_size", "keyslots_size", "flags"}
# cryptsetup's own, and systemd-cryptenroll's.
_SPLITTERS = (("luks1", 4000, "sha256"), ("luks1", 4000, "sha512"))
_FLAGS = {"allow-discards", "same-cpu-crypt", "submit-from-crypt-cpus", "no-read-workqueue", "no-write-workqueue"}
_OUR_TOKEN_TYPES = ("edgesec-tpm2",)


class Pins(NamedTuple):
    """What was recorded of a volume when it was sealed, and must still be so."""

    uuid: str
    label: str
    cipher: str
    sector_size: int
    data_offset: int
    volume_key_fingerprint: str
    keyslots: tuple[str, ...] = (RECOVERY_SLOT, BOOT_SLOTS[0])
    token_types: tuple[str, ...] = _OUR_TOKEN_TYPES
    # Whether the data may still be on its way from clear to encrypted.
    in_place: bool = False
    # While the volume key is rotated: the one to come, empty as long as it is not made.
    next_volume_key_fingerprint: Optional[str] = None
    # SHA-256 of what the MAC in the token covers (hex); None while that may change, so that no MAC is asked for.
    header_digest: Optional[str] = None


def pins_of(header: Header) -> Pins:
    """The pins of a header as it stands, with the types of those tokens that others have put there."""
    types = {token.get("type") for token in header.tokens.values() if isinstance(token, dict)}
    return Pins(
        uuid=header.uuid,
        label=header.label,
        cipher=str(header.cipher),
        sector_size=int(header.sector_size or 0),
        data_offset=int(header.data_offset or 0),
        volume_key_fingerprint=str(header.volume_key_fingerprint),
        token_types=tuple(sorted({*_OUR_TOKEN_TYPES, *(kind for kind in types if isinstance(kind, str))})),
    )


def violations(header: Header, pins: Pins) -> list[str]:
    """Every rule that a header copy breaks, in words; an empty list is a header that may be opened."""
    if header.version != 2:
        return [f"version {header.version}, expected 2"]
    found = [
        f"{name} is {seen!r}, expected {wanted!r}"
        for name, seen, wanted in (
            ("uuid", header.uuid, pins.uuid),
            ("label", header.label, pins.label),
        )
        if seen != wanted
    ]
    found += _volume_keys(header, pins)
    if is_under_way(header) and (pins.in_place or pins.next_volume_key_fingerprint):
        header, passing = settled(header, ENCRYPT if pins.in_place else REENCRYPT)
        found += passing
    found += _config(header)
    found += _segments(header, pins)
    found += _digests(header, pins)
    found += _tokens(header, pins)
    found += _keyslots(header, pins)
    return found


def _volume_keys(header: Header, pins: Pins) -> list[str]:
    """Data may be encrypted with the volume key that is pinned, and with the next one where that is announced."""
    pinned = (pins.volume_key_fingerprint, pins.next_volume_key_fingerprint)
    found = [
        f"digest {name} is that of another volume key than {pins.volume_key_fingerprint!r}"
        for name, digest in sorted(header.digests.items())
        if isinstance(digest, dict) and digest.get("segments") and fingerprint(digest) not in pinned
    ]
    if header.volume_key_fingerprint not in pinned[: 2 if pins.next_volume_key_fingerprint else 1]:
        found.append(
            f"volume key fingerprint is {header.volume_key_fingerprint!r}, expected {pins.volume_key_fingerprint!r}"
        )
    return found


def _config(header: Header) -> list[str]:
    config = header.metadata.get("config")
    if not isinstance(config, dict):
        return ["config is not an object"]
    found = [f"config has {name!r}" for name in sorted(set(config) - _CONFIG_KEYS)]
    flags = config.get("flags", [])
    if not isinstance(flags, list) or not all(flag in _FLAGS for flag in flags):
        found.append(f"config flags are {flags!r}")
    return found


def _segments(header: Header, pins: Pins) -> list[str]:
    if set(header.segments) != {"0"}:
        return [f"segments are {sorted(header.segments)}, expected ['0']"]
    wanted = {
        "type": "crypt",
        "offset": str(pins.data_offset),
        "size": "dynamic",
        "iv_tweak": "0",
        "encryption": pins.cipher,
        "sector_size": pins.sector_size,
    }
    if header.segments["0"] != wanted:
        return [f"segment 0 is {header.segments['0']!r}, expected {wanted!r}"]
    return []


def _digests(header: Header, pins: Pins) -> list[str]:
    """One digest for the data; beside it at most that of another volume key, while the volume key is rotated."""
    most = 1 if pins.next_volume_key_fingerprint is None else 2
    if not 1 <= len(header.digests) <= most or not all(isinstance(each, dict) for each in header.digests.values()):
        return [f"digests are {sorted(header.digests)}, expected {'one' if most == 1 else 'one or two'}"]
    found = [
        f"digest {name} has type {digest.get('type')!r}"
        for name, digest in sorted(header.digests.items())
        if digest.get("type") != "pbkdf2"
    ]
    covered = sorted(repr(digest.get("segments")) for digest in header.digests.values())
    if covered not in (["['0']"], ["['0']", "[]"]):
        found.append(f"the digests cover segments {', '.join(covered)}")
    lists = [digest.get("keyslots") for digest in header.digests.values()]
    slots = sorted(str(slot) for each in lists if isinstance(each, list) for slot in each)
    if slots != sorted(header.keyslots):
        found.append(f"the digests cover keyslots {slots}")
    return found


def _tokens(header: Header, pins: Pins) -> list[str]:
    return [
        f"token {name} has an unexpected type"
        for name, token in sorted(header.tokens.items())
        if not isinstance(token, dict) or token.get("type") not in pins.token_types
    ]


def _keyslots(header: Header, pins: Pins) -> list[str]:
    found = [f"keyslot {name} is not expected" for name in sorted(set(header.keyslots) - set(pins.keyslots))]
    areas: list[tuple[int, int]] = []
    for name, slot in sorted(header.keyslots.items()):
        try:
            found += [f"keyslot {name}: {text}" for text in _keyslot(slot, pins.cipher)]
            areas.append(_area(slot["area"]))
        except (KeyError, TypeError, ValueError):
            found.append(f"keyslot {name} lacks a field or has one of a wrong type")
    end = 2 * header.size
    for begin, size in sorted(areas):
        if begin < end or size <= 0:
            found.append(f"a keyslot area begins at byte {begin}, inside the header or another area")
        end = max(end, begin + size)
    if end > pins.data_offset:
        found.append(f"a keyslot area ends at byte {end}, inside the data")
    return found


def _keyslot(slot: dict[str, Any], cipher: str) -> list[str]:
    area, splitter = slot["area"], slot["af"]
    wanted = (
        ("type", slot["type"], ("luks2",)),
        ("key size", slot["key_size"], _KEY_SIZES.get(cipher, (32, 64))),
        ("area type", area["type"], ("raw",)),
        ("area cipher", area["encryption"], KEYSLOT_CIPHERS),
        ("area key size", area["key_size"], (32, 64)),
        ("splitter", (splitter["type"], splitter["stripes"], splitter["hash"]), _SPLITTERS),
    )
    found = [f"{name} is {seen!r}" for name, seen, allowed in wanted if seen not in allowed]
    problem = _kdf(slot["kdf"])
    return [*found, problem] if problem else found


def _kdf(kdf: dict[str, Any]) -> Optional[str]:
    kind = kdf["type"]
    try:
        base64.b64decode(kdf["salt"], validate=True)
    except binascii.Error:
        return "the salt is not base64"
    if kind == "pbkdf2":
        low, high = _PBKDF2_ITERATIONS
        return None if low <= kdf["iterations"] <= high else f"pbkdf2 with {kdf['iterations']} iterations"
    if kind in ("argon2i", "argon2id"):
        beyond = [f"{name} {kdf[name]}" for name, limit in _ARGON2_LIMITS.items() if not 0 < kdf[name] <= limit]
        return f"{kind} with {', '.join(beyond)}" if beyond else None
    return f"the key derivation is {kind!r}"


def _area(area: dict[str, Any]) -> tuple[int, int]:
    return int(area["offset"]), int(area["size"])
