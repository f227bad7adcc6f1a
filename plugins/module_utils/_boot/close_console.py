# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Close what a console offers to anyone in front of it; the device must still boot unattended.

Sources: systemd.service(5), systemd-system.conf(5), loader.conf(5), sysctl.d(5), initramfs-tools(7) (panic=), and the
manual of GRUB, "Security": with superusers set, an entry without --unrestricted asks for a password before it starts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from typing import NamedTuple, Optional

from .._base.errors import EdgesecError, Refused
from .._base.roll_back import Step as Undo
from .._base.roll_back import cause, go_back
from .._base.systemd_reload import reloaded_after
from .._base.tree import is_directory, json_clean, read_line, read_text, under
from .console import DEBUG_SHELL, SHELL_UNITS, editor_setting, is_masked, restricted_entries
from .grub_menu import DEFAULTS, GRUB, MADE, SCRIPT, defaults, generate, script
from .made_writable import put

KEEP = "keep"
_UNITS = "/etc/systemd/system"
_MANAGER = "/etc/systemd/system.conf.d/60-edgesec.conf"
_SYSCTL = "/etc/sysctl.d/60-edgesec-panic.conf"
_EDITOR = re.compile(r"^[ \t]*editor(?:[ \t].*)?$", re.MULTILINE)


class Wanted(NamedTuple):
    """What to close.

    :ivar editor: whether to lock the editors of the boot loader menus.
    :ivar grub_password: user and PBKDF2 hash of the one account that may still edit in GRUB, or None for nobody.
    :ivar emergency: what a failed boot does instead of offering a shell: C(reboot), C(poweroff) or C(keep).
    :ivar delay: seconds to wait before that.
    :ivar panic: seconds after which a kernel panic reboots; 0 leaves the setting alone.
    """

    editor: bool
    grub_password: Optional[tuple[str, str]]
    emergency: str
    delay: int
    debug_shell: bool
    ctrl_alt_del: bool
    panic: int


class Step(NamedTuple):
    """One file before and after; None if absent. A symbolic link is written C(-> TARGET)."""

    path: str
    before: Optional[str]
    after: Optional[str]
    mode: int = 0o644

    @property
    def secret(self) -> bool:
        return self.path in (SCRIPT, GRUB)


class Plan(NamedTuple):
    """The changes to make, in order."""

    root: str
    steps: tuple[Step, ...]
    running: tuple[tuple[str, str], ...]
    grub: bool

    @property
    def changed(self) -> bool:
        return bool(self.steps or self.running or self.grub)

    @property
    def words(self) -> list[str]:
        """The changes in words, for operators."""
        words = [f"{'remove' if step.after is None else 'write'} {step.path}" for step in self.steps]
        words += [f"set {path} to {value}" for path, value in self.running]
        return [*words, *([f"regenerate {GRUB}"] if self.grub else [])]

    def diff(self) -> list[dict[str, str]]:
        """For Ansible's diff; files that hold a password hash are not shown."""
        return [
            json_clean(
                {
                    "before_header": step.path,
                    "after_header": step.path,
                    "before": "" if step.secret else step.before or "",
                    "after": "(not shown)\n" if step.secret and step.after else step.after or "",
                }
            )
            for step in self.steps
        ]

    def apply(self) -> None:
        """Make the changes; restore GRUB's scripts and settings if they yield no usable menu.

        :raises EdgesecError: a change failed.
        """
        units = self.root == "/" and any(step.path.startswith(_UNITS) for step in self.steps)
        with reloaded_after() if units else nullcontext():
            self._write()
        for path, value in self.running:
            _set_now(under(self.root, path), value)

    def _write(self) -> None:
        done: list[Step] = []
        try:
            for step in self.steps:
                done.append(step)
                _put(self.root, step.path, step.after, step.mode)
            if self.grub:
                put(under(self.root, GRUB), generate(), 0o600)
        except EdgesecError as error:
            made = reversed([each for each in done if each.path in MADE])
            raise cause(
                error, go_back(Undo(step.path, partial(_put_before, self.root, step)) for step in made)
            ) from None


def _put_before(root: str, step: Step) -> None:
    _put(root, step.path, step.before, step.mode)


def _set_now(path: str, value: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(value)
    except OSError as error:
        raise EdgesecError(
            path, f"cannot be set to {value}: {error.strerror}", "Reboot the device: the next boot sets it"
        ) from None


def look(wanted: Wanted, loaders: list[str], root: str = "/") -> Plan:
    """Plan the changes.

    :param loaders: paths of each systemd-boot's loader.conf.
    :raises Refused: GRUB would ask for a password before it starts an entry.
    """
    steps = [step for step in _steps(wanted, loaders, root) if step.before != step.after]
    return Plan(root, tuple(steps), tuple(_running(wanted, root)), _grub_is_stale(wanted, steps, root))


def _steps(wanted: Wanted, loaders: list[str], root: str) -> Iterator[Step]:
    for unit in SHELL_UNITS:
        if _has(root, unit):
            text = None if wanted.emergency == KEEP else _no_shell(wanted.emergency, wanted.delay)
            yield _step(root, f"{_UNITS}/{unit}.d/60-edgesec.conf", text)
    if is_masked(root, DEBUG_SHELL) is False and wanted.debug_shell:
        yield _step(root, f"{_UNITS}/{DEBUG_SHELL}", "-> /dev/null")
    if is_directory(root, "/usr/lib/systemd/system") or is_directory(root, "/lib/systemd/system"):
        burst = "[Manager]\nCtrlAltDelBurstAction=none\n" if wanted.ctrl_alt_del else None
        yield _step(root, _MANAGER, _managed(burst))
    panic = f"kernel.panic = {wanted.panic}\nkernel.panic_on_oops = 1\n" if wanted.panic else None
    yield _step(root, _SYSCTL, _managed(panic))
    for path in loaders if wanted.editor else ():
        before = read_text(root, path)
        yield Step(path, before, _editor_off(before or ""))
    if _has_grub(root):
        if wanted.editor:
            _require_unattended(root)
        yield _step(root, SCRIPT, script(wanted.grub_password) if wanted.editor else None, 0o700)
        yield _step(root, DEFAULTS, defaults(wanted.panic) if wanted.panic else None)


def _running(wanted: Wanted, root: str) -> Iterator[tuple[str, str]]:
    # A container runs on its host's kernel.
    if not wanted.panic or read_line(root, "/run/systemd/container") is not None:
        return
    for name, value in (("panic", str(wanted.panic)), ("panic_on_oops", "1")):
        path = f"/proc/sys/kernel/{name}"
        if read_line(root, path) not in (None, value):
            yield path, value


def _grub_is_stale(wanted: Wanted, steps: list[Step], root: str) -> bool:
    """Whether grub.cfg lacks what its scripts and settings produce; somebody may have restored an older file."""
    if not _has_grub(root):
        return False
    text = read_text(root, GRUB) or ""
    lines = [line for line in script(wanted.grub_password).splitlines() if line.startswith(("set ", "password"))]
    if wanted.editor and not all(line in text for line in lines):
        return True
    return any(step.path in MADE for step in steps)


def _require_unattended(root: str) -> None:
    """Refuse if an entry would wait for a password at boot: a remote device would never come up.

    :raises Refused: names these entries.
    """
    # Judge as if our script's line were already there: it lets every entry with an id start.
    stopped = restricted_entries('set menuentry_id_option="--unrestricted"\n' + (read_text(root, GRUB) or ""))
    if stopped:
        raise Refused(
            GRUB,
            f"has entries that would ask for a password before they start: {'; '.join(stopped)}",
            "Add --unrestricted to them (in /etc/grub.d), remove them, or set boot_console_editor: false",
        )


def _has_grub(root: str) -> bool:
    return os.path.isfile(under(root, GRUB)) and os.path.isfile(under(root, "/usr/sbin/grub-mkconfig"))


def _has(root: str, unit: str) -> bool:
    return any(os.path.isfile(under(root, f"{top}/systemd/system/{unit}")) for top in ("/usr/lib", "/lib"))


def _editor_off(text: str) -> str:
    if editor_setting(text) in ("no", "n", "0", "false", "f", "off"):
        return text
    # The last line wins, so remove every earlier one.
    kept = "".join(line for line in text.splitlines(keepends=True) if not _EDITOR.match(line.rstrip("\r\n")))
    return kept + ("" if not kept or kept.endswith("\n") else "\n") + "editor no\n"


def _no_shell(action: str, delay: int) -> str:
    return str(
        _managed(
            f"[Unit]\nFailureAction={action}-force\n\n"
            "[Service]\nType=oneshot\nTimeoutStartSec=infinity\n"
            "StandardInput=null\nStandardOutput=journal+console\nStandardError=inherit\n"
            "ExecStartPre=\nExecStart=\n"
            f'ExecStart=-echo "The system did not start. {action.capitalize()} in {delay} seconds."\n'
            f"ExecStart=sleep {delay}\nExecStart=systemctl --no-block {action}\n"
        )
    )


def _managed(text: Optional[str]) -> Optional[str]:
    return None if text is None else f"# Managed by the edgesec.hardening collection.\n{text}"


def _step(root: str, path: str, after: Optional[str], mode: int = 0o644) -> Step:
    real = under(root, path)
    before = f"-> {os.readlink(real)}" if os.path.islink(real) else read_text(root, path)
    return Step(path, before, after, mode)


def _put(root: str, path: str, text: Optional[str], mode: int) -> None:
    real = under(root, path)
    try:
        if text is None or text.startswith("-> "):
            if os.path.lexists(real):
                os.unlink(real)
            if text is not None:
                os.symlink(text[len("-> ") :], real)
            return
        os.makedirs(os.path.dirname(real), exist_ok=True)
    except OSError as error:
        raise EdgesecError(path, f"cannot be changed: {error.strerror}", "Make its file system writable") from None
    put(real, text.encode("utf-8", "surrogateescape"), mode)
