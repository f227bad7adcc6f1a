# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The journal of a boot window: its holders, the file systems it made writable, and its watcher.

It is in memory (/run): a power cut removes it, and fstab alone then decides how things are mounted. Times are seconds
of CLOCK_BOOTTIME, which a change of the date does not affect.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import Malformed
from .._base.places import BOOT_WINDOW
from .._base.processes import Process

STATE = f"{BOOT_WINDOW}/state.json"
GOVERNED = "etc/edgesec/boot-mounts.json"

_VERSION = 1


class Holder(NamedTuple):
    """A reason to keep the boot file systems writable.

    :ivar reason: text for people.
    :ivar process: the process whose end ends the hold, or None.
    :ivar until: the time at which the hold ends at the latest, or None.
    """

    reason: str
    process: Optional[Process]
    until: Optional[float]

    def is_live(self, now: float) -> bool:
        """Whether the holder still needs the window."""
        return (self.until is None or now < self.until) and (self.process is None or self.process.is_alive())

    def described(self, now: float) -> str:
        """Describe the holder for people."""
        words = [self.reason]
        if self.process is not None:
            words.append(f"(process {self.process.pid})")
        if self.until is not None:
            words.append(f"for {max(0, math.ceil(self.until - now))} s more")
        return " ".join(words)


class Opened(NamedTuple):
    """A file system that the window made writable.

    :ivar bind: whether only the mount was read-only, not its file system.
    """

    path: str
    bind: bool


class Refusal(NamedTuple):
    """Failed attempts to close the window: how many, and what was seen at the last one."""

    attempts: int
    seen: tuple[str, ...]


class State(NamedTuple):
    """The state of a window."""

    opened: tuple[Opened, ...] = ()
    holders: tuple[Holder, ...] = ()
    watcher: Optional[Process] = None
    refusal: Optional[Refusal] = None

    def living(self, now: float) -> State:
        """This state without the holders that have ended."""
        return self._replace(holders=tuple(holder for holder in self.holders if holder.is_live(now)))

    def with_holder(self, holder: Holder) -> State:
        """This state plus one holder. One hold per process, or per reason when there is no process."""
        others = [each for each in self.holders if not _is_same(each, holder)]
        return self._replace(holders=(*others, holder))

    def text(self) -> str:
        """The text that :func:`parse` reads."""
        document = {
            "v": _VERSION,
            "opened": [each._asdict() for each in self.opened],
            "holders": [{**each._asdict(), "process": _as_object(each.process)} for each in self.holders],
            "watcher": _as_object(self.watcher),
            "refusal": self.refusal._asdict() if self.refusal else None,
        }
        return json.dumps(document)


def _as_object(process: Optional[Process]) -> Optional[dict[str, Any]]:
    return process._asdict() if process else None


def parse(text: str) -> State:
    """Parse a journal.

    :raises Malformed: the text is not a journal.
    """
    try:
        document = json.loads(text)
        if _keys(document, "v", "opened", "holders", "watcher", "refusal")["v"] != _VERSION:
            raise ValueError("version")
        return State(
            opened=tuple(_opened(each) for each in _list(document["opened"])),
            holders=tuple(_holder(each) for each in _list(document["holders"])),
            watcher=_process(document["watcher"]),
            refusal=_refusal(document["refusal"]),
        )
    except (ValueError, RecursionError) as error:
        raise Malformed(f"/{STATE}", f"is not a valid journal of a boot window ({error})") from None


def governed_text(paths: Sequence[str]) -> str:
    """The text of the public file that lists the mounts that a window may make writable."""
    return json.dumps({"v": _VERSION, "paths": list(paths)}) + "\n"


def parse_governed(text: str) -> tuple[str, ...]:
    """Parse the mount points in that file.

    :raises Malformed: it does not list mounts.
    """
    try:
        document = _keys(json.loads(text), "v", "paths")
        if document["v"] != _VERSION:
            raise ValueError("version")
        return tuple(_path(path) for path in _list(document["paths"]))
    except (ValueError, RecursionError) as error:
        raise Malformed(
            f"/{GOVERNED}", f"is not a valid list of boot mounts ({error})", "Run the role boot_mounts again"
        ) from None


def _is_same(one: Holder, other: Holder) -> bool:
    if one.process is None and other.process is None:
        return one.reason == other.reason
    return one.process == other.process


def _opened(value: Any) -> Opened:
    fields = _keys(value, "path", "bind")
    if not isinstance(fields["bind"], bool):
        raise ValueError("bind")
    return Opened(_path(fields["path"]), fields["bind"])


def _holder(value: Any) -> Holder:
    fields = _keys(value, "reason", "process", "until")
    until = None if fields["until"] is None else _time(fields["until"])
    process = _process(fields["process"])
    if process is None and until is None:
        raise ValueError("a holder that never ends")
    return Holder(_text(fields["reason"]), process, until)


def _process(value: Any) -> Optional[Process]:
    if value is None:
        return None
    fields = _keys(value, "pid", "start")
    return Process(_number(fields["pid"]), _number(fields["start"]))


def _refusal(value: Any) -> Optional[Refusal]:
    if value is None:
        return None
    fields = _keys(value, "attempts", "seen")
    return Refusal(_number(fields["attempts"]), tuple(_text(each) for each in _list(fields["seen"])))


def _keys(value: Any, *names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"not an object with {', '.join(names)}")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value


def _path(value: Any) -> str:
    if not _text(value).startswith("/") or "\0" in value or not value.strip("/"):
        raise ValueError("not the path of a mount")
    return str(value)


def _time(value: Any) -> float:
    if isinstance(value, float) and math.isfinite(value):
        return value
    return float(_number(value))


def _number(value: Any) -> int:
    # The kernel counts in 64 bits.
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 64:
        raise ValueError("not a number")
    return value
