# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe what this boot started from: the boot entry, the images and their signatures, from headers only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.tree import resolve, under
from .._boot.efi_load_option import LoadOption
from .._boot.efi_load_option import parse as parse_load_option
from .._boot.efi_variables import GLOBAL, LOADER, parse, string
from .._disk.block_devices import Blocks
from .._disk.mountinfo import Mount
from .._measured_boot.pe import signature_table, signatures_of
from .._measured_boot.pkcs7 import certificates, name_text
from .boot_trust import variable

_HEADERS = 1 << 16
_LARGEST_TABLE = 1 << 18


class Booted(NamedTuple):
    """What firmware and loader report about this boot.

    :ivar entry: the firmware's boot entry, or None if it does not report one.
    :ivar partitions: UUIDs of the partitions booted from, in lower case.
    """

    entry: Optional[LoadOption]
    stub: Optional[LoadOption]
    partitions: tuple[str, ...]


def booted(root: str) -> Booted:
    """Read the variables of firmware and loader."""
    number = variable(root, "BootCurrent", GLOBAL, lambda data: int.from_bytes(parse(data).value[:2], "little"))
    entry = None
    if number is not None:
        entry = variable(root, f"Boot{number:04X}", GLOBAL, lambda data: parse_load_option(parse(data).value))
    named = {
        name: (variable(root, name, LOADER, string) or "").lower()
        for name in ("LoaderDevicePartUUID", "StubDevicePartUUID")
    }
    path = variable(root, "StubImageIdentifier", LOADER, string)
    stub = None
    if path:
        partition = named["StubDevicePartUUID"] or named["LoaderDevicePartUUID"] or None
        stub = LoadOption("", partition, "/" + path.replace("\\", "/").lstrip("/"))
    partitions = [*named.values(), (entry.partition if entry else None) or ""]
    return Booted(entry, stub, tuple(dict.fromkeys(filter(None, partitions))))


def mount_of(root: str, blocks: Blocks, mounts: Sequence[Mount], partition: str) -> Optional[Mount]:
    """The mount of a partition, given by UUID; the last of several, which covers the others."""
    block = blocks.at(f"/dev/disk/by-partuuid/{partition}")
    if block is None:
        return None
    real = f"/dev/{block.name}"
    found = [
        mount
        for mount in mounts
        if mount.root == "/"
        and (mount.device == block.number or (mount.source.startswith("/") and resolve(root, mount.source) == real))
    ]
    return found[-1] if found else None


def images(root: str, blocks: Blocks, mounts: Sequence[Mount], boot: Booted) -> list[dict[str, Any]]:
    """List the known images of this boot: the one that the firmware started, and the unified kernel image."""
    found = []
    for role, option in (("firmware entry", boot.entry), ("unified kernel image", boot.stub)):
        if option is None or option.path is None:
            continue
        facts: dict[str, Any] = {
            "role": role,
            "path": None,
            "partition": option.partition,
            "signed": None,
            "signers": [],
            "reason": None,
        }
        mount = mount_of(root, blocks, mounts, option.partition) if option.partition else None
        if mount is None:
            facts["reason"] = f"{option.path} is on a partition that is not mounted"
        else:
            facts["path"] = mount.mount_point.rstrip("/") + option.path
            facts.update(_signature(root, str(facts["path"])))
        found.append(facts)
    return found


def _signature(root: str, path: str) -> dict[str, Any]:
    """The names in an image's signatures. Only firmware with Secure Boot on has verified them."""
    try:
        with open(under(root, path), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            at, length = signature_table(stream.read(_HEADERS), size)
            if length > _LARGEST_TABLE:
                raise Malformed(path, f"has {length} bytes of signatures")
            stream.seek(at)
            found = [certificates(each) for each in signatures_of(stream.read(length))]
    except Malformed as error:
        return {"signed": None, "reason": error.seen}
    except OSError as error:
        return {"signed": None, "reason": f"cannot be read: {error.strerror}"}
    signers = [
        {"subject": name_text(each.subject), "issuer": name_text(each.issuer)} for group in found for each in group
    ]
    return {"signed": bool(found), "signers": signers}
