# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The hooks that open a boot window: all known hooks, those that a device's tools need, and their facts.

Each hook names its calling process as the holder, so the window ends with that process even if it is killed. No hook
can make its caller fail. Sources: dpkg(1) for --pre-invoke (dpkg fails if a hook fails, and skips post-invoke if it is
killed); kernel-install(8); Debian's grub-mkconfig, which sources /etc/default/grub.d before it writes; dnf.plugin of
DNF 4; libdnf5-actions(8); systemd.service(5) for "+", which runs outside the unit's file system namespace.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.places import BOOT_WINDOW
from .._base.tree import read_bytes, read_text, under
from .._boot_window.journal import GOVERNED, STATE, Holder, State, parse, parse_governed

_PROGRAM = "usr/lib/edgesec/boot-window"
_MANAGED = "Managed by the edgesec.hardening collection: makes boot file systems writable while"

_DPKG = f"""\
# {_MANAGED} packages change.
pre-invoke=if [ -x /{_PROGRAM} ]; then /{_PROGRAM} open --holder $PPID --reason "dpkg $DPKG_HOOK_ACTION" || true; fi
post-invoke=if [ -x /{_PROGRAM} ]; then /{_PROGRAM} close --holder $PPID || true; fi
"""

_KERNEL_INSTALL = f"""\
#!/bin/sh
# {_MANAGED} a kernel is added or removed.
[ -x /{_PROGRAM} ] || exit 0
holder=$PPID
# From systemd 254 on, a process stands between that ends before kernel-install does.
if [ "$(cat "/proc/$holder/comm")" = "(sd-exec-strv)" ]; then
    holder=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$holder/status")
fi
/{_PROGRAM} open --holder "$holder" --reason kernel-install || true
"""

_GRUB = f"""\
# {_MANAGED} grub-mkconfig runs, which sources this.
if [ -x /{_PROGRAM} ]; then /{_PROGRAM} open --holder $$ --reason grub-mkconfig || true; fi
"""

_DNF4 = f"""\
# {_MANAGED} packages change.
import os
import subprocess

import dnf

_PROGRAM = "/{_PROGRAM}"


def _call(command, *options):
    if os.access(_PROGRAM, os.X_OK):
        subprocess.call([_PROGRAM, command, "--holder", str(os.getpid()), *options])


class EdgesecBootWindow(dnf.Plugin):
    name = "edgesec_boot_window"

    def pre_transaction(self):
        _call("open", "--reason", "dnf")

    def transaction(self):
        _call("close")
"""

_DNF5 = f"""\
# {_MANAGED} packages change.
pre_transaction::::/{_PROGRAM} open --holder ${{pid}} --reason dnf
post_transaction::::/{_PROGRAM} close --holder ${{pid}}
"""

# The mounts that a service may write to are fixed when it starts, before its PID is known.
_FWUPD = f"""\
# {_MANAGED} fwupd runs, which ends when it is idle.
[Service]
ExecStartPre=-+/{_PROGRAM} open --reason fwupd --for 180
ExecStartPost=-+/{_PROGRAM} open --reason fwupd --holder $MAINPID
ExecStartPost=-+/{_PROGRAM} close --reason fwupd
"""

# For a service that ends by itself.
_AROUND = f"""\
ExecStartPre=-+/{_PROGRAM} open --reason {{0}} --for 60
ExecStartPost=-+/{_PROGRAM} close --reason {{0}}
""".format

_BLESS = f"""\
# {_MANAGED} a boot that went well is marked so.
[Service]
{_AROUND("systemd-bless-boot")}"""

# The service clears GRUB's recordfail flag at each boot. It writes even if the flag is not set, and would then fail.
_GRUB_COMMON = f"""\
# {_MANAGED} a boot that went well is recorded for GRUB, where that has noted one which did not.
[Service]
ExecCondition=/bin/sh -c 'grub-editenv /boot/grub/grubenv list | grep -q ^recordfail='
{_AROUND("grub-common")}"""


class Hook(NamedTuple):
    """A file that makes a tool open a boot window.

    :ivar tool: the tool.
    :ivar present: shell patterns of files below the root; any match means that the tool is installed.
    :ivar path: the hook's path below the root; C({}) stands for the path that C(present) matched.
    :ivar needs: shell patterns of files that the tool needs in order to read the hook.
    :ivar package: the package that provides these files.
    """

    tool: str
    present: tuple[str, ...]
    path: str
    text: str
    mode: int = 0o644
    needs: tuple[str, ...] = ()
    package: str = ""

    def paths(self, root: str) -> list[str]:
        """The paths of the hook on a device; none if the tool is not installed."""
        found = [path for pattern in self.present for path in sorted(glob.glob(under(glob.escape(root), pattern)))]
        top = under(root, "")
        return sorted({self.path.format(os.path.relpath(path, top)) for path in found})

    def lacks(self, root: str) -> Optional[str]:
        """The package that the hook needs and that is not installed, or None."""
        there = any(glob.glob(under(glob.escape(root), pattern)) for pattern in self.needs)
        return None if there or not self.needs else self.package


HOOKS = (
    Hook("dpkg", ("usr/bin/dpkg",), "etc/dpkg/dpkg.cfg.d/edgesec-boot-window", _DPKG),
    Hook(
        "dnf",
        ("usr/bin/dnf5",),
        "etc/dnf/libdnf5-plugins/actions.d/edgesec-boot-window.actions",
        _DNF5,
        needs=("usr/lib*/libdnf5/plugins/actions.so", "usr/lib/*/libdnf5/plugins/actions.so"),
        package="libdnf5-plugin-actions",
    ),
    Hook("dnf 4", ("usr/lib/python3*/*-packages/dnf",), "{}-plugins/edgesec_boot_window.py", _DNF4),
    Hook(
        "kernel-install",
        ("usr/bin/kernel-install", "bin/kernel-install"),
        "etc/kernel/install.d/00-edgesec-boot-window.install",
        _KERNEL_INSTALL,
        0o755,
    ),
    # Only Debian's grub-mkconfig sources further files; update-grub identifies it.
    Hook("grub-mkconfig", ("usr/sbin/update-grub",), "etc/default/grub.d/edgesec-boot-window.cfg", _GRUB),
    Hook(
        "fwupd",
        ("usr/lib/systemd/system/fwupd.service", "lib/systemd/system/fwupd.service"),
        "etc/systemd/system/fwupd.service.d/edgesec-boot-window.conf",
        _FWUPD,
    ),
    Hook(
        "systemd-bless-boot",
        ("usr/lib/systemd/system/systemd-bless-boot.service", "lib/systemd/system/systemd-bless-boot.service"),
        "etc/systemd/system/systemd-bless-boot.service.d/edgesec-boot-window.conf",
        _BLESS,
    ),
    Hook(
        "grub-common",
        ("usr/lib/systemd/system/grub-common.service", "lib/systemd/system/grub-common.service"),
        "etc/systemd/system/grub-common.service.d/edgesec-boot-window.conf",
        _GRUB_COMMON,
    ),
)


def wanted(root: str) -> Iterator[tuple[Hook, str]]:
    """Yield the hooks that the device's tools need, with their paths."""
    for hook in HOOKS:
        for path in hook.paths(root):
            yield hook, path


def installed(root: str) -> list[str]:
    """List the paths, below the root, of all installed hooks, needed or not."""
    static = [hook.path for hook in HOOKS if "{" not in hook.path]
    paths = dict.fromkeys([*static, *(path for _hook, path in wanted(root))])
    return [path for path in paths if os.path.lexists(under(root, path))]


def governed(root: str) -> tuple[str, ...]:
    """The mount points that the boot-window program governs; empty if the list cannot be read."""
    try:
        return parse_governed(read_text(root, GOVERNED) or "")
    except Malformed:
        return ()


def window(root: str) -> Optional[State]:
    """Read the window's state from the journal, including holders that have since ended; None if no window is open.

    :raises Malformed: the journal cannot be parsed.
    """
    data = read_bytes(root, STATE)
    return None if data is None else parse(data.decode("utf-8", "surrogateescape"))


def window_facts(root: str) -> dict[str, Any]:
    """Collect the facts: the hooks, and the window that is open now."""
    hooks = [
        {"tool": hook.tool, "path": f"/{path}", "installed": _is_installed(root, hook, path), "lacks": hook.lacks(root)}
        for hook, path in wanted(root)
    ]
    try:
        state = window(root)
        seen = state is not None or _is_for_us(root)
    except Malformed:
        state, seen = None, False
    return {
        "paths": list(governed(root)),
        "program": os.path.exists(under(root, _PROGRAM)),
        "hooks": hooks,
        "open": state is not None if seen else None,
        "holders": [_holder(each) for each in state.holders] if state else [],
        "refused": list(state.refusal.seen) if state and state.refusal else [],
        "source": [f"/{GOVERNED}", f"/{STATE}", *(str(hook["path"]) for hook in hooks)],
    }


def _is_for_us(root: str) -> bool:
    """Whether this user could see an open window."""
    directory = under(root, os.path.dirname(BOOT_WINDOW))
    return not os.path.lexists(directory) or os.access(directory, os.X_OK)


def _is_installed(root: str, hook: Hook, path: str) -> bool:
    return read_text(root, path) == hook.text and (hook.mode & 0o111 == 0 or os.access(under(root, path), os.X_OK))


def _holder(holder: Holder) -> str:
    return f"{holder.reason} (process {holder.process.pid})" if holder.process else holder.reason
