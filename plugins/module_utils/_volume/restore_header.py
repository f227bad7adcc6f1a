# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Restore a damaged header from its backup, after proving that the backup fits the data."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Optional

from .._base.errors import EdgesecError, Malformed, Refused, ToolFailed
from .._base.files import memory_directory
from .._base.places import mapper_of
from .._disk.signatures import probe
from .._luks import cryptsetup
from .._luks.allow_list import check, pins_of
from .._luks.header import Header
from .._luks.on_device import header_of
from .._luks.slots import RECOVERY_SLOT
from .._storage.volume import Volume
from .._unlock.enrolment import Enrolment, announce_change, read_enrolment
from .make import require_header, require_recovery

# More than any header with its keyslot areas.
_MOST_BYTES = 256 * 1024 * 1024


class Status(NamedTuple):
    """The state of a header.

    :ivar damage: what is wrong with it; empty if it is intact.
    :ivar uuid: the volume's UUID; empty if nothing on the device tells it.
    """

    volume: Volume
    damage: str
    uuid: str

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        before = f"{self.volume.device}: {self.damage or 'a whole header'}\n"
        after = f"{self.volume.device}: the escrowed header\n" if self.damage else before
        return {
            "changed": bool(self.damage),
            "damage": self.damage,
            "uuid": self.uuid,
            "diff": {"before": before, "after": after},
        }


def look(volume: Volume, root: str = "/") -> Status:
    """Examine whether a volume's header is intact.

    :raises EdgesecError: the device cannot be read.
    """
    enrolment = _enrolment(volume, root)
    recorded = enrolment.pins.uuid if enrolment else ""
    try:
        header = header_of(volume.device)
    except Malformed as error:
        return Status(volume, str(error), recorded)
    except OSError as error:
        raise EdgesecError(
            volume.device, f"cannot be read: {error.strerror}", "Check the volume's device (lsblk)"
        ) from None
    if header is None:
        return Status(volume, "it has no LUKS header", recorded)
    return Status(volume, "", header.uuid)


def restore(status: Status, backup: bytes, recovery_key: bytes, root: str = "/") -> None:
    """Write the backup over the damaged header, after proving that it opens the data with the recovery key.

    :param backup: the escrowed backup (gzip).
    :raises EdgesecError: the backup belongs to another volume, or does not open the data; nothing was changed.
    """
    volume = status.volume
    with _unpacked(backup) as path:
        header = require_header(path)
        _require_fitting(status, path, header, _enrolment(volume, root))
        require_recovery(path, recovery_key)
        _require_data(volume, path, recovery_key)
        announce_change(volume.name, root)
        cryptsetup.restore_header(volume.device, path)
    require_recovery(volume.device, recovery_key)


@contextmanager
def _unpacked(backup: bytes) -> Iterator[str]:
    """Yield the path of the unpacked backup, in memory."""
    with memory_directory() as directory:
        path = os.path.join(directory, "header")
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            data = unpacker.decompress(backup, _MOST_BYTES)
        except zlib.error:
            raise Malformed("the escrowed header backup", "is not one of ours: it is not gzip") from None
        with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(data)
        yield path


def _require_fitting(status: Status, path: str, header: Header, enrolment: Optional[Enrolment]) -> None:
    if status.uuid and header.uuid != status.uuid:
        raise Refused(
            status.volume.device,
            f"the escrowed header belongs to the volume {header.uuid}, but the device had {status.uuid}",
            "Nothing was changed. Name the right device or host",
        )
    pins = None
    if enrolment:
        pins = enrolment.pins._replace(keyslots=tuple(header.keyslots), token_types=pins_of(header).token_types)
    broken = check(path, pins).refusals
    if broken:
        raise Refused(
            status.volume.device,
            f"the escrowed header does not match what was recorded at sealing ({'; '.join(broken[:5])})",
            "Nothing was changed. Look in the store for another backup (headers/retired)",
        )


def _require_data(volume: Volume, path: str, recovery_key: bytes) -> None:
    """Prove that the header belongs to the data: opening it must show a file system."""
    name = f"edgesec-proof-{volume.name}"
    try:
        cryptsetup.open_volume(volume.device, name, recovery_key, header=path, slot=RECOVERY_SLOT, read_only=True)
    except ToolFailed as error:
        raise Refused(
            volume.device, f"the escrowed header does not open it ({error.stderr})", "Nothing was changed"
        ) from None
    try:
        found = probe(mapper_of(name))
    finally:
        cryptsetup.close_volume(name)
    if not found.something:
        raise Refused(
            volume.device,
            "there is no file system behind the escrowed header: it belongs to another device, or the data is gone",
            "Nothing was changed. Name the right device",
        )


def _enrolment(volume: Volume, root: str) -> Optional[Enrolment]:
    with suppress(Malformed):
        enrolment = read_enrolment(volume.name, root)
        if enrolment.device == volume.device:
            return enrolment
    return None
