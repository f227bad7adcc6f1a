# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make boot file systems writable while somebody needs that, and then read-only again.

This affects only file systems that the role governs and that were read-only; one that was writable before stays so.
The journal is written and the watcher runs before anything becomes writable, so a process that dies at any moment
leaves nothing writable behind.
"""

from __future__ import annotations

import fcntl
import os
import syslog
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Callable, Optional

from .._base import background
from .._base.errors import EdgesecError, Malformed
from .._base.files import write_atomic
from .._base.places import BOOT_WINDOW
from .._base.processes import Process
from .._base.roll_back import Step, cause, go_back
from .._base.tools import run
from .._disk.mountinfo import Mount, mounted_at, parse_mountinfo
from .._disk.open_for_writing import writers_on
from .._disk.remount import is_shared, remount
from .journal import GOVERNED, STATE, Holder, Opened, Refusal, State, parse, parse_governed

WAKE = f"/{BOOT_WINDOW}/wake"

_LOCK_SECONDS = 90.0
# The directory of the library that this code runs from.
_LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def now() -> float:
    """Seconds since the boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def open_window(holder: Holder) -> tuple[str, ...]:
    """Make the boot file systems writable until the holder has ended.

    :returns: the mount points that the window keeps writable; empty if all were writable before.
    :raises EdgesecError: some could not be made writable (the others are), or the watcher could not be started.
    """
    paths = governed()
    with _locked():
        before = load()
        read_only = [mount for mount in _mounts_at(paths) if mount.effective_options[0] == "ro"]
        known = {each.path for each in before.opened}
        fresh = [
            Opened(mount.mount_point, "rw" in mount.super_options)
            for mount in read_only
            if mount.mount_point not in known
        ]
        state = before.living(now())._replace(opened=(*before.opened, *fresh), refusal=None).with_holder(holder)
        if not state.opened:
            return ()
        save(state)
        try:
            _require_watcher(state.watcher)
        except EdgesecError as error:
            raise cause(error, go_back([Step("boot window", lambda: close_if_unheld(before))])) from None
        failures = [failure for each in state.opened for failure in _try(_make_writable, each)]
        paths = tuple(each.path for each in state.opened)
        syslog.syslog(syslog.LOG_INFO, f"{', '.join(paths)} made writable: {holder.described(now())}")
    wake()
    if failures:
        raise EdgesecError(
            "boot window", "; ".join(failures), "Check whether the device of the file system is writable"
        )
    return paths


def close_window(ends: Callable[[Holder], bool]) -> Optional[State]:
    """End the holds that C(ends) selects, and make the file systems read-only if no hold is left.

    :returns: the state of the window, or None if everything is read-only.
    """
    with _locked():
        state = load()
        left = close_if_unheld(state._replace(holders=tuple(each for each in state.holders if not ends(each))))
        if left is not None:
            _require_watcher(left.watcher)
    wake()
    return left


def look() -> Optional[State]:
    """The present state of the window, without holders that have ended; None if no window is open."""
    with _locked():
        state = load()
        return state.living(now()) if state.opened else None


def watched(me: Process) -> Optional[State]:
    """Do one round of the watcher: close the window if nobody needs it any more.

    :returns: the state to keep watching, or None if the window is closed or has another watcher.
    """
    with _locked():
        state = load()
        if state.watcher is not None and state.watcher != me and state.watcher.is_alive():
            return None
        return close_if_unheld(state._replace(watcher=me))


def governed() -> tuple[str, ...]:
    """The mount points that the role boot_mounts governs."""
    try:
        with open(f"/{GOVERNED}", encoding="utf-8", errors="surrogateescape") as file:
            return parse_governed(file.read())
    except FileNotFoundError:
        return ()


def load() -> State:
    """Read the journal. If it is damaged, assume that a window opened every governed file system that is writable.

    :raises Malformed: the list of governed file systems is damaged too.
    """
    try:
        with open(f"/{STATE}", encoding="utf-8", errors="surrogateescape") as file:
            return parse(file.read())
    except FileNotFoundError:
        return State()
    except Malformed as error:
        syslog.syslog(syslog.LOG_ERR, f"{error} All boot file systems will be made read-only.")
        mounts = _mounts()
        writable = [each for each in _mounts_at(governed()) if each.effective_options[0] == "rw"]
        return State(opened=tuple(Opened(each.mount_point, is_shared(each, mounts)) for each in writable))


def save(state: State) -> None:
    """Write the journal atomically."""
    write_atomic(f"/{STATE}", state.text().encode("utf-8", "surrogateescape"), 0o600, os.geteuid(), os.getegid())


def close_if_unheld(state: State) -> Optional[State]:
    """Close the window if nobody holds it, and write the journal. The caller holds the lock.

    :returns: the state of the window, or None if it is closed.
    """
    state = state.living(now())
    if not state.holders:
        kept, failures = [], []
        for each in state.opened:
            seen = list(_try(_make_read_only, each))
            failures += seen
            kept += [each] if seen else []
        refusal = Refusal(state.refusal.attempts + 1 if state.refusal else 1, tuple(failures))
        if failures:
            _log(state.refusal, refusal)
        elif state.opened:
            syslog.syslog(syslog.LOG_INFO, f"{', '.join(each.path for each in state.opened)} made read-only again")
        state = state._replace(opened=tuple(kept), refusal=refusal if failures else None)
    if not state.opened:
        with suppress(FileNotFoundError):
            os.unlink(f"/{STATE}")
        return None
    save(state)
    return state


def wake() -> None:
    """Wake the watcher. One that is just starting will look anyway."""
    with suppress(OSError):
        descriptor = os.open(WAKE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)


def _log(before: Optional[Refusal], refusal: Refusal) -> None:
    if before is None or before.seen != refusal.seen:
        syslog.syslog(syslog.LOG_WARNING, f"{'; '.join(refusal.seen)}. Trying again later.")


def _require_watcher(watcher: Optional[Process]) -> None:
    if watcher is None or not watcher.is_alive():
        command = background.launch("_boot_window.main", _LIBRARY, "watch")
        background.start_restarting(f"boot-window-{os.getpid()}", command)


def _make_writable(each: Opened) -> None:
    _remount(each, "rw")


def _make_read_only(each: Opened) -> None:
    mount = mounted_at(_mounts(), each.path)
    if mount is not None and mount.effective_options[0] == "rw":
        with suppress(EdgesecError):
            run(["sync", "-f", each.path])
        _remount(each, "ro")


def _remount(each: Opened, option: str) -> None:
    mount = mounted_at(_mounts(), each.path)
    if mount is None or mount.effective_options[0] == option:
        return
    remount(mount, [option], bind=each.bind)
    mount = mounted_at(_mounts(), each.path)
    if mount is not None and mount.effective_options[0] != option:
        raise EdgesecError(each.path, f"is still {mount.effective_options[0]} after the remount")


def _try(change: Callable[[Opened], None], each: Opened) -> Iterator[str]:
    try:
        change(each)
    except (EdgesecError, OSError) as error:
        seen = " ".join((error.seen if isinstance(error, EdgesecError) else str(error)).split()).rstrip(".")
        becomes = "writable" if change is _make_writable else "read-only again"
        writers = []
        with suppress(OSError):
            writers = writers_on(each.path) if change is _make_read_only else []
        yield "; ".join([f"{each.path} could not be made {becomes}: {seen}", *(str(writer) for writer in writers)])


def _mounts() -> list[Mount]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return parse_mountinfo(file.read())


def _mounts_at(paths: Sequence[str]) -> list[Mount]:
    mounts = _mounts()
    for path in paths:
        waiting = mounted_at(mounts, path)
        if waiting is not None and waiting.fstype == "autofs":
            # Listing the directory triggers the automount.
            with suppress(OSError):
                os.listdir(path)
            mounts = _mounts()
    found = [mounted_at(mounts, path) for path in paths]
    return [mount for mount in found if mount is not None and mount.fstype != "autofs"]


@contextmanager
def _locked() -> Iterator[None]:
    """Lock the journal.

    :raises EdgesecError: another process holds the lock for too long. A package manager must not wait forever.
    """
    # Create each level by itself: makedirs applies the mode only to the last one.
    for directory in (os.path.dirname(BOOT_WINDOW), BOOT_WINDOW):
        os.makedirs(f"/{directory}", mode=0o700, exist_ok=True)
    deadline = time.monotonic() + _LOCK_SECONDS
    with open(f"/{BOOT_WINDOW}/lock", "w", encoding="ascii") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EdgesecError(
                        f"/{BOOT_WINDOW}/lock",
                        f"has been held by another boot-window for {_LOCK_SECONDS:g} s",
                        "Check whether the boot device still answers",
                    ) from None
                time.sleep(0.02)
        yield
