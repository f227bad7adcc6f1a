# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the LUKS2 headers of declared volumes: drift from the policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._storage.volume import label_of
from ansible_collections.edgesec.hardening.plugins.module_utils._volume.measure_flags import MEASURED, TUNING
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Check,
    Control,
    Finding,
    declared_volumes,
    failed,
    not_applicable,
    opens_at_boot,
    passed,
    threshold,
    unknown,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.storage import AREA, ROLE
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

_DISCARD = "allow-discards"
_SECTOR = 4096
_KDF = "storage.volume.kdf"
# A key derivation that needs more than memory / memory_divisor may fail at boot.
_KDF_BOUNDS = {"pbkdf2_iterations": 1000, "memory_divisor": 4}


def _of_luks2(check: Callable[[View, View, View], Finding]) -> Check:
    """Check every declared volume with a LUKS2 header; the check gets volume, header and declaration."""

    def one(volume: View, declared: View) -> Finding:
        luks = volume.maybe_child("luks")
        if luks is None or luks.number("version") != 2:
            return not_applicable("it has no LUKS2 header")
        if luks.texts("requirements"):
            return not_applicable("its header is being changed")
        return check(volume, luks, declared)

    return lambda facts, policy: declared_volumes(facts, policy, AREA, one)


def _label(volume: View, luks: View, declared: View) -> Finding:
    wanted, seen = label_of(volume.text("name")), luks.text("label")
    if seen == wanted:
        return passed(seen)
    adopted = declared.has("on_existing_data") and declared.text("on_existing_data") == "adopt"
    return failed(
        f"label {seen!r} is not ours; the volume was made by something else",
        None if adopted else f"Set on_existing_data: adopt and consent: {luks.text('uuid')}, and run harden",
    )


def _flags(facts: View, policy: View) -> Finding:
    wanted = set(policy.texts("encrypted_storage_flags"))
    if policy.flag("encrypted_storage_discard"):
        wanted.add(_DISCARD)
    # Only the header records measured flags.
    ignored = {MEASURED, *TUNING} if MEASURED in wanted else set()

    def check(_volume: View, luks: View, _declared: View) -> Finding:
        seen = luks.texts("flags")
        if set(seen) - ignored == wanted - ignored:
            return passed(_listed(seen))
        return failed(f"{_listed(seen)} instead of {_listed(sorted(wanted))}")

    return _of_luks2(check)(facts, policy)


def _sector_size(volume: View, luks: View, _declared: View) -> Finding:
    wanted = _SECTOR if volume.number("size_bytes") % _SECTOR == 0 else 512
    seen = luks.number("sector_size")
    if seen == wanted:
        return passed(f"{seen} bytes")
    return failed(
        f"{seen} bytes instead of {wanted}",
        "It works, but slower. If the file system supports such sectors, back up the data, unmount it, and run "
        f"cryptsetup reencrypt --sector-size {wanted}, which encrypts all data again",
    )


def _key_size(_volume: View, luks: View, _declared: View) -> Finding:
    # XTS splits its key into two of equal size.
    wanted = 512 if "xts" in luks.text("cipher") else 256
    sizes = {slot.text("id"): 8 * slot.number("key_size") for slot in luks.children("keyslots")}
    if not sizes:
        return unknown("it has no keyslot to tell the size of its key")
    short = [f"keyslot {number} with {bits} bits" for number, bits in sizes.items() if bits < wanted]
    if short:
        return failed(
            f"{', '.join(short)} instead of {wanted}",
            "Changing it encrypts all data anew: back it up, unmount it, and run "
            f"cryptsetup reencrypt --key-size {wanted}",
        )
    return passed(f"{min(sizes.values())} bits")


def _kdf(facts: View, policy: View) -> Finding:
    bounds = {name: threshold(policy, _KDF, name, default) for name, default in _KDF_BOUNDS.items()}

    def check(_volume: View, luks: View, _declared: View) -> Finding:
        wrong = [
            f"keyslot {slot.text('id')} with {problem}"
            for slot in luks.children("keyslots")
            if (problem := _kdf_problem(facts, slot, bounds))
        ]
        if wrong:
            return failed("; ".join(wrong))
        return passed("within bounds")

    return _of_luks2(check)(facts, policy)


def _kdf_problem(facts: View, slot: View, bounds: Mapping[str, int]) -> Optional[str]:
    kdf = slot.text("kdf")
    if kdf == "pbkdf2":
        iterations = slot.number("iterations")
        return f"{iterations} iterations of pbkdf2" if iterations < bounds["pbkdf2_iterations"] else None
    if kdf not in ("argon2i", "argon2id"):
        return f"the key derivation {kdf}"
    memory = slot.number("memory_kib") * 1024
    if memory * bounds["memory_divisor"] > facts.child("edgesec_platform").number("memory_bytes"):
        return f"{kdf} in {memory >> 20} MiB of memory"
    return None


def _foreign_tokens(facts: View, policy: View) -> Finding:
    def check(_volume: View, luks: View, declared: View) -> Finding:
        return _foreign(
            [token for token in luks.children("tokens") if not opens_at_boot(token, policy)],
            declared.texts("retire_keyslots") if declared.has("retire_keyslots") else [],
        )

    return _of_luks2(check)(facts, policy)


def _foreign(foreign: list[View], retired: list[str]) -> Finding:
    if not foreign:
        return passed("none")
    slots = {slot for token in foreign for slot in token.texts("keyslots")}
    seen = [f"{token.maybe_text('type')} (keyslots {_listed(token.texts('keyslots'))})" for token in foreign]
    return failed(
        ", ".join(seen),
        None
        if slots & set(retired)
        else "If nobody needs them, list their keyslots in retire_keyslots of the volume, and run harden"
        if slots
        else "They have no keyslot: remove them with cryptsetup token remove",
    )


def _listed(words: list[str]) -> str:
    return ", ".join(words) or "none"


CONTROLS = (
    Control(
        id="storage.volume.label",
        title="Every declared volume was made or adopted by this collection",
        recommendation="3.1.2.3.3",
        expected="the label edgesec-NAME",
        remedy="Run harden",
        role=ROLE,
        topic="configuration",
        source=AREA,
        check=_of_luks2(_label),
    ),
    Control(
        id="storage.volume.flags",
        title="Every declared volume is opened with the dm-crypt flags of the policy",
        recommendation="3.1.2.3.3",
        expected="encrypted_storage_flags, and allow-discards only with encrypted_storage_discard",
        remedy="Run harden, or change encrypted_storage_flags and encrypted_storage_discard",
        role=ROLE,
        topic="configuration",
        source=AREA,
        check=_flags,
    ),
    Control(
        id="storage.volume.sector_size",
        title="Every declared volume is encrypted in 4096-byte sectors if its size allows",
        recommendation="3.1.2.3.3",
        expected="4096 bytes, or 512 if the device size is not a multiple of 4096",
        remedy="Re-encrypt an existing volume by hand",
        role=None,
        topic="configuration",
        source=AREA,
        check=_of_luks2(_sector_size),
    ),
    Control(
        id="storage.volume.key_size",
        title="Every declared volume has a key of 256 bits for its cipher",
        recommendation="3.1.2.3.3",
        expected="512 bits with XTS, which splits its key into two, and 256 bits otherwise",
        remedy="A volume that exists must be re-encrypted by hand",
        role=None,
        topic="encrypted_storage",
        source=AREA,
        check=_of_luks2(_key_size),
    ),
    Control(
        id=_KDF,
        title="Every keyslot's key derivation fits this board's memory, and is not cheap to guess",
        recommendation="3.1.2.3.3",
        expected="argon2 in at most a quarter of the memory, or pbkdf2 with at least 1000 iterations",
        remedy="Change the cost: cryptsetup luksConvertKey --key-slot NUMBER --pbkdf-memory KIB DEVICE",
        role=None,
        topic="key_management",
        source=AREA,
        check=_kdf,
        thresholds=_KDF_BOUNDS,
    ),
    Control(
        id="storage.volume.foreign_tokens",
        title="No declared volume has tokens of other programs",
        recommendation="3.1.2.3.3",
        expected="only tokens that open the volume at boot",
        remedy="Run harden",
        role=ROLE,
        topic="key_management",
        source=AREA,
        check=_foreign_tokens,
    ),
)
