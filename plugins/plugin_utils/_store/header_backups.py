# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Header backups from devices: decide whether a new one may replace the one in the store."""

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
    """The LUKS header in a header backup (gzip).

    :param what: names the backup in errors.
    :raises Malformed: it is not a header backup, or unpacks to more than the size of a header.
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
            raise Malformed(what, "is truncated")
        return read_header(beginning[:HEADER_BYTES])
    except zlib.error:
        raise Malformed(what, "is not gzip") from None
    except Malformed as error:
        raise Malformed(what, error.seen) from None


def keep_header(store: FleetStore, host: str, uuid: str, backup: bytes) -> None:
    """Escrow a header backup from a device, if it belongs to this volume.

    :raises EdgesecError: it does not; the earlier backups are unchanged.
    """
    fingerprint = _require_of_volume(store, host, uuid, backup)
    store.put_header(host, uuid, backup)
    if fingerprint:
        store.put_fingerprint(host, uuid, fingerprint)


def _require_of_volume(store: FleetStore, host: str, uuid: str, backup: bytes) -> str | None:
    """The fingerprint of the backup's volume key, if the backup may replace the earlier one."""
    what = f"{host}: the header backup of the volume {uuid} that the device sent"
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
    # During a rotation of the volume key, the header has either the next key or the present one.
    elif store.volume_key_rotated_from(host, uuid) is None and _known_fingerprint(store, host, uuid) not in (
        None,
        found,
    ):
        problem = "has a different volume key, and no rotation was started from this store"
    if problem:
        raise _refused(what, problem)
    return found


def _refused(what: str, seen: str) -> Refused:
    remedy = "It was not accepted, and the earlier backup was kept. Find out what was done to the device"
    return Refused(what, seen, remedy)


def _known_fingerprint(store: FleetStore, host: str, uuid: str) -> str | None:
    """The fingerprint of the volume key that the store knows; in a store of an older release, that of the last backup.

    :raises Refused: the last backup cannot be decrypted, or is not a header backup.
    """
    known = store.fingerprint(host, uuid)
    if known is None and store.has_header(host, uuid):
        try:
            known = header_in(store.header_backup(host, uuid), "the earlier header backup").volume_key_fingerprint
        except EdgesecError as error:
            raise Refused(
                f"{host}: the header backup of the volume {uuid} that the device sent",
                f"cannot be compared with the earlier one, which {error.seen}",
                "It was not accepted, and the earlier backup was kept. Run again with the escrow's private key "
                "(encrypted_storage_escrow_key), or with the store restored from its backup",
            ) from None
    return known
