# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The part of this library that is copied to the device and runs at boot, and its systemd units."""

from __future__ import annotations

import hashlib
import os

DIRECTORY = "usr/lib/edgesec"
PACKAGE = "usr/lib/edgesec/edgesec"
CACHE = "__pycache__"
# Is there while systemd has to read its units again and could not (_systemd_reload).
RELOAD_OWED = "run/edgesec/reload-owed"
UNITS = "etc/systemd/system"
WANTS = "etc/systemd/system/multi-user.target.wants"

# What the programs of the boot import, themselves included: a unit test holds this list against the imports.
MODULES = (
    "_authorization",
    "_background",
    "_blank",
    "_blocks",
    "_boot_file",
    "_boot_window",
    "_boot_window_program",
    "_boot_window_state",
    "_boot_window_watch",
    "_certificates",
    "_cipher",
    "_cli",
    "_cryptsetup",
    "_der",
    "_dm_table",
    "_enrolment",
    "_errors",
    "_event_data",
    "_event_log",
    "_file_access",
    "_files",
    "_going_back",
    "_grub",
    "_header_digest",
    "_header_mac",
    "_key_file",
    "_key_source",
    "_key_token",
    "_latch",
    "_luks2",
    "_luks2_check",
    "_luks2_copies",
    "_luks2_schema",
    "_luks2_text",
    "_luks_header",
    "_mountinfo",
    "_next_boot",
    "_next_boot_check",
    "_next_boot_record",
    "_observe",
    "_pcrs",
    "_pe",
    "_prediction",
    "_process",
    "_public_key",
    "_reencryption",
    "_relocation",
    "_remount",
    "_resume",
    "_same_authority",
    "_sealing",
    "_shrink",
    "_signatures",
    "_slots",
    "_superblock",
    "_swap_boot",
    "_swap_device",
    "_tickets",
    "_token",
    "_tpm2",
    "_tpm_commands",
    "_tpm_policy",
    "_unlock",
    "_unlock_facts",
    "_unlock_outcome",
    "_volume_key",
    "_writers",
)

_LAUNCHER = """\
#!/usr/bin/python3 -IS
# Managed by the edgesec.hardening collection: {purpose}.
import sys

sys.path.insert(0, "/{directory}")

from edgesec.{module} import main

sys.exit(main(sys.argv[1:]))
"""

# Not ordered before anything but the mount: a failure must not hold up the boot.
_UNIT = """\
# Managed by the edgesec.hardening collection.
[Unit]
Description={description}
Documentation=man:cryptsetup(8)
DefaultDependencies=no
After=systemd-remount-fs.service systemd-udevd.service systemd-tmpfiles-setup-dev.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/edgesec/{program} %i
{afterwards}TimeoutStartSec=90
StandardInput=null
MemoryMax=256M
TasksMax=32
UMask=0077
{mounts}NoNewPrivileges=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

# Each says what it has to say, and never fails what has called it.
HOOKS = {
    "etc/apt/apt.conf.d/90edgesec": (
        """\
// Managed by the edgesec.hardening collection: says whether the next boot is approved.
DPkg::Post-Invoke { "if [ -x /usr/lib/edgesec/next-boot ]; then /usr/lib/edgesec/next-boot || true; fi"; };
""",
        0o644,
    ),
    "etc/kernel/install.d/95-edgesec.install": (
        """\
#!/bin/sh
# Managed by the edgesec.hardening collection: says whether the next boot is approved.
if [ -x /usr/lib/edgesec/next-boot ]; then /usr/lib/edgesec/next-boot || true; fi
""",
        0o755,
    ),
}

# Name of each launcher, its module, and what it does.
LAUNCHERS = {
    "boot-window": ("_boot_window_program", "makes boot file systems writable for a while"),
    "next-boot": ("_next_boot_check", "says whether the next boot is approved"),
    "unlock": ("_unlock", "opens a volume at boot"),
    "swap": ("_swap_boot", "swaps to a device with a key that nobody keeps"),
}
# Whatever ends the unlocker, the kernel's memory killer included, the latch is set.
_LATCH = "ExecStopPost=/usr/lib/edgesec/unlock --latch %i\n"
# Not for swap: the kernel would know it by a path of mounts that end with the unit, and nobody could switch it off.
_OWN_MOUNTS = """\
PrivateNetwork=yes
ProtectSystem=strict
ReadWritePaths=/run -/etc/edgesec
ProtectHome=yes
"""
UNIT_TEXTS = {
    "edgesec-unlock@.service": _UNIT.format(
        program="unlock", description="Unlock the encrypted volume %i", afterwards=_LATCH, mounts=_OWN_MOUNTS
    ),
    "edgesec-swap@.service": _UNIT.format(
        program="swap", description="Swap to the device %i with a random key", afterwards="", mounts=""
    ),
}


def escaped(name: str) -> str:
    """The name of a volume as a part of the name of a unit; of what it can hold, one character is escaped."""
    return name.replace("-", r"\x2d")


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


def launchers(directory: str) -> dict[str, str]:
    """The text of each launcher by name.

    :param directory: where the launchers find the package, below the root.
    """
    return {
        name: _LAUNCHER.format(module=module, purpose=purpose, directory=directory)
        for name, (module, purpose) in LAUNCHERS.items()
    }


def unexpected(root: str) -> list[str]:
    """Paths below the root of what is beside library and launchers: of another release, or of an interrupted run."""
    found = [RELOAD_OWED] if os.path.exists(os.path.join(root, RELOAD_OWED)) else []
    for directory, expected in (
        (DIRECTORY, {os.path.basename(PACKAGE), *LAUNCHERS}),
        (PACKAGE, {CACHE, *file_names()}),
    ):
        path = os.path.join(root, directory)
        if os.path.isdir(path):
            found += [f"{directory}/{name}" for name in sorted(os.listdir(path)) if name not in expected]
    return found


def file_names() -> list[str]:
    """The files of the package on the device."""
    return ["__init__.py", *(f"{module}.py" for module in MODULES)]


def digest_of(sources: dict[str, bytes]) -> str:
    """One SHA-256 over sources by file name."""
    total = hashlib.sha256()
    for name in sorted(sources):
        total.update(name.encode() + b"\0" + hashlib.sha256(sources[name]).digest())
    return total.hexdigest()


def digest(root: str = "/") -> str | None:
    """The digest of what is installed below C(root), or None where nothing is.

    Anything beside it changes the digest, so that an interrupted installation is brought to its end.
    """
    package = os.path.join(root, PACKAGE)
    try:
        names = [name for name in os.listdir(package) if name.endswith(".py")]
        sources = {}
        for name in names:
            with open(os.path.join(package, name), "rb") as file:
                sources[name] = file.read()
        sources.update((name, b"") for name in unexpected(root))
    except OSError:
        return None
    return digest_of(sources)
