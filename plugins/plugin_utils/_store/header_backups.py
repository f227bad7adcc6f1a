# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Header backups that devices deliver: what the controller takes in place of the one that it has."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, Malformed, Refused
from ansible_collections.edgesec.hardening.plugins.module_utils._luks.header import (
    HEADER_BYTES,
    MOST_HEADER_BYTES,
    Header,
    read_header,
)

if TYPE_CHECKING:
    from ansible_collections.edgesec.hardening.plugins.plugin_utils._store.fleet_store import FleetStore

_STEP = 1 << 20


def header_in(backup: bytes, what: str) -> Header:
    """The LUKS header that is in a header backup (gzip).

    :param what: what it is, for errors.
    :raises Malformed: it is no header backup, or unpacks to more than a header can have.
    """
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    beginning, size, packed = b"", 0, backup
    try:
        while packed or not unpacker.eof:
            part = unpacker.decompress(packed, _STEP)
            packed = unpacker.unconsumed_tail
            if not part and not packed:
                break
            size += len(part)
            if size > MOST_HEADER_BYTES:
                raise Malformed(what, f"unpacks to more than {MOST_HEADER_BYTES} bytes")
            if len(beginning) < HEADER_BYTES:
                beginning += part
        if not unpacker.eof:
            raise Malformed(what, "was cut short")
        return read_header(beginning[:HEADER_BYTES])
    except zlib.error:
        raise Malformed(what, "is no gzip") from None
    except Malformed as error:
        raise Malformed(what, error.seen) from None


def keep_header(store: FleetStore, host: str, uuid: str, backup: bytes) -> None:
    """Escrow a header backup that a device has delivered, if it is one of this volume.

    :raises EdgesecError: it is not; the backups from before stay as they are.
    """
    fingerprint = _require_of_volume(store, host, uuid, backup)
    store.put_header(host, uuid, backup)
    if fingerprint:
        store.put_fingerprint(host, uuid, fingerprint)


def _require_of_volume(store: FleetStore, host: str, uuid: str, backup: bytes) -> str | None:
    """The fingerprint of the volume key that a backup has, where it may take the place of the one before."""
    what = f"{host}: the header backup of the volume {uuid} that the device has delivered"
    try:
        header = header_in(backup, what)
    except Malformed as error:
        raise _refused(what, error.seen) from None
    found = header.volume_key_fingerprint
    problem = None
    if header.uuid.lower() != uuid.lower():
        problem = f"is of another volume, {header.uuid!a}"
    elif not found:
        problem = "names no volume key"
    # While the volume key is rotated, the header has the next one, or the present one again.
    elif store.volume_key_rotated_from(host, uuid) is None and _known_fingerprint(store, host, uuid) not in (
        None,
        found,
    ):
        problem = "has another volume key than the volume had, and no rotation of it was begun here"
    if problem:
        raise _refused(what, problem)
    return found


def _refused(what: str, seen: str) -> Refused:
    remedy = "It was not taken, and the backup from before was kept. Find out what was done to the device"
    return Refused(what, seen, remedy)


def _known_fingerprint(store: FleetStore, host: str, uuid: str) -> str | None:
    """The fingerprint of the volume key that the store knows; of an older release's, what its last backup has.

    :raises Refused: that cannot be decrypted, or is no header backup.
    """
    known = store.fingerprint(host, uuid)
    if known is None and store.has_header(host, uuid):
        try:
            known = header_in(store.header_backup(host, uuid), "the header backup from before").volume_key_fingerprint
        except EdgesecError as error:
            raise Refused(
                f"{host}: the header backup of the volume {uuid} that the device has delivered",
                f"cannot be held against the one from before, which {error.seen}",
                "It was not taken, and the backup from before was kept. Run again with the escrow's private key "
                "(encrypted_storage_escrow_key), or with the store as it is in its backup",
            ) from None
    return known
