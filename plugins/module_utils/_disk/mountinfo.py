# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read /proc/PID/mountinfo, see proc(5) and Documentation/filesystems/proc.rst in the kernel's sources."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError, Malformed
from .._base.tree import read_whole, under

MOUNTINFO = "/proc/self/mountinfo"

# Where boot file systems may be mounted.
BOOT_PATHS = ("/boot", "/boot/efi", "/efi", "/boot/firmware")
_ESCAPE = re.compile(rb"\\([0-3][0-7]{2})")


class Mount(NamedTuple):
    """One mount of a mount namespace.

    ``options`` apply to this mount, ``super_options`` to the file system wherever it is mounted.
    """

    mount_id: int
    parent_id: int
    device: str
    root: str
    mount_point: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def effective_options(self) -> tuple[str, ...]:
        """The options that apply to a file opened through this mount: C(ro) if the mount or the file system is."""
        read_only = "ro" in self.options or "ro" in self.super_options
        flags = [option for option in self.options if option not in ("ro", "rw")]
        own = [option for option in self.super_options if option not in ("ro", "rw", *flags)]
        return ("ro" if read_only else "rw", *flags, *own)


def decode_octal(field: str) -> str:
    """Decode the octal escapes (``\\040`` is a space) in mountinfo and fstab.

    Bytes that are not UTF-8 become surrogates, as with os.fsdecode.
    """
    if "\\" not in field:
        return field
    raw = field.encode("utf-8", "surrogateescape")
    return _ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), raw).decode("utf-8", "surrogateescape")


def same_path(one: str, other: str) -> bool:
    """Whether two paths are the same apart from doubled or trailing slashes."""
    return _plain(one) == _plain(other)


def parse_mountinfo(text: str) -> list[Mount]:
    """The mounts in the kernel's order: a later one covers an earlier one at the same mount point.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    :raises Malformed: a line does not have the documented form.
    """
    return [_parse_line(number, line) for number, line in enumerate(text.split("\n"), 1) if line]


def mounted_at(mounts: Sequence[Mount], path: str) -> Optional[Mount]:
    """The topmost mount at a path, or None if the path is not a mount point.

    An automount that has not been triggered is a mount of type ``autofs``.
    """
    return next((mount for mount in reversed(mounts) if same_path(mount.mount_point, path)), None)


def mount_around(mounts: Sequence[Mount], path: str) -> Optional[Mount]:
    """The mount that contains a path; of several at the same mount point, the last, which covers the others."""
    around = [each for each in mounts if f"{path}/".startswith(each.mount_point.rstrip("/") + "/")]
    return max(reversed(around), key=lambda each: len(each.mount_point), default=None)


def _plain(path: str) -> str:
    plain = posixpath.normpath(path)
    return plain[1:] if plain.startswith("//") else plain


def _parse_line(number: int, line: str) -> Mount:
    left, separator, right = line.partition(" - ")
    before, after = left.split(" "), right.split(" ")
    if not separator or len(before) < 6 or len(after) < 3 or not re.fullmatch(r"[0-9]+:[0-9]+", before[2]):
        raise Malformed("mountinfo", f"line {number} is not a mount: {line!r}", "Report this with the kernel's version")
    try:
        mount_id, parent_id = int(before[0]), int(before[1])
    except ValueError:
        raise Malformed("mountinfo", f"line {number} has no mount id: {line!r}") from None
    return Mount(
        mount_id=mount_id,
        parent_id=parent_id,
        device=before[2],
        root=decode_octal(before[3]),
        mount_point=decode_octal(before[4]),
        options=tuple(decode_octal(option) for option in before[5].split(",")),
        fstype=decode_octal(after[0]),
        source=decode_octal(after[1]),
        super_options=tuple(decode_octal(option) for option in after[2].split(",")),
    )


def read_mounts(root: str) -> list[Mount]:
    """Read the mounts of the device.

    :raises EdgesecError: the kernel's mount table cannot be read, or breaks its own format.
    """
    text = read_whole(root, MOUNTINFO)
    if not text and not os.path.exists(under(root, MOUNTINFO)):
        raise EdgesecError(MOUNTINFO, "cannot be read", "Mount /proc")
    return parse_mountinfo(text)
