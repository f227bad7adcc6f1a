# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe what a console offers to anyone in front of it: loader menus, emergency shells, and what a panic does.

Sources: systemd.unit(5) (load path, drop-ins, masks), systemd.service(5) (an empty ExecStart= clears those before it),
systemd-boot(7) and loader.conf(5), the GRUB manual ("Security"), Linux Documentation/admin-guide/sysctl/kernel.rst.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from .._base.tree import names_in, read_line, read_text, under
from .._mount_tables.crypttab_readers import has_dracut
from .._storage.written_in_passing import setting

SHELL_UNITS = ("emergency.service", "rescue.service")
DEBUG_SHELL = "debug-shell.service"
_UNIT_DIRECTORIES = tuple(
    f"{top}/systemd/system" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib")
)  # fmt: skip
_SHELLS = re.compile(r"sulogin|\b(ba|da|a|z|k)?sh\b|agetty|\blogin\b")
_COVERED = re.compile(r"--unrestricted\b")
_ENTRY = re.compile(r"\s*(?:menuentry|submenu)\s")


def collect(root: str, layout: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Collect the fact C(console)."""
    return {
        # In a container, kernel, loader and console belong to the host.
        "container": read_line(root, "/run/systemd/container") is not None,
        "editors": [each for each in (_editor(root, entry) for entry in layout) if each is not None],
        "shells": {unit: _is_shell(root, unit) for unit in SHELL_UNITS},
        "debug_shell_masked": is_masked(root, DEBUG_SHELL),
        "ctrl_alt_del_burst": _burst(root),
        "dracut": has_dracut(root),
        "panic_seconds": _number(root, "/proc/sys/kernel/panic"),
        "panic_on_oops": _number(root, "/proc/sys/kernel/panic_on_oops"),
        "source": [*_UNIT_DIRECTORIES[:1], "/etc/systemd/system.conf.d", "/proc/sys/kernel/panic"],
    }


def is_masked(root: str, unit: str) -> Optional[bool]:
    """Whether a unit cannot be started; None if it does not exist."""
    path = _unit(root, unit)
    return None if path is None else _leads_nowhere(root, path)


def grub_is_closed(text: str) -> bool:
    """Whether a grub.cfg asks for a password before anyone can edit entries or type commands."""
    return re.search(r"^\s*set\s+superusers=", text, re.MULTILINE) is not None


def restricted_entries(text: str) -> list[str]:
    """List the entries of a grub.cfg that would wait for a password before they boot."""
    # Our script puts --unrestricted before every --id that grub-mkconfig writes.
    covered = re.search(r'^\s*(?:set\s+)?menuentry_id_option="?--unrestricted', text, re.MULTILINE) is not None
    return [
        line.strip()[:80]
        for line in text.splitlines()
        if _ENTRY.match(line) and not _COVERED.search(line) and not (covered and "$menuentry_id_option" in line)
    ]


def _editor(root: str, entry: dict[str, Any]) -> Optional[dict[str, Any]]:
    """Whether a loader allows editing of its command line; None if it has no editor or no configuration file."""
    kind, path = entry["kind"], entry["path"]
    if kind not in ("systemd-boot", "grub") or path is None:
        return None
    if kind == "systemd-boot":
        path = posixpath.join(posixpath.dirname(path), "loader.conf")
    text = read_text(root, path)
    facts: dict[str, Any] = {"loader": kind, "path": path, "open": None, "restricted_entries": []}
    if kind == "systemd-boot":
        facts["open"] = editor_setting(text or "") not in ("no", "n", "0", "false", "f", "off")
    elif text is not None:
        facts["open"] = not grub_is_closed(text)
        facts["restricted_entries"] = [] if facts["open"] else restricted_entries(text)
    return facts


def editor_setting(text: str) -> Optional[str]:
    """The editor setting in a loader.conf; the last line wins."""
    found = None
    for line in text.splitlines():
        fields = line.split(None, 1)
        if fields and fields[0] == "editor":
            found = fields[1].strip().lower() if len(fields) > 1 else ""
    return found


def _is_shell(root: str, unit: str) -> Optional[bool]:
    """Whether a unit starts a shell or asks for a password; None if it does not exist."""
    path = _unit(root, unit)
    if path is None:
        return None
    if _leads_nowhere(root, path):
        return False
    commands: list[str] = []
    for text in filter(None, (read_text(root, each) for each in (path, *_drop_ins(root, unit)))):
        commands = _commands(text, commands)
    return any(_SHELLS.search(each) for each in commands)


def _commands(text: str, before: Sequence[str]) -> list[str]:
    commands = list(before)
    for line in text.replace("\\\n", " ").splitlines():
        key, separator, value = line.partition("=")
        if separator and key.strip() == "ExecStart":
            commands = [*commands, value.strip()] if value.strip() else []
    return commands


def _unit(root: str, unit: str) -> Optional[str]:
    return next(
        (f"{each}/{unit}" for each in _UNIT_DIRECTORIES if os.path.lexists(under(root, f"{each}/{unit}"))), None
    )


def _leads_nowhere(root: str, path: str) -> bool:
    try:
        return os.readlink(under(root, path)) == "/dev/null"
    except OSError:
        return os.path.isfile(under(root, path)) and os.path.getsize(under(root, path)) == 0


def _drop_ins(root: str, unit: str) -> Iterable[str]:
    """The unit's drop-ins, sorted by name; of two with the same name, the earlier in the load path."""
    found = {
        name: f"{each}/{unit}.d/{name}"
        for each in reversed(_UNIT_DIRECTORIES)
        for name in names_in(root, f"{each}/{unit}.d")
        if name.endswith(".conf")
    }
    return [found[name] for name in sorted(found)]


def _burst(root: str) -> Optional[str]:
    """What repeated Ctrl-Alt-Del does; None without systemd."""
    if not any(names_in(root, each) for each in _UNIT_DIRECTORIES):
        return None
    return (setting(root, "system", "CtrlAltDelBurstAction") or "reboot-force").lower()


def _number(root: str, path: str) -> Optional[int]:
    line = read_line(root, path)
    try:
        return int(line) if line is not None else None
    except ValueError:
        return None
