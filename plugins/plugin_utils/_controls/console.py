# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Controls of the console: what it offers to a person at the device."""

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
_SIGNED = "Add {} to the command line of the unified kernel image, which is signed"
# The only configuration that the role regenerates.
_GRUB = "/boot/grub/grub.cfg"


def _console(check: Callable[[View, View, View], Finding]) -> Callable[[View, View], Finding]:
    """Wrap a check of the console; it does not apply to a container."""

    def whole(facts: View, policy: View) -> Finding:
        console = facts.child(AREA).child("console")
        if console.flag("container"):
            return not_applicable("kernel and console belong to the container's host")
        return check(facts.child(AREA), console, policy)

    return whole


def _asked(policy: View, variable: str) -> Optional[str]:
    """None if the role acts; otherwise what a person can do."""
    return None if policy.flag(variable) else f"Set {variable}: true"


def _editor(_boot: View, console: View, policy: View) -> Finding:
    def check(editor: View) -> Finding:
        by_hand = _asked(policy, "boot_console_editor")
        if editor.text("loader") == "grub" and editor.text("path") != _GRUB:
            by_hand = "Set superusers, and --unrestricted in each entry, with the distribution's tools"
        if editor.flag("open"):
            return failed("anyone can edit the command line", by_hand)
        # An entry that asks for a password does not boot unattended.
        restricted = editor.texts("restricted_entries")
        if restricted:
            return failed(f"asks for a password before starting {'; '.join(restricted)}", by_hand)
        return passed("closed")

    findings = [
        (editor.text("path"), guarded(lambda editor=editor: check(editor)))  # type: ignore[misc]
        for editor in console.children("editors")
    ]
    return combined(findings, "no configuration of a boot loader with an editor was found")


def _emergency(_boot: View, console: View, policy: View) -> Finding:
    by_hand = None
    if policy.text("boot_console_emergency") == KEEP:
        by_hand = "Set boot_console_emergency: reboot, or poweroff"
    shells = console.child("shells")
    units = {unit: shells.maybe_flag(unit) for unit in ("emergency.service", "rescue.service")}
    if all(shell is None for shell in units.values()):
        return not_applicable("systemd has no emergency or rescue unit")
    findings = [
        (unit, failed("opens a shell, with or without root's password", by_hand) if shell else passed("no shell"))
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
    by_hand = None if wanted > 0 else "Set boot_console_panic to the seconds before the reboot"
    seconds, oops = console.number("panic_seconds"), console.number("panic_on_oops")
    # A negative value reboots at once.
    if seconds == 0:
        return failed("hangs after a panic", by_hand)
    if oops != 1:
        return failed("continues after an oops, in an unknown state", by_hand)
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
    by_hand: Optional[str] = f"Add {option} to the kernel command line"
    if boot.maybe_flag("uki"):
        by_hand = _SIGNED.format(option)
    elif not console.flag("dracut") and any(each.maybe_text("path") == _GRUB for each in boot.children("layout")):
        by_hand = None if policy.number("boot_console_panic") > 0 else "Set boot_console_panic"
    return failed(f"without {option}: a root shell if the root file system is not found", by_hand)


CONTROLS = (
    Control(
        id="boot.console.editor_closed",
        title="Nobody can edit the kernel command line in the boot menu, and it boots without a password",
        recommendation="3.1.2.3.1",
        expected="systemd-boot with editor no; GRUB with superusers and --unrestricted entries",
        remedy="Run harden",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_editor),
    ),
    Control(
        id="boot.console.emergency_closed",
        title="A failed boot opens no shell",
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
        title="No kernel option starts systemd's root debug shell",
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
        title="Pressing Ctrl-Alt-Del repeatedly does not force the system down",
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
        title="The kernel reboots after a panic or an oops",
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
        title="The initramfs opens no shell if it does not find the root file system",
        recommendation="3.1.2.3.1",
        expected="panic= on the kernel command line; with dracut, rd.shell=0",
        remedy="Run harden, and reboot",
        role=ROLE,
        topic="console",
        source=AREA,
        check=_console(_initramfs),
    ),
)
