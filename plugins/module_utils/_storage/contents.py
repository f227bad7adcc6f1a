# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe the contents of a volume's device: its LUKS header, every signature, and whether it is blank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

from .._base.errors import EdgesecError
from .._disk.blank import sample
from .._disk.block_devices import Block
from .._disk.relocation_note import is_interrupted
from .._disk.shrink import file_system_of
from .._disk.signatures import Contents, Signature, probe
from .._luks.header import Header
from .._luks.on_device import Found, describe, is_unfinished, look_for_header
from .._mount_tables.named import named_by
from .unlocking import key_file_facts

LUKS = "crypto_LUKS"


def look_inside(root: str, path: str, block: Optional[Block], facts: dict[str, Any]) -> None:
    """Add the contents of its device to the facts of a volume.

    :param path: the path of the device below the root.
    :param facts: the facts of the volume that are known without reading the device.
    """
    try:
        found = look_for_header(path)
        if found is not None and found.header is not None and _is_mapped(facts, found):
            # The kernel has this volume open, so no tool needs to identify it.
            facts["signatures"] = _as_facts([_luks_signature(found, live=True)])
            _describe(root, found.header, facts)
        elif (found is None or found.header is None) and is_interrupted(path):
            facts.update(
                blank=False, interrupted=True, reason="its in-place encryption was interrupted before it began"
            )
        else:
            _look_at_all(root, path, block, found, facts)
    except OSError as error:
        facts["reason"] = f"it cannot be read: {error.strerror}"


def judged(found: Optional[Found], contents: Contents) -> tuple[Signature, ...]:
    """All signatures on a device, each judged live, a leftover (false) or partly overwritten (None).

    libcryptsetup accepts a second header copy without a first one only if blkid sees nothing else
    (LUKS2_disk_hdr_read). A valid second copy below something else, or a damaged first one, means that a volume was
    partly overwritten, and nothing here tells which of the two contents the operator needs. If no copy is valid and
    none begins at the start, the magic is just data, for example an image stored in a file system.
    """
    if found is None:
        return contents.signatures
    others = tuple(each for each in contents.signatures if each.type != LUKS)
    alone = not any(each.live for each in others)
    partly: Optional[bool] = None if found.at == 0 or found.header is not None else False
    live = True if found.whole or (alone and found.header is not None) else partly
    seen = next((each for each in contents.signatures if each.type == LUKS), None)
    return (*others, _luks_signature(found, live, seen))


def _look_at_all(root: str, path: str, block: Optional[Block], found: Optional[Found], facts: dict[str, Any]) -> None:
    facts["source"] = facts["source"] + ["blkid -p", "wipefs -n"]
    try:
        contents = probe(path)
    except EdgesecError as error:
        facts["reason"] = str(error)
        return
    signatures = judged(found, contents)
    facts["signatures"] = _as_facts(signatures)
    facts["partition_table"] = facts["partition_table"] or contents.partition_table
    facts["partition_table_uuid"] = contents.partition_table_uuid
    live = [signature for signature in signatures if signature.live is not False]
    if found is not None and found.header is not None and (found.whole or [each.type for each in live] == [LUKS]):
        _describe(root, found.header, facts)
        only = [each.type for each in live] == [LUKS] and not _is_used(facts)
        # If the data area is erased, nothing was ever encrypted with this header.
        if only and is_unfinished(facts["luks"]) and found.header.data_offset:
            facts["blank"] = sample(path, found.header.data_offset).erased
        return
    sampled = sample(path)
    facts["sample"] = sampled._asdict()
    facts["named_by"] = named_by(root, facts["realpath"], block, contents.tags)
    if contents.ambivalent and len(live) == 1 and len(signatures) == 1:
        facts["reason"] = "blkid sees formats on it that exclude each other"
        return
    if found is not None and LUKS in [each.type for each in live or signatures]:
        facts["reason"] = found.problem
    file_system = file_system_of(path)
    facts["parts_elsewhere"] = file_system.elsewhere if file_system is not None else None
    facts["blank"] = not (
        signatures or contents.something or found or _is_used(facts) or facts["named_by"] or not sampled.erased
    )


def _is_used(facts: dict[str, Any]) -> bool:
    return bool(facts["partition_table"] or facts["holders"] or facts["mounted_at"] or facts["in_use_as"])


def _as_facts(signatures: Sequence[Signature]) -> list[dict[str, Any]]:
    return [{**signature._asdict(), "offsets": list(signature.offsets)} for signature in signatures]


def _is_mapped(facts: dict[str, Any], found: Found) -> bool:
    """Whether the kernel has exactly this volume open."""
    if facts["mapping"] is None or found.header is None or not found.whole:
        return False
    return found.header.uuid.replace("-", "") in str(facts["mapping"]["uuid"]).split("-")


def _luks_signature(found: Found, live: Optional[bool], seen: Optional[Signature] = None) -> Signature:
    """A signature like those of :mod:`_disk.signatures`; for a damaged header, with what blkid reads in it."""
    uuid = found.header.uuid if found.header else (seen.uuid if seen else None)
    label = found.header.label if found.header else (seen.label if seen else None)
    return Signature(LUKS, "crypto", uuid or None, label or None, found.at, (found.at,), live)


def _describe(root: str, header: Header, facts: dict[str, Any]) -> None:
    facts.update(blank=False, luks=describe(header), key_file=key_file_facts(root, facts["name"], header))
