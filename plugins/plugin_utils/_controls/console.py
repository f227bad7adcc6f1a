# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the console: what it gives to whoever stands before the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ansible_collections.edgesec.hardening.plugins.module_utils._boot.kernel_command_line import DRACUT_OFF, value
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.boot import AREA
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Control,
    Finding,
    combined,
    failed,
    guarded,
    not_applicable,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

ROLE = "boot_console"
KEEP = "keep"
_SIGNED = "Build it into the unified kernel image ({}): the command line is signed with it"
# The only one that the role makes anew.
_GRUB = "/boot/grub/grub.cfg"


def _console(check: Callable[[View, View, View], Finding]) -> Callable[[View, View], Finding]:
    """A check of the console; a container has none of its own."""

    def whole(facts: View, policy: View) -> Finding:
        console = facts.child(AREA).child("console")
        if console.flag("container"):
            return not_applicable("kernel and console are those of the container's host")
        return check(facts.child(AREA), console, policy)

    return whole


def _asked(policy: View, variable: str) -> Optional[str]:
    """None where the role acts, or else what a person can do."""
    return None if policy.flag(variable) else f"Set {variable}: true"


def _editor(_boot: View, console: View, policy: View) -> Finding:
    def check(editor: View) -> Finding:
        by_hand = _asked(policy, "boot_console_editor")
        if editor.text("loader") == "grub" and editor.text("path") != _GRUB:
            by_hand = "Set superusers, and --unrestricted in each entry, by the tools of the distribution"
        if editor.flag("open"):
            return failed("anybody may edit the command line", by_hand)
        # An entry that asks for a password does not boot while nobody is there.
        restricted = editor.texts("restricted_entries")
        if restricted:
            return failed(f"asks for a password before it starts {'; '.join(restricted)}", by_hand)
        return passed("closed")

    findings = [
        (editor.text("path"), guarded(lambda editor=editor: check(editor)))  # type: ignore[misc]
        for editor in console.children("editors")
    ]
    return combined(findings, "no configuration of a loader with an editor was found")


def _emergency(_boot: View, console: View, policy: View) -> Finding:
    by_hand = None
    if policy.text("boot_console_emergency") == KEEP:
        by_hand = "Set boot_console_emergency: reboot, or poweroff"
    shells = console.child("shells")
    units = {unit: shells.maybe_flag(unit) for unit in ("emergency.service", "rescue.service")}
    if all(shell is None for shell in units.values()):
        return not_applicable("there are no units of systemd for it")
    findings = [
        (unit, failed("gives a shell, for root's password or for none", by_hand) if shell else passed("no shell"))
        for unit, shell in ((unit, shells.flag(unit)) for unit in units)
    ]
    return combined(findings, "")


def _debug_shell(_boot: View, console: View, policy: View) -> Finding:
    masked = console.maybe_flag("debug_shell_masked")
    if masked is None:
        return not_applicable("there is no debug-shell.service")
    return passed("masked") if masked else failed("not masked", _asked(policy, "boot_console_debug_shell"))


def _burst(_boot: View, console: View, policy: View) -> Finding:
    action = console.maybe_text("ctrl_alt_del_burst")
    if action is None:
        return not_applicable("there is no systemd")
    return passed("none") if action == "none" else failed(action, _asked(policy, "boot_console_ctrl_alt_del"))


def _panic(_boot: View, console: View, policy: View) -> Finding:
    wanted = policy.number("boot_console_panic")
    by_hand = None if wanted > 0 else "Set boot_console_panic to the seconds after which it reboots"
    seconds, oops = console.number("panic_seconds"), console.number("panic_on_oops")
    # Below zero it reboots at once.
    if seconds == 0:
        return failed("stands still after a panic", by_hand)
    if oops != 1:
        return failed("goes on after an oops, in an unknown state", by_hand)
    return passed(f"kernel.panic={seconds}")


def _initramfs(boot: View, console: View, policy: View) -> Finding:
    line = boot.text("cmdline")
    if console.flag("dracut"):
        option, closed = "rd.shell=0 rd.emergency=reboot", value(line, "rd.shell") in DRACUT_OFF
    else:
        option = f"panic={policy.number('boot_console_panic') or 30}"
        seconds = value(line, "panic") or "0"
        closed = seconds.lstrip("-").isdecimal() and int(seconds) != 0
    if closed:
        return passed("reboots when the root file system is not found")
    by_hand: Optional[str] = f"Put {option} into the command line"
    if boot.maybe_flag("uki"):
        by_hand = _SIGNED.format(option)
    elif not console.flag("dracut") and any(each.maybe_text("path") == _GRUB for each in boot.children("layout")):
        by_hand = None if policy.number("boot_console_panic") > 0 else "Set boot_console_panic"
    return failed(f"without {option}: a shell of root where the root file system is not found", by_hand)


CONTROLS = (
    Control(
        id="boot.console.editor_closed",
        title="The menu of the loader lets nobody edit the kernel's command line, and boots without a password",
        recommendation="3.1.2.3.1",
        expected="systemd-boot with editor no; GRUB with superusers, and entries that are --unrestricted",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_editor),
    ),
    Control(
        id="boot.console.emergency_closed",
        title="A boot that fails ends in no shell",
        recommendation="3.1.2.3.1",
        expected="emergency.service and rescue.service without a shell",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_emergency),
    ),
    Control(
        id="boot.console.debug_shell_masked",
        title="No option of the command line opens a shell of root beside the system",
        recommendation="3.1.2.3.1",
        expected="debug-shell.service masked",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_debug_shell),
    ),
    Control(
        id="boot.console.ctrl_alt_del",
        title="Pressing Ctrl-Alt-Del many times does not cut the system off",
        recommendation="3.1.2.3.1",
        expected="CtrlAltDelBurstAction=none",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_burst),
    ),
    Control(
        id="boot.console.panic",
        title="A kernel that panics or oopses reboots",
        recommendation="3.1.2.3.1",
        expected="kernel.panic other than 0, and kernel.panic_on_oops 1",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_panic),
    ),
    Control(
        id="boot.console.initramfs_closed",
        title="An initramfs that does not find the root file system gives no shell",
        recommendation="3.1.2.3.1",
        expected="panic= in the command line; with dracut rd.shell=0",
        remedy="Run harden, and reboot",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_initramfs),
    ),
)
