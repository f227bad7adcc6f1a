# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The allow-list that a LUKS2 header must pass before any key is tried on it.

libcryptsetup trusts the header, but anyone who held the disk may have written it. The attacks are in fields that this
module checks: cipher_null keyslots and segments (CVE-2025-59054, CVE-2025-58356), redirected keyslot areas, forged
re-encryption (CVE-2021-4122) and expensive key derivations.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .cipher import ADIANTUM, ADIANTUM_20, AES_XTS, KEYSLOT_CIPHER
from .copies import read_copies
from .header import Header, fingerprint
from .reencryption import ENCRYPT, REENCRYPT, is_under_way, when_finished
from .schema import shape_violations
from .slots import BOOT_SLOTS, RECOVERY_SLOT

# Sizes of the volume key, in bytes.
_KEY_SIZES = {AES_XTS: (32, 64), ADIANTUM: (32,), ADIANTUM_20: (32,)}
_PBKDF2_ITERATIONS = (1000, 10_000_000)
# Memory in KiB. On a board with little memory, cryptsetup's benchmark chooses more passes instead. So the bound is on
# the cost (passes times KiB): at most twenty passes over 1 GiB.
_ARGON2_LIMITS = {"memory": 1024 * 1024, "cpus": 4}
_ARGON2_MOST_COST = 20 * 1024 * 1024
# From cryptsetup, and from systemd-cryptenroll.
_SPLITTERS = (("luks1", 4000, "sha256"), ("luks1", 4000, "sha512"))
_FLAGS = {"allow-discards", "same-cpu-crypt", "submit-from-crypt-cpus", "no-read-workqueue", "no-write-workqueue"}
_OUR_TOKEN_TYPES = ("edgesec-tpm2",)


class Pins(NamedTuple):
    """The properties of a volume that were recorded when it was sealed and must not have changed."""

    uuid: str
    label: str
    cipher: str
    sector_size: int
    data_offset: int
    volume_key_fingerprint: str
    keyslots: tuple[str, ...] = (RECOVERY_SLOT, BOOT_SLOTS[0])
    token_types: tuple[str, ...] = _OUR_TOKEN_TYPES
    # Whether an in-place encryption may still be running.
    in_place: bool = False
    # Only while the volume key is rotated: the next key's fingerprint; empty until that key is generated.
    next_volume_key_fingerprint: Optional[str] = None
    # SHA-256 of what the MAC in the token covers (hex); None while that may change, and then no MAC is required.
    header_digest: Optional[str] = None


def pins_of(header: Header) -> Pins:
    """The pins of a header in its present state, including the types of tokens from other software."""
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


class Checked(NamedTuple):
    """A header that was read with every byte accounted for.

    :ivar copies: its intact copies, newest first; empty if another reader could read one of them differently.
    :ivar refusals: why it may not be used, in words; empty if it may.
    """

    copies: list[Header]
    refusals: list[str]


def check(path: str, pins: Optional[Pins] = None) -> Checked:
    """Read the header of a device or file as the boot does, and check each copy against the rules.

    :param pins: what was recorded of the volume; None checks only the rules for every volume.
    :raises OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        copies = read_copies(descriptor)
    except Malformed as error:
        return Checked([], [str(error)])
    finally:
        os.close(descriptor)
    return Checked(
        copies,
        [rule for copy in copies for rule in (violations(copy, pins) if pins else _common_violations(copy))],
    )


def _common_violations(header: Header) -> list[str]:
    # Only a header of the right shape has pins.
    return shape_violations(header) or violations(header, pins_of(header)._replace(keyslots=tuple(header.keyslots)))


def violations(header: Header, pins: Pins) -> list[str]:
    """List the rules that a header copy breaks, in words; a header with an empty list may be opened."""
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
    misshapen = shape_violations(header)
    if misshapen:
        # The other rules rely on the shape.
        return [*found, *misshapen]
    keyslots_end = 2 * header.size + int(header.metadata["config"]["keyslots_size"])
    if keyslots_end > pins.data_offset:
        found.append(f"the keyslots area ends at byte {keyslots_end}, inside the data")
    if is_under_way(header) and (pins.in_place or pins.next_volume_key_fingerprint):
        header, broken = when_finished(header, ENCRYPT if pins.in_place else REENCRYPT)
        found += broken
    found += _config(header)
    found += _segments(header, pins)
    found += _digests(header, pins)
    found += _tokens(header, pins)
    found += _keyslots(header, pins)
    return found


def _volume_keys(header: Header, pins: Pins) -> list[str]:
    """Data may be encrypted only with the pinned volume key, or with the next one if a rotation announced it."""
    pinned = (pins.volume_key_fingerprint, pins.next_volume_key_fingerprint)
    found = [
        f"digest {name} belongs to another volume key, expected fingerprint {pins.volume_key_fingerprint!r}"
        for name, digest in sorted(header.digests.items())
        if isinstance(digest, dict) and digest.get("segments") and fingerprint(digest) not in pinned
    ]
    if header.volume_key_fingerprint not in pinned[: 2 if pins.next_volume_key_fingerprint else 1]:
        found.append(
            f"volume key fingerprint is {header.volume_key_fingerprint!r}, expected {pins.volume_key_fingerprint!r}"
        )
    return found


def _config(header: Header) -> list[str]:
    config = header.metadata["config"]
    found = ["config has 'requirements'"] if "requirements" in config else []
    flags = config.get("flags", [])
    if not _FLAGS.issuperset(flags):
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
    """One digest for the data; during a rotation of the volume key, at most one more for the other key."""
    most = 1 if pins.next_volume_key_fingerprint is None else 2
    if not 1 <= len(header.digests) <= most:
        return [f"digests are {sorted(header.digests)}, expected {'one' if most == 1 else 'one or two'}"]
    found = []
    covered = sorted(digest["segments"] for digest in header.digests.values())
    if covered not in ([["0"]], [[], ["0"]]):
        found.append(f"the digests cover segments {covered}")
    slots = sorted(slot for digest in header.digests.values() for slot in digest["keyslots"])
    if slots != sorted(header.keyslots):
        found.append(f"the digests cover keyslots {slots}")
    return found


def _tokens(header: Header, pins: Pins) -> list[str]:
    return [
        f"token {name} has an unexpected type"
        for name, token in sorted(header.tokens.items())
        if token["type"] not in pins.token_types
    ]


def _keyslots(header: Header, pins: Pins) -> list[str]:
    return [
        *(f"keyslot {name} is not expected" for name in sorted(set(header.keyslots) - set(pins.keyslots))),
        *(
            f"keyslot {name}: {text}"
            for name, slot in sorted(header.keyslots.items())
            for text in _keyslot(slot, pins.cipher)
        ),
    ]


def _keyslot(slot: dict[str, Any], cipher: str) -> list[str]:
    if slot["type"] != "luks2":
        return [f"type is {slot['type']!r}"]
    area, splitter = slot["area"], slot["af"]
    wanted = (
        ("key size", slot["key_size"], _KEY_SIZES.get(cipher, (32, 64))),
        ("area type", area["type"], ("raw",)),
        ("area cipher", area["encryption"], (KEYSLOT_CIPHER,)),
        ("area key size", area["key_size"], (32, 64)),
        ("splitter", (splitter["type"], splitter["stripes"], splitter["hash"]), _SPLITTERS),
    )
    found = [f"{name} is {seen!r}" for name, seen, allowed in wanted if seen not in allowed]
    return [*found, *_kdf(slot["kdf"])]


def _kdf(kdf: dict[str, Any]) -> list[str]:
    if kdf["type"] == "pbkdf2":
        low, high = _PBKDF2_ITERATIONS
        return [] if low <= kdf["iterations"] <= high else [f"pbkdf2 with {kdf['iterations']} iterations"]
    beyond = [f"{name} {kdf[name]}" for name, limit in _ARGON2_LIMITS.items() if not 0 < kdf[name] <= limit]
    if not 0 < kdf["time"] * kdf["memory"] <= _ARGON2_MOST_COST:
        beyond.append(f"time {kdf['time']} and memory {kdf['memory']}")
    return [f"{kdf['type']} with {', '.join(beyond)}"] if beyond else []
