# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read /etc/crypttab, see crypttab(5), and add or remove lines without changing any other byte.

Two programs read it differently: systemd-cryptsetup-generator takes four words by sscanf(3), without escapes; the
shell functions of Debian's cryptsetup-initramfs know escapes and take everything after the third word as options.
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
# Only ASCII: udev leaves other UTF-8 characters unchanged.
_UNSAFE = re.compile(r"(?![0-9A-Za-z#+.:=@_-])[\x00-\x7f]")
# The initramfs opens volumes with one of these options, and the system may not start without them.
_EARLY = ("initramfs", "x-initrd.attach")


class Line(NamedTuple):
    """One line that opens something, as systemd reads it; C(number) counts from 1.

    :ivar elsewise: the same line as Debian's initramfs reads it, if that differs.
    """

    number: int
    target: str
    source: str
    options: tuple[str, ...]
    key: str = NO_KEY
    elsewise: Optional[Line] = None

    @property
    def is_early(self) -> bool:
        """Whether it is opened before the root file system is mounted."""
        return any(option in _EARLY for each in self.readings for option in each.options)

    @property
    def readings(self) -> tuple[Line, ...]:
        """The line as each of the two programs reads it."""
        return (self,) if self.elsewise is None else (self, self.elsewise)


def parse(text: str) -> list[Line]:
    """Parse the lines that open something.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    """
    found = []
    for number, raw in enumerate(text.split("\n"), 1):
        words = _WORD.findall(raw)
        if len(words) >= 2 and not words[0].startswith("#"):
            line, other = _line(number, words[:4]), _by_initramfs(number, raw)
            # The shell decides which escapes work.
            same = other == line and not any("\\" in word for word in words[:4])
            found.append(line if same else line._replace(elsewise=other))
    return found


def _line(number: int, words: Sequence[str]) -> Line:
    options = tuple(words[3].split(",")) if len(words) > 3 else ()
    return Line(number, words[0], words[1], options, words[2] if len(words) > 2 else NO_KEY)


def _by_initramfs(number: int, raw: str) -> Line:
    """Read a line as crypttab_foreach_entry does; it skips a line without a key, where systemd prompts."""
    words = [decode_octal(word) for word in _BLANKS.split(raw.strip(" \t"), maxsplit=3)]
    return _line(number, [*words, ""] if len(words) < 2 else words)


def path_of(source: str) -> str:
    """The path that a source names; C(UUID=) and similar tags stand for a link that udev makes."""
    return next(iter(links_of(source)), source)


def links_of(source: str) -> list[str]:
    """The links that a tag such as C(LABEL=) may stand for: as written, and for a UUID also in lower case.

    Udev escapes characters that it does not allow in link names (encode_devnode_name in systemd).
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
    """Add a line for a volume without a key file.

    :raises Refused: a field has a blank or a backslash, which the readers of crypttab treat differently.
    """
    gap = "" if not text or text.endswith("\n") else "\n"
    fields = (target, source, NO_KEY, ",".join(options))
    for field in fields:
        _require_plain(field)
    return text + gap + " ".join(fields) + "\n"


def set_options(text: str, number: int, options: Sequence[str]) -> str:
    """Replace the options of one line; its other fields keep their spelling.

    :raises Refused: the readers of crypttab read the line differently.
    """
    if any(line.number == number and line.elsewise is not None for line in parse(text)):
        raise Refused(
            CRYPTTAB,
            f"systemd and the initramfs read line {number} differently",
            "Nothing was changed. Write the line without escapes, and with nothing after the options",
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
        raise Refused(
            CRYPTTAB,
            f"{field!r} cannot be written to it: it is empty, or has a blank or a backslash",
            "Name the device by its UUID",
        )


def without(text: str, numbers: Collection[int]) -> str:
    """Remove the lines with these numbers."""
    kept = [raw for number, raw in enumerate(text.split("\n"), 1) if number not in numbers]
    return "\n".join(kept)
