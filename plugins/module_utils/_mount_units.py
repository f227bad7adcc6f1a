# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Mount units that come before fstab: what systemd-fstab-generator makes of a line is used only where there is none.

Source: systemd.unit(5), "System Unit Search Path"; systemd.mount(5); systemd-escape(1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Optional

from ._errors import Refused
from ._observe import names_in, read_text

_BEFORE_FSTAB = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/etc/systemd/system.attached",
)
_DROP_INS = (*_BEFORE_FSTAB, "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def require_fstab_to_hold(root: str, path: str, options: Collection[str]) -> None:
    """See that no unit gives a mount point other options than its line in fstab.

    :param path: the mount point, with all links followed.
    :param options: what the mount must have.
    :raises Refused: a unit or drop-in comes first, and leaves some out.
    """
    for file, given in _options(root, path):
        missing = [option for option in options if option not in given]
        if missing:
            raise Refused(
                file,
                f"comes before the line in fstab, and mounts {path} without {','.join(missing)}",
                f"Nothing was changed. Add them to its Options=, or remove {file}",
            )


def _options(root: str, path: str) -> Iterator[tuple[str, list[str]]]:
    """The files that set the options of a mount instead of fstab, and the options."""
    name = f"{_escaped(path)}.mount"
    for directory in _BEFORE_FSTAB:
        text = read_text(root, f"{directory}/{name}")
        if text is not None:
            yield f"{directory}/{name}", _set_in(text) or []
            break
    for directory in _DROP_INS:
        for drop_in in names_in(root, f"{directory}/{name}.d"):
            given = _set_in(read_text(root, f"{directory}/{name}.d/{drop_in}") or "")
            if drop_in.endswith(".conf") and given is not None:
                yield f"{directory}/{name}.d/{drop_in}", given


def _set_in(text: str) -> Optional[list[str]]:
    values = [line.partition("=")[2] for line in text.splitlines() if line.strip().startswith("Options")]
    return values[-1].strip().split(",") if values else None


def _escaped(path: str) -> str:
    """The name of the unit of a mount point, without its suffix."""
    plain = "/".join(filter(None, path.split("/")))
    allowed = (letter if letter.isascii() and (letter.isalnum() or letter in ":_.") else None for letter in plain)
    return "".join(
        "-"
        if letter == "/"
        else kept or "".join(f"\\x{byte:02x}" for byte in letter.encode("utf-8", "surrogateescape"))
        for letter, kept in zip(plain, allowed)
    )
