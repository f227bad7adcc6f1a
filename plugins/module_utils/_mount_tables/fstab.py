# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Read and edit /etc/fstab, see fstab(5): an edit changes one field and no other byte.

Two programs read it differently: systemd-fstab-generator uses getmntent(3) of glibc (misc/mntent_r.c), and mount(8)
uses libmount (libmount/src/tab_parse.c). A line that they read differently is called disputed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Callable, NamedTuple, Optional

from .._base.errors import Malformed, Refused
from .._disk.mountinfo import decode_octal, same_path

FSTAB = "/etc/fstab"

_FIELD = re.compile(r"[^ \t]+")
# A comma inside double quotes belongs to the option: context="system_u:object_r:boot_t:s0:c1,c2".
_OPTION = re.compile(r'(?:"[^"]*"|[^,"]|")+')
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_DIGITS = re.compile(r"[0-9]{10}")
_BLANKS = " \t"
_GLIBC_ESCAPE = re.compile(r"\\(040|011|012|134|\\)")
_LIBMOUNT_ESCAPE = re.compile(rb"\\([0-7]{3})")
# getmntent(3) has a buffer of 4096 bytes, including the line end and a NUL.
_GLIBC_BYTES = 4094
_GLIBC_DIGITS = 10


class Entry(NamedTuple):
    """The contents of one line of fstab, with escapes decoded."""

    source: str
    mount_point: str
    fstype: str
    options: tuple[str, ...]
    freq: int = 0
    passno: int = 0


class Line(NamedTuple):
    """One line of the file, including its line end.

    :ivar entry: the entry that both readers see; None for comments, blank and disputed lines.
    :ivar readings: the entries that systemd and mount(8) see in a disputed line; both None for all others.
    """

    number: int
    raw: str
    entry: Optional[Entry]
    readings: tuple[Optional[Entry], Optional[Entry]] = (None, None)

    @property
    def seen(self) -> list[Entry]:
        """Every entry that any reader sees in the line."""
        return [entry for entry in (self.entry, *self.readings) if entry is not None]

    @property
    def dispute(self) -> str:
        """Describe how the readers differ."""
        systemd, mount = ("nothing" if each is None else repr(" ".join(_fields(each))) for each in self.readings)
        return f"in line {self.number} systemd reads {systemd}, mount(8) reads {mount}"


def parse(text: str) -> list[Line]:
    """Parse the lines of an fstab; their ``raw`` fields joined give the text again.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    """
    pieces = text.split("\n")
    raws = [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    return [_parse_line(number, raw) for number, raw in enumerate(raws, 1)]


def find(lines: Sequence[Line], mount_point: str, real: Callable[[str], str] = str) -> Optional[Line]:
    """The line that applies to a mount point: the first, as for mount(8) and systemd-fstab-generator(8).

    :param real: resolves the symbolic links in a path, as both of them do.
    :raises Refused: the first line that may apply is disputed.
    """
    line = first_for(lines, mount_point, real)
    if line is not None and line.entry is None:
        raise Refused(
            f"{mount_point} in fstab",
            line.dispute,
            "Nothing was changed. Rewrite the line in a form that both read alike: no blank after a comma, a comment "
            "only after the last number, no carriage return, no escapes except \\040, \\011 and \\134",
        )
    return line


def first_for(lines: Sequence[Line], mount_point: str, real: Callable[[str], str] = str) -> Optional[Line]:
    """The first line that any reader applies to a mount point, disputed or not."""
    wanted = real(mount_point)
    return next((line for line in lines if any(_is_at(each.mount_point, wanted, real) for each in line.seen)), None)


def _is_at(mount_point: str, wanted: str, real: Callable[[str], str]) -> bool:
    """Whether two mount points are the same; C(none), for swap, is not a path."""
    return same_path(real(mount_point) if mount_point.startswith("/") else mount_point, wanted)


def set_options(
    text: str,
    mount_point: str,
    *,
    add: Sequence[str] = (),
    drop: Collection[str] = (),
    real: Callable[[str], str] = str,
) -> str:
    """Change options of the line that applies to a mount point.

    Options keep their order; those in ``drop`` are removed, missing ones in ``add`` are appended.

    :raises Refused: no line applies to this mount point.
    """
    lines = parse(text)
    line = find(lines, mount_point, real)
    if line is None:
        raise Refused(mount_point, "has no line in fstab", "Add the line first")
    lines[line.number - 1] = Line(line.number, _with_options(line.raw, add, drop), line.entry)
    return "".join(each.raw for each in lines)


def put_entry(text: str, entry: Entry, real: Callable[[str], str] = str) -> str:
    """Add a line for an entry, or replace the line that applies to its mount point.

    A line with the same meaning keeps its spelling, and a comment at the end of a line is kept.
    """
    lines = parse(text)
    line = find(lines, entry.mount_point, real)
    if line is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return text + gap + format_entry(entry) + "\n"
    if line.entry == entry:
        return text
    fields = list(_FIELD.finditer(line.raw.rstrip("\n")))
    end = line.raw[fields[5].end() :] if len(fields) > 5 else "\n" * line.raw.endswith("\n")
    # Keep a carriage return at the end of the line; it is not part of the last number.
    end = "\r" * fields[-1].group().endswith("\r") * (len(fields) == 6) + end
    lines[line.number - 1] = Line(line.number, format_entry(entry) + end, entry)
    return "".join(each.raw for each in lines)


def format_entry(entry: Entry) -> str:
    """Format an entry as a line, without its line end.

    :raises Malformed: a field is empty, so the line would mean something else.
    """
    fields = (entry.source, entry.mount_point, entry.fstype, ",".join(entry.options) or "defaults")
    if not all(fields) or entry.source.startswith("#"):
        raise Malformed(entry.mount_point or "fstab", f"an entry needs source, mount point and type: {entry}")
    return " ".join(_fields(entry))


def encode_octal(field: str) -> str:
    """Escape characters that would end a field or a line, or begin an escape; both readers know these escapes."""
    return re.sub(r"[\\ \t\n]", lambda match: f"\\{ord(match.group()):03o}", field)


def _fields(entry: Entry) -> list[str]:
    words = (entry.source, entry.mount_point, entry.fstype, ",".join(entry.options) or "defaults")
    return [*map(encode_octal, words), str(entry.freq), str(entry.passno)]


def _parse_line(number: int, raw: str) -> Line:
    line = raw[:-1] if raw.endswith("\n") else raw
    if not line.strip(_BLANKS) or line.lstrip(_BLANKS).startswith("#"):
        return Line(number, raw, None)
    systemd, mount = _by_glibc(line), _by_libmount(line[:-1] if line.endswith("\r") else line)
    if systemd == mount and not _is_undefined(line, raw):
        return Line(number, raw, systemd)
    return Line(number, raw, None, (systemd, mount))


def _is_undefined(line: str, raw: str) -> bool:
    """Whether getmntent(3)'s reading of a line depends on its buffers, or on the previous line."""
    if "\0" in line or len(line.encode("utf-8", "surrogateescape")) > _GLIBC_BYTES:
        return True
    fields = list(_FIELD.finditer(line))
    if any(_DIGITS.search(field.group()) for field in fields[4:6]):
        return True
    # If sscanf(3) finds only white space, it keeps the numbers of the previous line.
    rest = line.rstrip(_BLANKS) if raw.endswith("\n") else line
    return len(fields) > 3 and rest[fields[3].end() :].isspace()


def _by_glibc(line: str) -> Entry:
    """Read a line as getmntent(3) does: blanks separate fields, and anything that is not a number ends the line."""
    fields = _FIELD.findall(line)
    words = [_GLIBC_ESCAPE.sub(_glibc_character, field) for field in fields[:4]]
    numbers = list(_scanned(line, fields))
    return _entry([*words, "", "", ""], [*numbers, 0, 0])


def _by_libmount(line: str) -> Optional[Entry]:
    """Read a line as mnt_parse_table_line does: it needs three fields, and pure numbers in the last two."""
    fields = _FIELD.findall(line)
    if len(fields) < 3 or not all(_NUMBER.fullmatch(number) for number in fields[4:6]):
        return None
    words = [_libmount_text(field) for field in fields[:4]]
    return _entry([*words, ""], [*(int(number) for number in fields[4:6]), 0, 0])


def _entry(words: Sequence[str], numbers: Sequence[int]) -> Entry:
    return Entry(words[0], words[1], words[2], tuple(_split(words[3])), numbers[0], numbers[1])


def _scanned(line: str, fields: Sequence[str]) -> Iterator[int]:
    """The numbers that sscanf(" %d %d ") finds after the fourth field."""
    spans = list(_FIELD.finditer(line))
    rest = line[spans[3].end() :] if len(fields) > 3 else ""
    for _number in range(2):
        found = re.match(r"\s*([+-]?[0-9]+)", rest, re.ASCII)
        if found is None:
            return
        yield int(found.group(1)[:_GLIBC_DIGITS])
        rest = rest[found.end() :]


def _glibc_character(match: re.Match[str]) -> str:
    return "\\" if match.group(1) == "\\" else chr(int(match.group(1), 8))


def _libmount_text(field: str) -> str:
    raw = field.encode("utf-8", "surrogateescape")
    decoded = _LIBMOUNT_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8) & 0xFF]), raw)
    return decoded.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _split(options: str) -> list[str]:
    return _OPTION.findall(options)


def _with_options(raw: str, add: Sequence[str], drop: Collection[str]) -> str:
    fields = list(_FIELD.finditer(raw.rstrip("\n")))
    present = _split(fields[3].group()) if len(fields) > 3 else []
    kept = [option for option in present if decode_octal(option) not in drop]
    known = {decode_octal(option) for option in kept}
    wanted = kept + [encode_octal(option) for option in dict.fromkeys(add) if option not in known]
    if wanted == present:
        return raw
    field = ",".join(wanted) or "defaults"
    if len(fields) > 3:
        return raw[: fields[3].start()] + field + raw[fields[3].end() :]
    return raw[: fields[2].end()] + " " + field + raw[fields[2].end() :]
