# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Pure reader of the kernel command line: find the options that undo what the rest of the boot protects.

Several programs read the same line, each by its own rules. An option is dangerous if any of them would act on it:

- the kernel: double quotes keep a word together; everything after C(--) is for the init system only;
- the init system and dracut: the same quotes, the whole line;
- systemd: single and double quotes, the whole line (C(src/basic/proc-cmdline.c));
- the initramfs-tools scripts: no quotes, C(for x in $(cat /proc/cmdline)).

All of them treat C(-) and C(_) in a name as equal, and use the last of several values.

Sources: Linux Documentation/admin-guide/kernel-parameters.txt, bootparam(7), kernel-command-line(7), systemd(1),
systemd-debug-generator(8), systemd-run-generator(8), dracut.cmdline(7), initramfs-tools(7).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

_BY_KERNEL = re.compile(r'(?:"[^"]*(?:"|\Z)|[^\s"])+')
_BY_SYSTEMD = re.compile(r"""(?:"[^"]*(?:"|\Z)|'[^']*(?:'|\Z)|[^\s"'])+""")
_BY_SHELL = re.compile(r"\S+")
_SECRET = re.compile(r"(rd\.)?(systemd\.set_credential(_binary)?|iscsi\.(in\.)?password)")
# The values that dracut's getargbool reads as no.
DRACUT_OFF = ("0", "no", "off")
_DRACUT_SHELL = ("rd.shell", "rdshell")
_OFF = ("0", "n", "no", "f", "false", "off")
_ON = ("1", "y", "yes", "t", "true", "on")
_INIT_DIRECTORIES = ("bin", "sbin", "lib/systemd", "lib/sysvinit")
# Where distributions keep the init system itself (the kernel's own defaults, and paths that images name explicitly).
_INITS = frozenset(
    f"{directory}/{name}"
    for directory in ("", "/etc", *(f"{top}/{name}" for top in ("", "/usr") for name in _INIT_DIRECTORIES))
    for name in ("init", "linuxrc", "preinit", "systemd", "openrc-init", "runit", "runit-init", "dinit")
)
_NIX_INIT = re.compile(r"/nix/store/[^/]+/init")
_SHELL_UNITS = ("rescue", "emergency", "debug-shell", "console-shell", "dracut-emergency", "runlevel1")
_PROTECTING_UNITS = ("apparmor", "auditd", "firewalld", "nftables", "ufw", "usbguard")
_UNIT = re.compile(r"(.+)\.(?:target|service|socket|device|mount|automount|swap|timer|path|slice|scope)")
_MANDATORY = ("selinux", "apparmor", "smack", "tomoyo")
# Each sets the unit to start; the last one wins.
_RUN_LEVELS = ("emergency", "_b", "rescue", "single", "_s", "s", "S", "1", "2", "3", "4", "5")
# Options that add up: every occurrence counts, not only the last.
_COLLECTED = re.compile(
    r"(rd\.)?systemd\.(wants|mask|run|set_credential(_binary)?|mount_extra|swap_extra|pull|break)|rd\.?break|rd\.cmdline"
)
_LOADER_VARIABLES = ("LD_PRELOAD", "LD_AUDIT", "LD_LIBRARY_PATH", "SYSTEMD_UNIT_PATH")

_SHELL = "boots into a shell instead of the system"
_STOPS = "stops in an initramfs shell"
_DEBUG = "opens a root shell on a console"
_COMMAND = "runs a command as root"
_OUTSIDE = "passes secrets and settings to the system from outside"
_KERNEL = "lets root change the running kernel"
_DEBUGGER = "lets a console stop and change the running kernel"
_UNMEDIATED = "turns mandatory access control off"
_UNCHECKED = "accepts files that were changed"
_DMA = "lets devices read and write all memory"
_LEAK = "turns off mitigations for processor vulnerabilities"

Value = Optional[str]
Check = Callable[[Value], bool]


class _Option(NamedTuple):
    """An option: where its word begins, its name with C(_) for C(-), and its value (None if it has none)."""

    at: int
    name: str
    value: Value
    word: str


class _Danger(NamedTuple):
    names: tuple[str, ...]
    is_dangerous: Check
    why: str


def _always(_value: Value) -> bool:
    return True


def _bare(value: Value) -> bool:
    return value is None


def _given(value: Value) -> bool:
    return bool(value)


def _not_off(value: Value) -> bool:
    return value is None or value.lower() not in _OFF


def _off(value: Value) -> bool:
    return value is not None and value.lower() in _OFF


def _one_of(*values: str) -> Check:
    return lambda value: value in values


def _other_init(value: Value) -> bool:
    if not value:
        return False
    path = re.sub("^//", "/", posixpath.normpath(value))
    return path not in _INITS and not _NIX_INIT.fullmatch(path)


def _unit_named(*names: str) -> Check:
    """Return a check whether a unit is one of these; systemd.wants= reads a name without a suffix as a service."""

    def check(value: Value) -> bool:
        found = _UNIT.fullmatch(value or "")
        return (found.group(1) if found else value) in names

    return check


def _masks_protection(value: Value) -> bool:
    return _unit_named(*_PROTECTING_UNITS)(value) or (value or "").startswith("edgesec-")


def _opens_from_outside(value: Value) -> bool:
    name, _separator, setting = (value or "").partition("=")
    return name in _LOADER_VARIABLES or (name == "SYSTEMD_SULOGIN_FORCE" and setting.lower() in _ON)


def _without_mac(value: Value) -> bool:
    return not set((value or "").split(",")) & set(_MANDATORY)


def _both(*names: str) -> tuple[str, ...]:
    """Name systemd options for the system and for the initramfs."""
    return tuple(f"{prefix}systemd.{name}" for name in names for prefix in ("", "rd."))


_OF_KERNEL = (
    _Danger(("init",), _other_init, "starts another program instead of the init system"),
    _Danger(("rdinit",), _other_init, "starts another program instead of the initramfs"),
    _Danger(("lockdown",), _one_of("none"), _KERNEL),
    _Danger(("module.sig_enforce",), _off, _KERNEL),
    _Danger(("kgdboc", "ekgdboc", "kgdboc_earlycon", "kgdbwait"), _always, _DEBUGGER),
    _Danger(("nokaslr",), _always, "loads the kernel at a known address"),
    _Danger(("selinux", "enforcing", "apparmor"), _one_of("0"), _UNMEDIATED),
    _Danger(("security",), _one_of("none"), _UNMEDIATED),
    _Danger(("lsm",), _without_mac, _UNMEDIATED),
    _Danger(("ima_appraise",), _one_of("off", "fix", "log"), _UNCHECKED),
    _Danger(("evm",), _one_of("fix"), _UNCHECKED),
    _Danger(("iommu", "intel_iommu", "amd_iommu"), _one_of("off"), _DMA),
    _Danger(("iommu.passthrough",), _one_of("1"), _DMA),
    _Danger(("efi",), lambda value: "disable_early_pci_dma" in (value or "").split(","), _DMA),
    _Danger(("nosmep", "nosmap", "nopti", "nospectre_v1", "nospectre_v2"), _always, _LEAK),
    _Danger(("mitigations", "pti", "spectre_v2", "spec_store_bypass_disable", "l1tf", "mds"), _one_of("off"), _LEAK),
    _Danger(("tsx_async_abort", "mmio_stale_data", "retbleed", "srbds", "gather_data_sampling"), _one_of("off"), _LEAK),
    _Danger(("kpti",), _off, _LEAK),
)
_OF_INIT = (
    _Danger(("s", "S", "_s", "1", "single", "rescue", "emergency", "_b", "recovery"), _bare, _SHELL),
    _Danger(("rd.emergency", "rd.rescue"), _bare, _STOPS),
    _Danger(("rd.break", "rdbreak"), _always, _STOPS),
    _Danger(("break",), lambda value: value != "", _STOPS),
    _Danger(_DRACUT_SHELL, lambda value: value not in DRACUT_OFF, "opens an initramfs shell when the boot fails"),
    _Danger(("rd.cmdline",), _one_of("ask"), "asks a console for more options"),
    _Danger(_LOADER_VARIABLES, _given, "makes the init system load code from another place"),
    _Danger(("SYSTEMD_SULOGIN_FORCE",), _one_of(*_ON), "opens the emergency shell without a password"),
)
_OF_SYSTEMD = (
    _OF_INIT[0],
    _OF_INIT[1],
    _Danger(_both("unit", "wants"), _unit_named(*_SHELL_UNITS), _SHELL),
    _Danger(_both("debug_shell", "crash_shell"), _not_off, _DEBUG),
    _Danger(_both("confirm_spawn"), _not_off, "lets anyone at the console skip services"),
    _Danger(_both("break"), _not_off, "stops in a shell during boot"),
    _Danger(_both("run"), _given, _COMMAND),
    _Danger(_both("set_credential", "set_credential_binary"), _given, _OUTSIDE),
    _Danger(
        _both("setenv"), _opens_from_outside, "opens the emergency shell without a password, or loads code from outside"
    ),
    _Danger(_both("mask"), _masks_protection, "stops a protecting service from starting"),
    _Danger(_both("mount_extra"), _given, "mounts something that the system's configuration does not name"),
    _Danger(_both("swap_extra"), _given, "swaps to something that the system's configuration does not name"),
    _Danger(_both("pull"), _given, "boots what it downloads"),
    _Danger(_both("verity"), _off, "does not verify the root file system"),
    _Danger(_both("random_seed"), _given, "seeds the random number generator with a value that everyone can read"),
    _Danger(_both("condition_first_boot"), _not_off, "runs the first-boot setup again"),
)
_OF_SHELL = tuple(each for each in (*_OF_KERNEL, *_OF_INIT) if {"init", "rdinit", "break"} & set(each.names))


def _by_name(dangers_of: Sequence[_Danger]) -> Mapping[str, _Danger]:
    return {name: each for each in dangers_of for name in each.names}


_READERS = (
    # The kernel stops at the word --.
    (_BY_KERNEL, True, _by_name(_OF_KERNEL)),
    (_BY_KERNEL, False, _by_name(_OF_INIT)),
    (_BY_SYSTEMD, False, _by_name(_OF_SYSTEMD)),
    (_BY_SHELL, False, _by_name(_OF_SHELL)),
)


def value(line: str, name: str) -> Optional[str]:
    """The last value of an option: empty if it has no value, None if the option is absent."""
    found = [each for each in _options(line, _BY_KERNEL) if each.name == _normal(name)]
    return (found[-1].value or "") if found else None


def dangers(line: str) -> list[dict[str, str]]:
    """List the dangerous options in order, each with the reason. Values that may be secrets are left out."""
    found = {}
    for words, ends, by_name in _READERS:
        for each in _effective(_options(line, words, ends=ends)):
            danger = by_name.get(each.name)
            if danger is not None and danger.is_dangerous(each.value):
                found[each.at, danger.why] = _shown(each)
    return [{"option": option, "why": why} for (_at, why), option in sorted(found.items())]


def without_secrets(line: str) -> str:
    """Remove the values of credentials and passwords from the line."""
    return _BY_SYSTEMD.sub(lambda match: _without_secret(match.group()), line)


def _options(line: str, words: re.Pattern[str], *, ends: bool = False) -> Iterator[_Option]:
    for match in words.finditer(line):
        word = match.group().replace('"', "")
        if words is not _BY_KERNEL:
            word = word.replace("'", "")
        if word == "--":
            if ends:
                return
            continue
        # systemd(1) accepts options such as --unit= and --crash-shell for the same settings.
        plain = f"systemd.{word[2:]}" if words is _BY_SYSTEMD and word.startswith("--") else word
        key, separator, given = plain.partition("=")
        yield _Option(match.start(), _normal(key), given if separator else None, word)


def _effective(options: Iterator[_Option]) -> Iterator[_Option]:
    """Yield the options that take effect: the last of those that set the same thing."""
    last = {_slot(each): each for each in options}
    yield from last.values()


def _slot(option: _Option) -> tuple[str, ...]:
    if _COLLECTED.fullmatch(option.name):
        return (option.name, str(option.at))
    if option.name.endswith("systemd.setenv"):
        return (option.name, (option.value or "").partition("=")[0])
    if (option.value is None and option.name in _RUN_LEVELS) or (
        option.name == "systemd.unit" and _UNIT.fullmatch(option.value or "")
    ):
        return ("the unit that is started",)
    # A bare systemd switch means yes; elsewhere a bare name is another option.
    is_switch = "systemd." in option.name or option.name in _DRACUT_SHELL
    return (option.name,) if is_switch or option.value is not None else (option.name, "alone")


def _without_secret(word: str) -> str:
    key, _separator, given = word.strip("\"'").partition("=")
    if not given or not _SECRET.fullmatch(_normal(key)):
        return word
    name, colon, _value = given.partition(":")
    return f"{key}={name}:..." if colon else f"{key}=..."


def _shown(option: _Option) -> str:
    key = option.word.partition("=")[0]
    if "set_credential" in option.name:
        return key
    return f"{key}={(option.value or '').partition('=')[0]}" if option.name.endswith("setenv") else option.word


def _normal(name: str) -> str:
    return name.replace("-", "_")
