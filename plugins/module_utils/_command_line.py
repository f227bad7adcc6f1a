# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of the kernel's command line: which options undo what the rest of the boot protects.

Sources: Linux Documentation/admin-guide/kernel-parameters.txt, kernel-command-line(7), systemd(1), dracut.cmdline(7),
initramfs-tools(7).
"""

from __future__ import annotations

import re
from typing import Optional

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
_SHELL = "boots into a shell in place of the system"
_KERNEL = "lets root change the running kernel"
_UNMEDIATED = "turns mandatory access control off"
_DMA = "lets devices read and write all memory"
_LEAK = "leaves holes of the processor open"
# Names as the kernel compares them, with _ for -; a value of None means whatever it is.
_DANGERS: tuple[tuple[str, Optional[tuple[str, ...]], str], ...] = (
    ("init", None, "starts another program in place of the init system"),
    ("rdinit", None, "starts another program in place of the initramfs"),
    ("single", None, _SHELL),
    ("s", None, _SHELL),
    ("1", None, _SHELL),
    ("rescue", None, _SHELL),
    ("emergency", None, _SHELL),
    ("_b", None, _SHELL),
    ("systemd.unit", ("rescue.target", "emergency.target"), _SHELL),
    ("rd.systemd.unit", ("rescue.target", "emergency.target"), _SHELL),
    ("rd.break", None, "stops in a shell of the initramfs"),
    ("break", None, "stops in a shell of the initramfs"),
    ("systemd.debug_shell", None, "opens a shell of root on a console"),
    ("rd.systemd.debug_shell", None, "opens a shell of root on a console"),
    ("systemd.set_credential", None, "hands the system secrets and settings from outside"),
    ("systemd.setenv", ("SYSTEMD_SULOGIN_FORCE=1",), "opens the emergency shell without a password"),
    ("lockdown", ("none",), _KERNEL),
    ("module.sig_enforce", ("0", "n", "N"), _KERNEL),
    ("nokaslr", None, "puts the kernel where everybody knows"),
    ("selinux", ("0",), _UNMEDIATED),
    ("enforcing", ("0",), _UNMEDIATED),
    ("apparmor", ("0",), _UNMEDIATED),
    ("security", ("none",), _UNMEDIATED),
    ("ima_appraise", ("off", "fix", "log"), "does not refuse files that were changed"),
    ("evm", ("fix",), "does not refuse files that were changed"),
    ("iommu", ("off",), _DMA),
    ("intel_iommu", ("off",), _DMA),
    ("amd_iommu", ("off",), _DMA),
    ("iommu.passthrough", ("1",), _DMA),
    ("mitigations", ("off",), _LEAK),
    ("nosmep", None, _LEAK),
    ("nosmap", None, _LEAK),
    ("nopti", None, _LEAK),
    ("pti", ("off",), _LEAK),
    ("spectre_v2", ("off",), _LEAK),
)


def words(line: str) -> list[str]:
    """The options of a command line; those behind C(--), which are for the init system alone, as well."""
    return [word.replace('"', "") for word in _WORD.findall(line) if word != "--"]


def value(line: str, name: str) -> Optional[str]:
    """What the last of the options with a name says: empty where it has no value, None where it is not there."""
    found = None
    for word in words(line):
        key, _separator, given = word.partition("=")
        if _normal(key) == _normal(name):
            found = given
    return found


def dangers(line: str) -> list[dict[str, str]]:
    """The options that are dangerous, in their order, each with why."""
    found = []
    for word in words(line):
        key, _separator, given = word.partition("=")
        for name, values, why in _DANGERS:
            if _is(name, key) and (values is None or given in values):
                # Values may be secrets: systemd.set_credential has one.
                shown = key if name == "systemd.set_credential" else word
                found.append({"option": shown, "why": why})
    return found


def _is(name: str, key: str) -> bool:
    # Run level S is upper case as well as lower case, all else is as it is written.
    return _normal(key) == name or (name == "s" and key == "S")


def _normal(name: str) -> str:
    return name.replace("-", "_")
