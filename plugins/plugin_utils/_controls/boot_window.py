# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The control of boot windows: package managers can write to boot file systems that are read-only otherwise."""

from __future__ import annotations

from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.control import (
    Control,
    Finding,
    failed,
    not_applicable,
    passed,
)
from ansible_collections.edgesec.hardening.plugins.plugin_utils._controls.view import View

AREA = "edgesec_boot"


def held(facts: View) -> str:
    """Name the holders of an open boot window, as a suffix for a finding; empty if no window is open."""
    windows = facts.child(AREA).maybe_child("windows")
    if windows is None or not windows.maybe_flag("open"):
        return ""
    return f" (boot window: {', '.join(windows.texts('holders')) or 'about to close'})"


def _read_only(facts: View, policy: View) -> list[str]:
    wanted = policy.texts("boot_mounts_paths")
    found = []
    for mount in facts.child(AREA).children("mounts"):
        lines = [each for each in (mount.maybe_child("runtime"), mount.maybe_child("fstab")) if each is not None]
        if mount.text("path") in wanted and any("ro" in each.texts("options") for each in lines):
            found.append(mount.text("path"))
    return found


def _updates(facts: View, policy: View) -> Finding:
    read_only = _read_only(facts, policy)
    if not read_only:
        return not_applicable("no boot file system is read-only")
    windows = facts.child(AREA).child("windows")
    hooks = windows.children("hooks")
    if not hooks:
        return not_applicable("no installed tool writes to boot file systems")
    if not policy.flag("boot_mounts_windows"):
        left = [hook.text("tool") for hook in hooks if hook.flag("installed")]
        if left:
            return failed(f"hooks for {', '.join(left)}, though boot_mounts_windows is false")
        return failed("no tool has a hook", "Set boot_mounts_windows to true")
    wrong = [f"boot-window does not manage {path}" for path in read_only if path not in windows.texts("paths")]
    unlocker = facts.child("edgesec_platform").child("unlocker")
    if not windows.flag("program") or unlocker.maybe_text("digest") != policy.text("unlocker_digest"):
        wrong.append("boot-window is missing, or from another version")
    wrong += [f"{hook.text('tool')} has no hook" for hook in hooks if not hook.flag("installed")]
    if wrong:
        return failed(", ".join(wrong))
    lacking = {hook.text("tool"): hook.maybe_text("lacks") for hook in hooks}
    needed = {tool: package for tool, package in lacking.items() if package}
    if needed:
        return failed(
            ", ".join(f"{tool} reads its hook only if {package} is installed" for tool, package in needed.items()),
            f"Install {', '.join(needed.values())}",
        )
    return passed(f"hooks for {', '.join(dict.fromkeys(hook.text('tool') for hook in hooks))}")


CONTROL = Control(
    id="boot.mounts.updates",
    title="Package managers make read-only boot file systems writable only while they need it",
    recommendation="3.1.2.3.2",
    expected="a hook for each installed tool",
    remedy="Run harden",
    role="boot_mounts",
    topic="read_only_boot",
    source=AREA,
    check=_updates,
)
