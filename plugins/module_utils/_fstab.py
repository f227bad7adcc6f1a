# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Reading and editing /etc/fstab, see fstab(5): an edit changes the one field it is about and no other byte."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import NamedTuple, Optional

from ._errors import Malformed, Refused
from ._mountinfo import decode_octal, same_path

_FIELD = re.compile(r"[^ \t]+")
# A comma inside double quotes belongs to the option: context="system_u:object_r:boot_t:s0:c1,c2".
_OPTION = re.compile(r'(?:"[^"]*"|[^,"]|")+')
_NUMBER = re.compile(r"-?[0-9]{1,9}")


class Entry(NamedTuple):
    """What one line of fstab says, escapes undone."""

    source: str
    mount_point: str
    fstype: str
    options: tuple[str, ...]
    freq: int = 0
    passno: int = 0


class Line(NamedTuple):
    """One line with its line end as it stands in the file; comments, blank and unreadable lines have no entry."""

    number: int
    raw: str
    entry: Optional[Entry]


def parse(text: str) -> list[Line]:
    """The lines of an fstab; joined, their ``raw`` is the text again.

    :param text: the file's contents, decoded as UTF-8 with surrogateescape.
    """
    pieces = text.split("\n")
    raws = [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])
    return [Line(number, raw, _parse_entry(raw)) for number, raw in enumerate(raws, 1)]


def find(lines: Sequence[Line], mount_point: str) -> Optional[Line]:
    """The line that holds for a mount point: the first, as for mount(8) and systemd-fstab-generator(8)."""
    return next((line for line in lines if line.entry and same_path(line.entry.mount_point, mount_point)), None)


def set_options(text: str, mount_point: str, *, add: Sequence[str] = (), drop: Collection[str] = ()) -> str:
    """Change options of the line that holds for a mount point.

    Options keep their order; those in ``drop`` go, those in ``add`` that are not there come last.

    :raises Refused: no line is for this mount point.
    """
    lines = parse(text)
    line = find(lines, mount_point)
    if line is None:
        raise Refused(mount_point, "no line of fstab is for it", "Add the line first")
    lines[line.number - 1] = Line(line.number, _with_options(line.raw, add, drop), line.entry)
    return "".join(each.raw for each in lines)


def put_entry(text: str, entry: Entry) -> str:
    """Add a line for an entry, or replace the line that holds for its mount point.

    A line that says the same already stays as it is written.
    """
    lines = parse(text)
    line = find(lines, entry.mount_point)
    if line is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return text + gap + format_entry(entry) + "\n"
    if line.entry == entry:
        return text
    end = "\n" if line.raw.endswith("\n") else ""
    lines[line.number - 1] = Line(line.number, format_entry(entry) + end, entry)
    return "".join(each.raw for each in lines)


def format_entry(entry: Entry) -> str:
    """One line, without its line end.

    :raises Malformed: a field is empty, so that the line would be read as another one.
    """
    fields = (entry.source, entry.mount_point, entry.fstype, ",".join(entry.options) or "defaults")
    if not all(fields):
        raise Malformed(entry.mount_point or "fstab", f"an entry needs source, mount point and type: {entry}")
    return " ".join([*(encode_octal(field) for field in fields), str(entry.freq), str(entry.passno)])


def encode_octal(field: str) -> str:
    """Escape what would end a field, a line, or begin a comment or an escape."""
    escaped = re.sub(r"[\\ \t\n]", lambda match: f"\\{ord(match.group()):03o}", field)
    return "\\043" + escaped[1:] if escaped.startswith("#") else escaped


def _parse_entry(raw: str) -> Optional[Entry]:
    fields = _FIELD.findall(raw.rstrip("\n"))
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    numbers = fields[4:6]
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        return None
    freq, passno = [*(int(number) for number in numbers), 0, 0][:2]
    source, mount_point, fstype = (decode_octal(field) for field in fields[:3])
    options = _split(fields[3]) if len(fields) > 3 else []
    return Entry(source, mount_point, fstype, tuple(decode_octal(option) for option in options), freq, passno)


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
