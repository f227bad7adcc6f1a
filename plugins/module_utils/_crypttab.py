# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading /etc/crypttab, see crypttab(5), and taking lines out of it or putting one in: no other byte changes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

from ._fstab import encode_octal
from ._mountinfo import decode_octal

CRYPTTAB = "/etc/crypttab"
NO_KEY = "none"

_FIELD = re.compile(r"[^ \t]+")
_TAGS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel", "ID": "by-id"}
# ASCII alone: udev leaves other characters of UTF-8 as they are.
_UNSAFE = re.compile(r"(?![0-9A-Za-z#+.:=@_-])[\x00-\x7f]")
# An initramfs opens what has one of these, so that the system may not start without it.
_EARLY = ("initramfs", "x-initrd.attach")


class Line(NamedTuple):
    """One line that opens something, escapes undone; C(number) counts from 1."""

    number: int
    target: str
    source: str
    options: tuple[str, ...]
    key: str = NO_KEY

    @property
    def is_early(self) -> bool:
        """Whether it is opened before the root file system is there."""
        return any(option in _EARLY for option in self.options)


def parse(text: str) -> list[Line]:
    """The lines that open something.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    """
    found = []
    for number, raw in enumerate(text.split("\n"), 1):
        fields = [decode_octal(field) for field in _FIELD.findall(raw)]
        if len(fields) >= 2 and not fields[0].startswith("#"):
            options = fields[3].split(",") if len(fields) > 3 else []
            found.append(Line(number, fields[0], fields[1], tuple(options), *fields[2:3]))
    return found


def path_of(source: str) -> str:
    """The path that a source names: C(UUID=) and its like stand for a link that udev makes."""
    return next(iter(links_of(source)), source)


def links_of(source: str) -> list[str]:
    """The links that a tag such as C(LABEL=) may stand for: as it is written, and for a UUID in small letters.

    Udev escapes what is not allowed in the names of its links (encode_devnode_name in systemd).
    """
    tag, _equals, value = source.partition("=")
    if tag not in _TAGS:
        return []
    plain = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    values = dict.fromkeys((plain, plain.lower()) if tag.endswith("UUID") else (plain,))
    return [f"/dev/disk/{_TAGS[tag]}/{_UNSAFE.sub(_as_udev, each)}" for each in values]


def _as_udev(match: re.Match[str]) -> str:
    return f"\\x{ord(match.group()):02x}"


def append(text: str, target: str, source: str, options: Sequence[str]) -> str:
    """The text with a line more, for what no key file opens."""
    gap = "" if not text or text.endswith("\n") else "\n"
    fields = (target, source, NO_KEY, ",".join(options))
    return text + gap + " ".join(map(encode_octal, fields)) + "\n"


def set_options(text: str, number: int, options: Sequence[str]) -> str:
    """The text with other options in one line; its other fields stay as they are written."""
    raws = text.split("\n")
    raw = raws[number - 1]
    fields = list(_FIELD.finditer(raw))
    head = raw[: fields[2].end()] if len(fields) > 2 else f"{raw[: fields[1].end()]} {NO_KEY}"
    tail = raw[fields[3].end() :] if len(fields) > 3 else ""
    raws[number - 1] = f"{head} {encode_octal(','.join(options))}{tail}"
    return "\n".join(raws)


def without(text: str, numbers: Collection[int]) -> str:
    """The text without those lines."""
    kept = [raw for number, raw in enumerate(text.split("\n"), 1) if number not in numbers]
    return "\n".join(kept)
