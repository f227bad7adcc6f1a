# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read the table of a device-mapper device from the kernel, and compare it with the pins of a volume.

Source: linux/dm-ioctl.h (DM_TABLE_STATUS), and Documentation/admin-guide/device-mapper/dm-crypt.rst.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

from .._base.errors import Malformed
from .._luks.allow_list import Pins

CONTROL = "/dev/mapper/control"

# version[3], data_size, data_start, target_count, open_count, flags, event_nr, padding, dev, name, uuid, data
_REQUEST = struct.Struct("=IIIIIIiIIIQ128s129s7s")
# sector_start, length, status, next, target_type; its parameters follow, up to a NUL
_TARGET = struct.Struct("=QQiI16s")
_ANSWER_BYTES = 16384
# _IOWR(0xfd, 12, struct dm_ioctl), which is the same number on every architecture.
_TABLE_STATUS = 3 << 30 | _REQUEST.size << 16 | 0xFD << 8 | 12
# DM_STATUS_TABLE_FLAG: return the parameters of the targets, not their status.
_PARAMETERS = 1 << 4
_BUFFER_FULL = 1 << 8
# DM_UUID_LEN without its NUL: libcryptsetup truncates the UUID there, and the name of the volume is at its end.
_MOST_UUID_CHARACTERS = 128
_SECTOR = 512


class Target(NamedTuple):
    """One range of a device, in sectors of 512 bytes, and its mapping."""

    start: int
    length: int
    kind: str
    parameters: tuple[str, ...]


class Table(NamedTuple):
    """A whole device: its UUID, which tells what created it, and its targets in order."""

    uuid: str
    targets: tuple[Target, ...]


def read_table(name: str) -> Table:
    """Read the table of a device-mapper device.

    Never show it: it contains the key if cryptsetup could not put the key into the kernel's keyring.

    :raises OSError: there is no such device.
    :raises Malformed: the kernel's answer cannot be parsed.
    """
    request = _REQUEST.pack(4, 0, 0, _ANSWER_BYTES, _REQUEST.size, 0, 0, _PARAMETERS, 0, 0, 0, name.encode(), b"", b"")
    answer = bytearray(request.ljust(_ANSWER_BYTES, b"\0"))
    descriptor = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TABLE_STATUS, answer, True)
    finally:
        os.close(descriptor)
    return parse_table(bytes(answer))


def parse_table(answer: bytes) -> Table:
    """Parse the kernel's answer.

    :raises Malformed: it is cut short.
    """
    _major, _minor, _patch, _size, begin, count, _open, flags, _event, _padding, _dev, _name, uuid, _rest = (
        _REQUEST.unpack_from(answer)
    )
    if flags & _BUFFER_FULL:
        raise Malformed("the kernel's table", f"has more than {_ANSWER_BYTES} bytes")
    try:
        targets = tuple(_targets(answer[begin:], count))
    except (struct.error, ValueError):
        raise Malformed("the kernel's table", "is cut short") from None
    return Table(_text(uuid), targets)


def differences(table: Table, name: str, pins: Pins, device: str) -> list[str]:
    """List the differences between a table and the pins of a volume, in words.

    libcryptsetup has verified the volume key, by the digest in the header copy, which was checked against the pins.
    The kernel keeps the key where nobody can read it, so only its name is compared here.

    :param device: the device below the volume.
    :raises OSError: the device cannot be examined.
    """
    node = os.stat(device)
    number, sectors = f"{os.major(node.st_rdev)}:{os.minor(node.st_rdev)}", _sectors(device)
    wanted = f"CRYPT-LUKS2-{pins.uuid.replace('-', '')}-{name}"[:_MOST_UUID_CHARACTERS]
    found = [] if table.uuid == wanted else [f"its UUID is {table.uuid!r}, expected {wanted!r}"]
    # During an encryption, part of the data is still mapped as before, and the size includes the data being moved.
    moving = pins.in_place or pins.next_volume_key_fingerprint is not None
    for target in table.targets:
        if target.kind == "linear" and pins.in_place and target.parameters[:1] == (number,):
            continue
        found += _crypt(target, pins, number, moving=moving)
    if not moving:
        extent = (table.targets[0].start, table.targets[0].length) if len(table.targets) == 1 else None
        expected = (0, sectors - pins.data_offset // _SECTOR)
        if extent != expected:
            found.append(f"it maps {extent!r} as first sector and length, expected {expected!r}")
    elif not table.targets:
        found.append("it maps nothing")
    return found


def _crypt(target: Target, pins: Pins, number: str, *, moving: bool) -> Iterator[str]:
    """Check the parameters of dm-crypt: cipher, key, IV offset, device, offset, number of options, options."""
    if target.kind != "crypt" or len(target.parameters) < 5:
        yield f"a part of it has the target type {target.kind!r}"
        return
    cipher, key, iv_offset, device, offset, *options = target.parameters
    sector_size = _option(options, "sector_size:") or str(_SECTOR)
    checks = [
        ("cipher", cipher, pins.cipher),
        ("device", device, number),
        ("sector size", sector_size, str(pins.sector_size)),
        ("integrity", _option(options, "integrity:"), None),
    ]
    if not moving:
        checks += [("offset", offset, str(pins.data_offset // _SECTOR)), ("offset of the IV", iv_offset, "0")]
    # ":BYTES:TYPE:DESCRIPTION" names a key in the keyring; anything else is the key itself.
    if key.startswith(":") and not key.split(":", 3)[-1].startswith(f"cryptsetup:{pins.uuid}-d"):
        yield f"its key is {key!r}"
    yield from (f"its {what} is {seen!r}, expected {expected!r}" for what, seen, expected in checks if seen != expected)


def _option(options: list[str], name: str) -> Optional[str]:
    return next((option[len(name) :] for option in options if option.startswith(name)), None)


def _targets(data: bytes, count: int) -> Iterator[Target]:
    at = 0
    for _number in range(count):
        start, length, _status, following, kind = _TARGET.unpack_from(data, at)
        parameters = data[at + _TARGET.size : data.index(b"\0", at + _TARGET.size)]
        yield Target(start, length, _text(kind), tuple(parameters.decode("utf-8", "replace").split()))
        at = following


def _sectors(device: str) -> int:
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END) // _SECTOR
    finally:
        os.close(descriptor)


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")
