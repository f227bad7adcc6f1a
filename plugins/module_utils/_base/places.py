# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The paths of the collection on a device: directories, units and mappings.

Paths that are joined to a root directory have no leading C(/).
"""

from __future__ import annotations

LIBRARY = "usr/lib/edgesec"
# Inside the directory of a library. Release 1.0.0 had one library, in LIBRARY itself.
PACKAGE = "edgesec"
ENROLMENTS = "etc/edgesec/tpm"
SWAP_DIRECTORY = "etc/edgesec/swap"
UNDO_DIRECTORY = "/etc/edgesec/undo"
RUN_DIRECTORY = "/run/edgesec"
OUTCOME_DIRECTORY = "/run/edgesec/unlock"
WORK_DIRECTORY = "/run/edgesec/work"
BOOT_WINDOW = "run/edgesec/boot-window"
# Exists while a reload of systemd is still due (_base.systemd_reload).
RELOAD_OWED = "run/edgesec/reload-owed"
UNITS = "etc/systemd/system"
WANTS = "etc/systemd/system/multi-user.target.wants"


def mapper_of(name: str) -> str:
    """The path of a device-mapper mapping."""
    return f"/dev/mapper/{name}"


def escaped(name: str) -> str:
    """Escape the name of a volume for a unit name; the hyphen is the only allowed character that needs it."""
    return name.replace("-", r"\x2d")


def unlock_unit_of(name: str) -> str:
    """The unit of the collection that opens a volume at boot."""
    return f"edgesec-unlock@{name}.service"


def systemd_unit_of(name: str) -> str:
    """The unit that systemd generates from the crypttab line of a volume."""
    return f"systemd-cryptsetup@{escaped(name)}.service"


def links_of(unit: str) -> list[str]:
    """The links, relative to the root, that start a unit such as C(edgesec-unlock@data.service) at boot.

    The file system check requires the unlocker too. If the unlocker fails, systemd drops the check, and with it the
    wait for a mapping that will not appear; without the link the boot would not finish.
    """
    program, _at, name = unit.removesuffix(".service").partition("@")
    check = f"{UNITS}/systemd-fsck@dev-mapper-{escaped(name)}.service.requires/{unit}"
    return [f"{WANTS}/{unit}", *([check] if program == "edgesec-unlock" else [])]
