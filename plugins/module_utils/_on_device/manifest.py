# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The content of the library that is copied to the device and runs at boot, and its systemd units."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from glob import iglob
from typing import Optional

from .._base.places import LIBRARY, PACKAGE, RELOAD_OWED

CACHE = "__pycache__"

# The packages of the boot programs. They are copied to the device whole, and import only each other.
BOOT_PACKAGES = ("_base", "_disk", "_luks", "_tpm", "_boot_window", "_measured_boot", "_unlock")

_LAUNCHER = """\
#!/usr/bin/python3 -IS
# Managed by the edgesec.hardening collection: {purpose}.
import sys

sys.path.insert(0, "/{directory}")

from edgesec.{module} import main

sys.exit(main(sys.argv[1:]))
"""
_LIBRARY = re.compile(f"{PACKAGE}|[0-9a-f]{{16}}")
_NAMED = re.compile(rf'^sys\.path\.insert\(0, "/({LIBRARY}(?:/[0-9a-f]{{16}})?)"\)$', re.MULTILINE)
_ARGVS = ("/proc/[0-9]*/cmdline", "/run/systemd/transient/edgesec-*.service")

# Ordered only before the mount: a failure must not hold up the boot.
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

# Each hook prints its verdict and never makes its caller fail.
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
    "boot-window": ("_boot_window.main", "makes boot file systems writable for a while"),
    "next-boot": ("_unlock.next_boot_main", "says whether the next boot is approved"),
    "unlock": ("_unlock.main", "opens a volume at boot"),
    "swap": ("_unlock.swap_main", "swaps to a device with a random key that is not kept"),
}
# Sets the latch whatever ends the unlocker, even the kernel's out-of-memory killer.
_LATCH = "ExecStopPost=/usr/lib/edgesec/unlock --latch %i\n"
# Not for swap: the kernel would record a path in the unit's own mount namespace, and swapoff would not find it later.
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


def launchers(directory: str) -> dict[str, str]:
    """The text of each launcher by name.

    :param directory: where the launchers find the package, relative to the root.
    """
    return {
        name: _LAUNCHER.format(module=module, purpose=purpose, directory=directory)
        for name, (module, purpose) in LAUNCHERS.items()
    }


def library_of(digest: str) -> str:
    """The directory of the library with a digest, relative to the root; launchers find the package there."""
    return f"{LIBRARY}/{digest[:16]}"


def libraries_in_use(root: str) -> dict[str, Optional[str]]:
    """The directory, relative to the root, where each launcher finds the package; None if a launcher names none."""
    found = {}
    for name in LAUNCHERS:
        text = _read(os.path.join(root, LIBRARY, name)).decode(errors="replace")
        named = _NAMED.search(text)
        found[name] = named[1] if named else None
    return found


def superseded(root: str) -> list[str]:
    """Libraries (relative to the root) that no launcher, running process or restarting unit uses any more."""
    used = libraries_in_use(root).values()
    found = {LIBRARY if name == PACKAGE else f"{LIBRARY}/{name}": name for name in _libraries(root)}
    unused = {library: name for library, name in found.items() if library not in used}
    running = _running(root, tuple(unused))
    return [f"{LIBRARY}/{name}" for library, name in unused.items() if library not in running]


def strays(root: str, library: str, names: Collection[str]) -> list[str]:
    """Paths, relative to the root, that are neither launchers nor libraries: leftovers of an interrupted run.

    :param library: a library whose files are checked too; files from other releases count as strays.
    :param names: the files of that library, by their paths in it.
    """
    found = [RELOAD_OWED] if os.path.exists(os.path.join(root, RELOAD_OWED)) else []
    expected = {LIBRARY: {*LAUNCHERS, *_libraries(root)}, library: {PACKAGE}}
    for name in names:
        *packages, last = name.split("/")
        directory = f"{library}/{PACKAGE}"
        for package in packages:
            expected.setdefault(directory, {CACHE}).add(package)
            directory = f"{directory}/{package}"
        expected.setdefault(directory, {CACHE}).add(last)
    for directory, entries in expected.items():
        path = os.path.join(root, directory)
        if os.path.islink(path):
            found.append(directory)
        elif os.path.isdir(path):
            found += [f"{directory}/{entry}" for entry in sorted(os.listdir(path)) if entry not in entries]
    return sorted(set(found))


def _libraries(root: str) -> list[str]:
    """Names of the directories in LIBRARY that are libraries."""
    path = os.path.join(root, LIBRARY)
    names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    paths = {name: os.path.join(path, name) for name in names if _LIBRARY.fullmatch(name)}
    return [name for name, each in paths.items() if os.path.isdir(each) and not os.path.islink(each)]


def _running(root: str, libraries: tuple[str, ...]) -> set[str]:
    """The libraries named in the argv of a process, or of a unit that systemd would restart."""
    if not libraries:
        return set()
    named = {each: re.compile(re.escape(os.path.join(root, each).encode()) + rb"(?![\w./-])") for each in libraries}
    texts = [_read(path) for pattern in _ARGVS for path in iglob(pattern)]
    return {each for each, pattern in named.items() if any(pattern.search(text) for text in texts)}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def digest_of(sources: Mapping[str, bytes]) -> str:
    """One SHA-256 over all sources, given by their paths in the library."""
    total = hashlib.sha256()
    for name in sorted(sources):
        total.update(name.encode() + b"\0" + hashlib.sha256(sources[name]).digest())
    return total.hexdigest()


def digest(root: str = "/") -> Optional[str]:
    """The digest of the library that the launchers below C(root) run, or None if they run none.

    A missing launcher, one that runs another library, and any stray file change the digest, so an interrupted
    installation is noticed. Complete libraries of former releases do not change it.
    """
    used = libraries_in_use(root)
    libraries = sorted({library for library in used.values() if library is not None})
    if not libraries:
        return None
    try:
        sources = _sources_in(os.path.join(root, libraries[0], PACKAGE))
        wrong = [*libraries[1:], *(name for name, library in used.items() if library is None)]
        wrong += strays(root, libraries[0], sources)
    except OSError:
        return None
    return digest_of({**sources, **dict.fromkeys(wrong, b"")})


def _sources_in(package: str) -> dict[str, bytes]:
    """The sources below a directory, by their paths in it."""
    found = {}
    for directory, _directories, names in os.walk(package, onerror=_cannot_list):
        for path in (os.path.join(directory, name) for name in names if name.endswith(".py")):
            with open(path, "rb") as file:
                found[os.path.relpath(path, package)] = file.read()
    return found


def _cannot_list(error: OSError) -> None:
    raise error
