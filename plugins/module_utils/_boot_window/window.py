# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Making boot file systems writable for as long as somebody needs that, and read-only again.

Only what the role governs, and only what was read-only: a file system that was writable before is left so. What is
about to be made writable is in the journal first, and a watcher runs before it is done, so that whoever dies at
whatever moment leaves nothing writable behind.
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
# The library that this runs from: the directory of its package.
_LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def now() -> float:
    """Seconds since the boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def open_window(holder: Holder) -> tuple[str, ...]:
    """Make the boot file systems writable until the holder has ended.

    :returns: the mount points that are writable for it; none where all were writable before.
    :raises EdgesecError: some could not be made writable, or the window could not be watched. Those that could are.
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
            raise cause(error, go_back([Step("boot window", lambda: settle(before))])) from None
        failures = [failure for each in state.opened for failure in _try(_make_writable, each)]
        paths = tuple(each.path for each in state.opened)
        syslog.syslog(syslog.LOG_INFO, f"{', '.join(paths)} made writable: {holder.described(now())}")
    wake()
    if failures:
        raise EdgesecError("boot window", "; ".join(failures), "See whether the device of the file system is writable")
    return paths


def close_window(ends: Callable[[Holder], bool]) -> Optional[State]:
    """End the holds of some, and make the file systems read-only where they were the last.

    :returns: what is left of the window, or None where all is read-only.
    """
    with _locked():
        state = load()
        left = settle(state._replace(holders=tuple(each for each in state.holders if not ends(each))))
        if left is not None:
            _require_watcher(left.watcher)
    wake()
    return left


def look() -> Optional[State]:
    """The window as it is, without those who have ended; None where there is none."""
    with _locked():
        state = load()
        return state.living(now()) if state.opened else None


def watched(me: Process) -> Optional[State]:
    """One look of the watcher: close what nobody needs any more.

    :returns: what is to be watched further, or None where nothing is, or another watcher does.
    """
    with _locked():
        state = load()
        if state.watcher is not None and state.watcher != me and state.watcher.is_alive():
            return None
        return settle(state._replace(watcher=me))


def governed() -> tuple[str, ...]:
    """The mount points that the role has put in this program's care."""
    try:
        with open(f"/{GOVERNED}", encoding="utf-8", errors="surrogateescape") as file:
            return parse_governed(file.read())
    except FileNotFoundError:
        return ()


def load() -> State:
    """The journal. One that cannot be read says nothing of what was opened: then all that is writable was.

    :raises Malformed: what the role has put in this program's care cannot be read either.
    """
    try:
        with open(f"/{STATE}", encoding="utf-8", errors="surrogateescape") as file:
            return parse(file.read())
    except FileNotFoundError:
        return State()
    except Malformed as error:
        syslog.syslog(syslog.LOG_ERR, f"{error} All boot file systems are made read-only.")
        mounts = _mounts()
        writable = [each for each in _mounts_at(governed()) if each.effective_options[0] == "rw"]
        return State(opened=tuple(Opened(each.mount_point, is_shared(each, mounts)) for each in writable))


def save(state: State) -> None:
    """Write the journal whole."""
    write_atomic(f"/{STATE}", state.text().encode("utf-8", "surrogateescape"), 0o600, os.geteuid(), os.getegid())


def settle(state: State) -> Optional[State]:
    """Close the window if nobody holds it, and write down what is so now; the lock is held.

    :returns: what is left of it.
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
    """Have the watcher look again; one that has not begun yet will look anyway."""
    with suppress(OSError):
        descriptor = os.open(WAKE, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)


def _log(before: Optional[Refusal], refusal: Refusal) -> None:
    if before is None or before.seen != refusal.seen:
        syslog.syslog(syslog.LOG_WARNING, f"{'; '.join(refusal.seen)}. It is tried again.")


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
        raise EdgesecError(each.path, f"is still {mount.effective_options[0]} after it was remounted")


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
            # Its file system is mounted when it is looked into.
            with suppress(OSError):
                os.listdir(path)
            mounts = _mounts()
    found = [mounted_at(mounts, path) for path in paths]
    return [mount for mount in found if mount is not None and mount.fstype != "autofs"]


@contextmanager
def _locked() -> Iterator[None]:
    """Alone with the journal.

    :raises EdgesecError: another one is at it for too long: nobody who installs packages is to wait for ever.
    """
    # One after the other: the mode is that of the last one only.
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
                        "See whether the boot device still answers",
                    ) from None
                time.sleep(0.02)
        yield
