# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Binding a keyslot of a LUKS2 volume to a key file on a removable token."""

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

# A FAT file system has no modes of its own; without this one it takes no other.
_FAT_OPTIONS = ",fmask=0377,dmask=0077"


@dataclass(frozen=True)
class KeyToken:
    """The removable token as the operator declared it: its device, and the path of the key file on it."""

    device: str
    path: str

    @property
    def inserted(self) -> bool:
        """Whether it is there."""
        return os.path.exists(self.device)

    def file_system(self, volume: Volume) -> str:
        """The UUID of its file system.

        :raises Refused: it has none that would do, or lies on a disk that goes wherever the volume goes.
        """
        return self._probed(volume)[1]

    def opened(self) -> AbstractContextManager[str]:
        """Its directory, to be read."""
        return mounted(self.device)

    def opened_for_writing(self, volume: Volume) -> AbstractContextManager[str]:
        """Its directory, to be written to."""
        kind = self._probed(volume)[0]
        return mounted(self.device, options="rw" + (_FAT_OPTIONS if kind == "vfat" else ""))

    def _probed(self, volume: Volume) -> tuple[str, str]:
        _refuse_shared_disk(self.device, volume)
        for signature in probe(self.device).signatures:
            if signature.type in FILE_SYSTEMS and signature.uuid:
                return signature.type, signature.uuid
        raise Refused(
            self.device,
            f"it has no {' or '.join(FILE_SYSTEMS)} file system to keep a key file on",
            "Nothing was changed. Format the token (mkfs.vfat -n LABEL), or name another device in "
            "encrypted_storage_token",
        )


class Status(NamedTuple):
    """What was found of a volume and its token; C(why) says what is to be done, and is empty for nothing."""

    place: Place
    header: Header
    token: KeyToken
    file_system: str
    why: str

    def as_result(self) -> dict[str, Any]:
        """As the module returns it."""
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
    """What :func:`look` would lead to where the volume is still to be made, in check mode.

    :raises Refused: the token would not do.
    """
    _require_inserted(token)
    nothing_yet = Header(version=2, uuid="", label="", subsystem="", seqid=0, size=0, metadata={})
    why = "no key file opens the volume at boot"
    return Status(Place(volume, volume.device), nothing_yet, token, token.file_system(volume), why).as_result()


def look(volume: Volume, token: KeyToken, root: str = "/", prepared: Optional[str] = None) -> Status:
    """Find out what is to be done. A token that was put away again is not missed where all else is as it should be.

    :param root: prefix of the enrolment's path.
    :param prepared: file with the header that the volume will get when it is encrypted in place.
    :raises Refused: the token would not do, or the header cannot change now.
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
            f"it is being encrypted, and its header cannot change meanwhile ({status.why})",
            "Run again when that is done",
        )
    return status


def apply(status: Status, recovery_key: bytes) -> None:
    """Make the key file where there is none, and bind a keyslot to it.

    :raises EdgesecError: a proof failed; the ways in that worked before still do.
    """
    place, path = status.place, status.token.path
    require_recovery(place.metadata, recovery_key)
    slot = free_slot(place, recovery_key)
    with status.token.opened_for_writing(place.volume) as directory:
        if read_key(directory, path) is None:
            make_key(directory, path)
    # From the token itself, and not from what the kernel remembers of it.
    with status.token.opened() as directory:
        key = read_key(directory, path)
    if key is None:
        raise Refused(
            f"{path} on {status.token.device}",
            "it is no regular file, or cannot be read back",
            "The volume is as it was. Replace the token, or name another path in encrypted_storage_token",
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
            f"it is no key file, which has {KEY_BYTES} bytes",
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
            "Write it without a slash in front, '.' and '..'",
        )
    if not token.inserted:
        raise Refused(
            token.device,
            "there is no such device, so that no key file can be made",
            "Nothing was changed. Insert the token, or correct the device in encrypted_storage_token",
        )


def _refuse_shared_disk(device: str, volume: Volume) -> None:
    blocks = Blocks("/")
    block = blocks.at(device)
    if block is None:
        raise Refused(device, "it is not a block device", "Name the device of the token in encrypted_storage_token")
    disks = blocks.disks_of(block)
    root = mounted_at(read_mounts("/"), "/")
    others: list[tuple[str, Optional[Block]]] = [(f"the volume {volume.name}", blocks.at(volume.device))]
    if root is not None:
        others.append(("the system", blocks.numbered(root.device) or blocks.at(root.source)))
    for name, other in others:
        if other is not None and disks & blocks.disks_of(other):
            raise Refused(
                device,
                f"it lies on the disk of {name}, and a key beside its lock protects nothing",
                "Nothing was changed. Name a device in encrypted_storage_token that can be taken away from the board",
            )
