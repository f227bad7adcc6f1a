# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find mount units that override fstab: systemd uses the unit generated from a line only if there is no other.

Source: systemd.unit(5), "System Unit Search Path"; systemd.mount(5); systemd-escape(1).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from typing import Optional

from .._base.errors import Refused
from .._base.tree import names_in, read_text, under
from .._disk.remount import RESTRICTIONS

_CONTINUED = re.compile(r"\\\r?\n(?:[ \t]*[#;][^\n]*\n)*[ \t]*")

_BEFORE_FSTAB = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/etc/systemd/system.attached",
)
_DROP_INS = (*_BEFORE_FSTAB, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def require_fstab_to_hold(root: str, path: str, options: Collection[str]) -> None:
    """Refuse a mount point whose line in fstab is overridden by a unit without the wanted options.

    :param path: the mount point, with all links resolved.
    :param options: the options that the mount must have.
    :raises Refused: a unit or drop-in overrides fstab and lacks some of the options.
    """
    found = _options(root, path)
    missing = [option for option in options if found is not None and not _holds(option, found[1])]
    if found is not None and missing:
        raise Refused(
            found[0],
            f"overrides the line in fstab, and mounts {path} without {','.join(missing)}",
            f"Nothing was changed. Add {','.join(missing)} to its Options=, or remove {found[0]}",
        )


def _holds(option: str, given: Sequence[str]) -> bool:
    """Whether an option is in force: mount(8) takes the last one of an option and its opposite."""
    said = [each for each in given if each in (option, RESTRICTIONS.get(option))]
    return said[-1:] == [option]


def _options(root: str, path: str) -> Optional[tuple[str, list[str]]]:
    """The file that sets the options of a mount instead of fstab, and the options; None if fstab applies.

    Of several files, the last one counts. A masked unit sets none.
    """
    name = f"{_escaped(path)}.mount"
    found: Optional[tuple[str, list[str]]] = None
    unit = next((file for file in (f"{each}/{name}" for each in _BEFORE_FSTAB) if _is_there(root, file)), None)
    if unit is not None:
        text = read_text(root, unit) or ""
        if not text.strip():
            return None
        found = unit, _set_in(text) or []
    for drop_in in _drop_ins(root, name):
        given = _set_in(read_text(root, drop_in) or "")
        found = found if given is None else (drop_in, given)
    return found


def _is_there(root: str, path: str) -> bool:
    """Whether there is a file or a link (even a dangling one, or the link to /dev/null of a masked unit)."""
    return os.path.lexists(under(root, path))


def _drop_ins(root: str, name: str) -> list[str]:
    """The drop-ins of a unit in reading order; of several with one name, only the most specific."""
    stem = name[: -len(".mount")].split("-")
    prefixes = [f"{'-'.join(stem[:count])}-.mount" for count in range(len(stem) - 1, 0, -1)]
    chosen: dict[str, str] = {}
    for unit in (name, *prefixes, "mount"):
        for directory in _DROP_INS:
            for file in names_in(root, f"{directory}/{unit}.d"):
                if file.endswith(".conf"):
                    chosen.setdefault(file, f"{directory}/{unit}.d/{file}")
    return [chosen[file] for file in sorted(chosen)]


def _set_in(text: str) -> Optional[list[str]]:
    """The options that a file sets, or None if it sets none. A backslash at the end of a line continues it."""
    given, section = None, ""
    for line in _CONTINUED.sub(" ", text).splitlines():
        key, _equals, value = (each.strip() for each in line.partition("="))
        if key.startswith("["):
            section = key
        elif key == "Options" and section == "[Mount]":
            given = [option.strip() for option in value.split(",") if option.strip()]
    return given


def _escaped(path: str) -> str:
    """The unit name of a mount point, without its suffix."""
    plain = "/".join(filter(None, path.split("/")))
    allowed = (letter if letter.isascii() and (letter.isalnum() or letter in ":_.") else None for letter in plain)
    return "".join(
        "-"
        if letter == "/"
        else kept or "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
        for letter, kept in zip(plain, allowed)
    )
