# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make a LUKS2 volume on a blank device or on one that the operator consented to erase, and on no other."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Optional

from .._base.errors import EdgesecError, Refused
from .._base.files import memory_directory, opened_exclusively
from .._base.tools import run
from .._disk.open_for_writing import writers_of
from .._disk.signatures import probe
from .._luks import cryptsetup
from .._luks.allow_list import Pins, check
from .._luks.cipher import cipher_for_this_processor
from .._luks.header import HEADER_BYTES, Header, read_header
from .._luks.libcryptsetup import set_persistent_flags
from .._luks.on_device import UNUSED, header_of
from .._luks.reencryption import is_rekeyed
from .._luks.slots import RECOVERY_SLOT
from .._storage.observe import collect as collect_storage
from .._storage.volume import Volume, label_of
from .plan import ERASE, FORMAT, plan

_SECTOR = 4096


def observe(volume: Volume) -> dict[str, Any]:
    """Collect the facts of one volume."""
    facts: dict[str, Any] = collect_storage("/", [volume])["volumes"][0]
    return facts


def make(volume: Volume, *, uuid: str, key: bytes, flags: Sequence[str] = ()) -> bytes:
    """Format the device, prove that the recovery key opens it, and return its header backup.

    Erase first what the operator has consented to erase.

    :param flags: persistent activation flags.
    :raises Refused: the device has changed, or is in use.
    :raises EdgesecError: a tool or the proof failed.
    """
    # Resolve links once: udev may point a name to another device as soon as this one is written.
    device = os.path.realpath(volume.device)
    writers = writers_of(device)
    if writers:
        raise Refused(
            volume.device, f"it is in use: {'; '.join(map(str, writers))}", "Nothing was changed. Stop that first"
        )
    with opened_exclusively(device):
        facts = {**observe(volume._replace(device=device)), "device": volume.device}
        intent = plan(facts, volume).intent
        if intent not in (FORMAT, ERASE):
            raise Refused(volume.device, "it has changed since it was examined", "Run again")
        if intent == ERASE:
            _erase_signatures(device)
    cipher, key_bits = cipher_for_this_processor()
    cryptsetup.format_device(
        device,
        key,
        uuid=uuid,
        label=label_of(volume.name),
        subsystem=UNUSED,
        cipher=cipher,
        key_bits=key_bits,
        sector_size=_SECTOR if facts["size_bytes"] % _SECTOR == 0 else 512,
    )
    require_recovery(device, key)
    if flags:
        set_persistent_flags(device, flags)
    return header_backup(device)


def _erase_signatures(device: str) -> None:
    # --force: without it wipefs skips a partition table that lies inside a partition.
    run(["wipefs", "--all", "--force", "--quiet", device])
    if probe(device).something:
        raise EdgesecError(device, "it still holds signatures after wipefs --all", "Nothing was formatted")


def require_recovery(device: str, key: bytes) -> None:
    """Prove that the recovery key opens the data through its keyslot.

    :raises EdgesecError: it does not.
    """
    header = require_header(device)
    if RECOVERY_SLOT in header.unbound_keyslots:
        raise Refused(
            device,
            "a rotation of its volume key was interrupted before it began",
            "Run rotate.yml again with rotate_volume_key: true",
        )
    if not cryptsetup.opens(device, key, slot=recovery_slot(header)):
        raise EdgesecError(
            device,
            f"the escrowed recovery key does not open keyslot {RECOVERY_SLOT}",
            "Use the store that the volume was encrypted with. Nothing more was changed",
        )


def recovery_slot(header: Header) -> Optional[str]:
    """The recovery key's keyslot; None if it has two, because there are two volume keys."""
    return None if is_rekeyed(header) else RECOVERY_SLOT


def header_backup(device: str) -> bytes:
    """Make a gzipped header backup for C(cryptsetup luksHeaderRestore).

    Unused keyslot areas are random after a format; as zeros they compress to nothing.
    """
    with header_copy(device) as path, open(path, "rb") as file:
        return compressed(file.read())


@contextmanager
def header_copy(device: str) -> Iterator[str]:
    """Yield the path of an in-memory copy of header and keyslot areas."""
    with memory_directory() as directory:
        path = os.path.join(directory, "header")
        cryptsetup.backup_header(device, path)
        yield path


def compressed(copy: bytes) -> bytes:
    """Compress a header copy for escrow."""
    return gzip.compress(_without_unused_areas(copy, read_header(copy[:HEADER_BYTES])), mtime=0)


def encoded_backup(device: str) -> str:
    """The header backup in base64, as a module returns it."""
    return base64.b64encode(header_backup(device)).decode()


def _without_unused_areas(data: bytes, header: Header) -> bytes:
    if header.version == 1:
        return data
    kept = bytearray(len(data))
    spans = [(0, 2 * header.size)]
    for slot in header.keyslots.values():
        begin, size = int(slot["area"]["offset"]), int(slot["area"]["size"])
        spans.append((begin, begin + size))
    for begin, end in spans:
        kept[begin:end] = data[begin:end]
    return bytes(kept)


def require_bootable(device: str, metadata: str, pins: Optional[Pins] = None) -> None:
    """Refuse a header that the boot would not accept. Call before writing anything that relies on it.

    :param metadata: the device, or a file with its header.
    :param pins: the volume's current or future record; None to check only the rules for every volume.
    :raises Refused: lists the broken rules.
    """
    refusals = check(metadata, pins).refusals
    if refusals:
        raise not_bootable(device, refusals)


def not_bootable(device: str, refusals: Sequence[str]) -> Refused:
    """Explain why the boot would not accept a device's header."""
    return Refused(
        device,
        f"its header would not be accepted at boot ({'; '.join(refusals[:5])})",
        "Repair it (for a foreign token: cryptsetup token remove), or restore the escrowed header backup (recover.yml)",
    )


def require_header(device: str) -> Header:
    """The header of a volume.

    :raises Refused: the device has none.
    """
    header = header_of(device)
    if header is None:
        raise Refused(device, "it has no LUKS header", "Encrypt it first with the role encrypted_storage")
    return header
