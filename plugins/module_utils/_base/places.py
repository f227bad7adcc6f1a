# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Where everything of ours is on a device: directories, units and mappings.

Directories that are looked for below a root have no C(/) before them.
"""

from __future__ import annotations

LIBRARY = "usr/lib/edgesec"
# In the directory of a library. Release 1.0.0 had one library, in LIBRARY itself.
PACKAGE = "edgesec"
ENROLMENTS = "etc/edgesec/tpm"
SWAP_DIRECTORY = "etc/edgesec/swap"
UNDO_DIRECTORY = "/etc/edgesec/undo"
RUN_DIRECTORY = "/run/edgesec"
OUTCOME_DIRECTORY = "/run/edgesec/unlock"
WORK_DIRECTORY = "/run/edgesec/work"
BOOT_WINDOW = "run/edgesec/boot-window"
# Is there while systemd has to read its units again and could not (_base.systemd_reload).
RELOAD_OWED = "run/edgesec/reload-owed"
UNITS = "etc/systemd/system"
WANTS = "etc/systemd/system/multi-user.target.wants"


def mapper_of(name: str) -> str:
    """The path of the mapping with a name."""
    return f"/dev/mapper/{name}"


def escaped(name: str) -> str:
    """The name of a volume as a part of the name of a unit; of what it can hold, one character is escaped."""
    return name.replace("-", r"\x2d")


def unlock_unit_of(name: str) -> str:
    """The unit of ours that opens a volume at boot."""
    return f"edgesec-unlock@{name}.service"


def systemd_unit_of(name: str) -> str:
    """The unit that systemd makes of the line of a volume."""
    return f"systemd-cryptsetup@{escaped(name)}.service"


def links_of(unit: str) -> list[str]:
    """The links, below the root of a device, that have a unit started at boot, as C(edgesec-unlock@data.service).

    The check of a file system requires the unlocker of its volume too: where that fails, systemd gives up the check and
    with it the wait for a mapping that will not come, which would keep the boot from ending.
    """
    program, _at, name = unit.removesuffix(".service").partition("@")
    check = f"{UNITS}/systemd-fsck@dev-mapper-{escaped(name)}.service.requires/{unit}"
    return [f"{WANTS}/{unit}", *([check] if program == "edgesec-unlock" else [])]
