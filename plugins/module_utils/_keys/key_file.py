# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Bind a keyslot of a LUKS2 volume to a key file on a removable token."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed, Refused
from .._disk.block_devices import Block, Blocks
from .._disk.mountinfo import mounted_at, read_mounts
from .._disk.signatures import probe
from .._luks import cryptsetup
from .._luks.header import Header
from .._luks.key_file_token import KeyFile, is_inside
from .._luks.reencryption import is_under_way
from .._storage.unlocking import enrolled_key_file
from .._storage.volume import Volume
from .._unlock.removable_token import FILE_SYSTEMS, KEY_BYTES, make_key, mounted, read_key
from .._volume.make import require_header, require_recovery
from .boot_keyslot import Place, bind, free_slot

# FAT has no file modes of its own; it refuses any mode but the one from these options.
_FAT_OPTIONS = ",fmask=0377,dmask=0077"


@dataclass(frozen=True)
class KeyToken:
    """The removable token as the operator declared it: its device, and the key file's path on it."""

    device: str
    path: str

    @property
    def inserted(self) -> bool:
        """Whether the token is inserted."""
        return os.path.exists(self.device)

    def file_system(self, volume: Volume) -> str:
        """The UUID of the token's file system.

        :raises Refused: it has no suitable one, or shares a disk with the volume or the system.
        """
        return self._probed(volume)[1]

    def opened(self) -> AbstractContextManager[str]:
        """Mount the token for reading; yields its directory."""
        return mounted(self.device)

    def opened_for_writing(self, volume: Volume) -> AbstractContextManager[str]:
        """Mount the token for writing; yields its directory."""
        kind = self._probed(volume)[0]
        return mounted(self.device, options="rw" + (_FAT_OPTIONS if kind == "vfat" else ""))

    def _probed(self, volume: Volume) -> tuple[str, str]:
        _refuse_shared_disk(self.device, volume)
        for signature in probe(self.device).signatures:
            if signature.type in FILE_SYSTEMS and signature.uuid:
                return signature.type, signature.uuid
        raise Refused(
            self.device,
            f"it has no {' or '.join(FILE_SYSTEMS)} file system for a key file",
            "Nothing was changed. Format the token (mkfs.vfat -n LABEL), or name another device in "
            "encrypted_storage_token",
        )


class Status(NamedTuple):
    """The state of a volume and its token; C(why) says what must be done, and is empty for nothing."""

    place: Place
    header: Header
    token: KeyToken
    file_system: str
    why: str

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        file = f"{self.token.path} on {self.token.device}"
        return {
            "changed": bool(self.why),
            "why": self.why,
            "uuid": self.header.uuid,
            "diff": {
                "before": f"{self.why or f'opened at boot by {file}'}\n",
                "after": f"opened at boot by {file}\n",
            },
        }


def preview(volume: Volume, token: KeyToken) -> dict[str, Any]:
    """In check mode: the result of :func:`look` for a volume that does not exist yet.

    :raises Refused: the token is not suitable.
    """
    _require_inserted(token)
    nothing_yet = Header(version=2, uuid="", label="", subsystem="", seqid=0, size=0, metadata={})
    why = "no key file opens the volume at boot"
    return Status(Place(volume, volume.device), nothing_yet, token, token.file_system(volume), why).as_result()


def look(volume: Volume, token: KeyToken, root: str = "/", prepared: Optional[str] = None) -> Status:
    """Plan the work. A removed token is fine as long as everything else is in order.

    :param root: prefix of the enrolment's path.
    :param prepared: file with the header for a volume that will be encrypted in place.
    :raises Refused: the token is not suitable, or the header cannot change now.
    """
    place = Place(volume, prepared or volume.device, root)
    header = require_header(place.metadata)
    try:
        enrolled = enrolled_key_file(root, volume.name, header)
    except Malformed:
        enrolled = None
    if enrolled is not None and enrolled.path == token.path and not token.inserted:
        return Status(place, header, token, enrolled.file_system, "")
    _require_inserted(token)
    status = Status(place, header, token, token.file_system(volume), "")
    status = status._replace(why=_due(status, enrolled))
    if status.why and is_under_way(header):
        raise Refused(
            volume.device,
            f"it is being encrypted, so its header cannot change yet ({status.why})",
            "Run again when that is done",
        )
    return status


def apply(status: Status, recovery_key: bytes) -> None:
    """Make the key file if it is missing, and bind a keyslot to it.

    :raises EdgesecError: a proof failed; the earlier keys still work.
    """
    place, path = status.place, status.token.path
    require_recovery(place.metadata, recovery_key)
    slot = free_slot(place, recovery_key)
    with status.token.opened_for_writing(place.volume) as directory:
        if read_key(directory, path) is None:
            make_key(directory, path)
    # Remount, to read from the token itself and not from the kernel's cache.
    with status.token.opened() as directory:
        key = read_key(directory, path)
    if key is None:
        raise Refused(
            f"{path} on {status.token.device}",
            "it is not a regular file, or cannot be read back",
            "The volume was not changed. Replace the token, or name another path in encrypted_storage_token",
        )
    bind(place, KeyFile(slot, status.file_system, path), key, recovery_key)
    require_recovery(place.metadata, recovery_key)


def _due(status: Status, enrolled: Optional[KeyFile]) -> str:
    token = status.token
    with token.opened() as directory:
        key = read_key(directory, token.path)
    if key is not None and len(key) != KEY_BYTES:
        raise Refused(
            f"{token.path} on {token.device}",
            f"it is not a key file of {KEY_BYTES} bytes",
            "Nothing was changed. Remove it, or name another path in encrypted_storage_token",
        )
    if enrolled is None:
        return "no key file opens the volume at boot"
    if (enrolled.file_system, enrolled.path) != (status.file_system, token.path):
        return f"the volume is opened by {enrolled.path} on the file system {enrolled.file_system}"
    if key is None:
        return f"there is no file {token.path} on the token"
    if not cryptsetup.opens(status.place.metadata, key, slot=enrolled.keyslot):
        return f"{token.path} on the token does not open the volume"
    return ""


def _require_inserted(token: KeyToken) -> None:
    if not is_inside(token.path):
        raise Refused(
            f"the path {token.path!r} of the key file",
            "is not a plain path on the token",
            "Write it without a leading slash, '.' or '..'",
        )
    if not token.inserted:
        raise Refused(
            token.device,
            "there is no such device, so no key file can be made",
            "Nothing was changed. Insert the token, or correct the device in encrypted_storage_token",
        )


def _refuse_shared_disk(device: str, volume: Volume) -> None:
    blocks = Blocks("/")
    block = blocks.at(device)
    if block is None:
        raise Refused(device, "it is not a block device", "Name the token's device in encrypted_storage_token")
    disks = blocks.disks_of(block)
    root = mounted_at(read_mounts("/"), "/")
    others: list[tuple[str, Optional[Block]]] = [(f"the volume {volume.name}", blocks.at(volume.device))]
    if root is not None:
        others.append(("the system", blocks.numbered(root.device) or blocks.at(root.source)))
    for name, other in others:
        if other is not None and disks & blocks.disks_of(other):
            raise Refused(
                device,
                f"it is on the same disk as {name}: a key stored next to the data protects nothing",
                "Nothing was changed. Name a removable device in encrypted_storage_token",
            )
