# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading /etc/crypttab, see crypttab(5), and taking lines out of it or putting one in: no other byte changes.

Two programs read it, and not alike: systemd-cryptsetup-generator by sscanf(3) of four words, without escapes, and the
shell functions of Debian's cryptsetup-initramfs, which know escapes and take all behind the third word for options.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple, Optional

from .._base.errors import Refused
from .._disk.mountinfo import decode_octal

CRYPTTAB = "/etc/crypttab"
NO_KEY = "none"

_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_BLANKS = re.compile(r"[ \t]+")
_TAGS = {"UUID": "by-uuid", "LABEL": "by-label", "PARTUUID": "by-partuuid", "PARTLABEL": "by-partlabel", "ID": "by-id"}
# ASCII alone: udev leaves other characters of UTF-8 as they are.
_UNSAFE = re.compile(r"(?![0-9A-Za-z#+.:=@_-])[\x00-\x7f]")
# An initramfs opens what has one of these, so that the system may not start without it.
_EARLY = ("initramfs", "x-initrd.attach")


class Line(NamedTuple):
    """One line that opens something, as systemd reads it; C(number) counts from 1.

    :ivar elsewise: the same line as an initramfs of Debian reads it, where that differs.
    """

    number: int
    target: str
    source: str
    options: tuple[str, ...]
    key: str = NO_KEY
    elsewise: Optional[Line] = None

    @property
    def is_early(self) -> bool:
        """Whether it is opened before the root file system is there."""
        return any(option in _EARLY for each in self.readings for option in each.options)

    @property
    def readings(self) -> tuple[Line, ...]:
        """The line as each of the programs reads it."""
        return (self,) if self.elsewise is None else (self, self.elsewise)


def parse(text: str) -> list[Line]:
    """The lines that open something.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    """
    found = []
    for number, raw in enumerate(text.split("\n"), 1):
        words = _WORD.findall(raw)
        if len(words) >= 2 and not words[0].startswith("#"):
            line, other = _line(number, words[:4]), _by_initramfs(number, raw)
            # Which escapes are known depends on the shell.
            same = other == line and not any("\\" in word for word in words[:4])
            found.append(line if same else line._replace(elsewise=other))
    return found


def _line(number: int, words: Sequence[str]) -> Line:
    options = tuple(words[3].split(",")) if len(words) > 3 else ()
    return Line(number, words[0], words[1], options, words[2] if len(words) > 2 else NO_KEY)


def _by_initramfs(number: int, raw: str) -> Line:
    """The reading of crypttab_foreach_entry; it passes over a line without a key, for which systemd asks."""
    words = [decode_octal(word) for word in _BLANKS.split(raw.strip(" \t"), maxsplit=3)]
    return _line(number, [*words, ""] if len(words) < 2 else words)


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
    """The text with a line more, for what no key file opens.

    :raises Refused: a field has a blank or a backslash, which the readers of crypttab do not take alike.
    """
    gap = "" if not text or text.endswith("\n") else "\n"
    fields = (target, source, NO_KEY, ",".join(options))
    for field in fields:
        _require_plain(field)
    return text + gap + " ".join(fields) + "\n"


def set_options(text: str, number: int, options: Sequence[str]) -> str:
    """The text with other options in one line; its other fields stay as they are written.

    :raises Refused: the readers of crypttab do not read the line alike.
    """
    if any(line.number == number and line.elsewise is not None for line in parse(text)):
        raise Refused(
            CRYPTTAB,
            f"line {number} is read otherwise by systemd than by an initramfs",
            "Nothing was changed. Write it without escapes, and with nothing behind the options",
        )
    raws = text.split("\n")
    raw = raws[number - 1]
    fields = list(_WORD.finditer(raw))
    head = raw[: fields[2].end()] if len(fields) > 2 else f"{raw[: fields[1].end()]} {NO_KEY}"
    tail = raw[fields[3].end() :] if len(fields) > 3 else ""
    _require_plain(",".join(options))
    raws[number - 1] = f"{head} {','.join(options)}{tail}"
    return "\n".join(raws)


def _require_plain(field: str) -> None:
    if "\\" in field or not _WORD.fullmatch(field):
        raise Refused(CRYPTTAB, f"{field!r} cannot be written into it", "Name the device without blanks: by its UUID")


def without(text: str, numbers: Collection[int]) -> str:
    """The text without those lines."""
    kept = [raw for number, raw in enumerate(text.split("\n"), 1) if number not in numbers]
    return "\n".join(kept)
