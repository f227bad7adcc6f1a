# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Observe where temporary files, core dumps and the journal go: to memory, to dm-crypt or to neither."""

from __future__ import annotations

import posixpath
from typing import Any, Optional

from .._base.tree import is_directory, is_executable, names_in, read_line, read_text
from .observe import place_of

TEMPORARY = tuple(f"/{name}" for name in ("tmp", "var/tmp"))
PATTERN = "/proc/sys/kernel/core_pattern"
JOURNAL = "/var/log/journal"
_JOURNAL_IN_MEMORY = "/run/log/journal"
_COLLECTOR = "/usr/lib/systemd/systemd-coredump"
_COLLECTED = "/var/lib/systemd/coredump"
_NOTHING = ("/bin/false", "/usr/bin/false", "/bin/true", "/usr/bin/true")


def collect(root: str, *, plain: bool) -> dict[str, Any]:
    """The part of the fact C(edgesec_storage) on temporary files, core dumps and the journal.

    :param plain: whether any writable file system is in clear.
    """
    journal = _journal(root)
    return {
        "temporary": [place_of(root, path) for path in TEMPORARY],
        "core_dumps": _core_dumps(root, journal, plain),
        "journal": journal,
    }


def setting(root: str, name: str, key: str) -> Optional[str]:
    """The value of a key in a systemd configuration file and its drop-ins; the last one counts (systemd.syntax(7))."""
    directories = [f"{top}/{name}.conf.d" for top in ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")]
    drop_ins = {
        file: f"{each}/{file}" for each in directories for file in names_in(root, each) if file.endswith(".conf")
    }
    found = None
    for path in (f"/etc/systemd/{name}.conf", *(drop_ins[file] for file in sorted(drop_ins))):
        for line in (read_text(root, path) or "").splitlines():
            word, separator, value = line.partition("=")
            if separator and word.strip() == key:
                found = value.strip()
    return found


def _journal(root: str) -> dict[str, Any]:
    storage = (setting(root, "journald", "Storage") or "auto").lower()
    on_disk = storage == "persistent" or (storage == "auto" and is_directory(root, JOURNAL))
    disk = place_of(root, JOURNAL)
    return {
        **(disk if on_disk else place_of(root, _JOURNAL_IN_MEMORY)),
        "present": is_directory(root, "/run/systemd/journal"),
        "off": storage == "none",
        # An older journal on the disk stays until somebody removes it.
        "left_over": not on_disk and disk["encrypted"] is False and _has_files(root, JOURNAL),
    }


def _has_files(root: str, path: str) -> bool:
    return any(names_in(root, f"{path}/{machine}") for machine in names_in(root, path))


def _core_dumps(root: str, journal: dict[str, Any], plain: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "pattern": read_line(root, PATTERN),
        "off": False,
        "memory": None,
        "encrypted": None,
        "writable": True,
        "collector": is_executable(root, _COLLECTOR),
        # In a container, the pattern is the host's.
        "container": read_line(root, "/run/systemd/container") is not None,
        "reason": None,
        "source": [PATTERN, "/etc/systemd/coredump.conf"],
    }
    pattern = facts["pattern"]
    if pattern is None:
        facts.update(off=None, reason=f"{PATTERN} cannot be read")
    elif pattern.startswith("|"):
        _piped(root, journal, facts, (pattern[1:].split() or [""])[0])
    elif not pattern:
        # core(5): with an empty pattern and no PID, no file is written.
        facts.update(off=read_line(root, "/proc/sys/kernel/core_uses_pid") == "0", memory=False, encrypted=not plain)
    elif pattern.startswith("/"):
        facts.update(_where(place_of(root, posixpath.dirname(pattern))))
    else:
        facts.update(memory=False, encrypted=not plain, reason="they go to the working directory of the process")
    return facts


def _piped(root: str, journal: dict[str, Any], facts: dict[str, Any], program: str) -> None:
    if program in _NOTHING:
        facts["off"] = True
    elif posixpath.basename(program) != posixpath.basename(_COLLECTOR):
        facts["reason"] = f"they are piped to {program or 'no program'}, and it is not known where that stores them"
    else:
        storage = (setting(root, "coredump", "Storage") or "external").lower()
        facts["off"] = storage == "none"
        facts.update(_where(journal if storage == "journal" else place_of(root, _COLLECTED)))


def _where(place: dict[str, Any]) -> dict[str, Any]:
    return {name: place[name] for name in ("memory", "encrypted", "writable", "reason")}
