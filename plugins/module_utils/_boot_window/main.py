# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Make read-only boot file systems writable for a while.

Runs on the device as C(/usr/lib/edgesec/boot-window), called by hooks of package managers and by people. The window
closes when its last holder has closed it, has ended, was killed, or has used up its time.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import syslog
import time
from typing import Optional

from .._base.errors import EdgesecError, Refused
from .._base.processes import identify, myself
from .journal import Holder, State
from .watcher import watch
from .window import close_window, governed, look, now, open_window

_FAILED, _OPEN, _NOT_CLOSED, _NO_COMMAND = 1, 3, 4, 127
_PERSONS_SECONDS = 15 * 60
_LONGEST_SECONDS = 24 * 60 * 60
_PERSON = "by hand"


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code.

    0 for success, 1 for failure, 2 for wrong usage. C(status) returns 0 if no window is open and 3 if one is. Both
    C(status) and C(close) return 4 if nobody needs the window any more but it could not be closed yet.
    """
    options = _parser().parse_args(arguments)
    syslog.openlog("edgesec-boot-window", syslog.LOG_PID, syslog.LOG_DAEMON)
    try:
        if os.geteuid() != 0:
            raise Refused("boot-window", "works only for root", "Run it with sudo")
        return int(options.work(options))
    except (EdgesecError, OSError) as error:
        sys.stderr.write(f"edgesec: {error}\n")
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("boot-window", description=str(__doc__).split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    opening = commands.add_parser("open", help="make them writable, for a time or until a process ends")
    opening.add_argument("--reason", default=_PERSON, metavar="TEXT", help="what for; status shows it")
    opening.add_argument("--holder", type=_pid, metavar="PID", help="the process whose end closes the window")
    opening.add_argument("--for", type=_seconds, dest="seconds", metavar="SECONDS", help="the longest it stays open")
    opening.set_defaults(work=_open)
    closing = commands.add_parser("close", help="end the windows that people have opened, or only the given one")
    which = closing.add_mutually_exclusive_group()
    which.add_argument("--holder", type=_pid, metavar="PID", help="end the window of this process")
    which.add_argument("--reason", metavar="TEXT", help="end the window opened with this reason and without a process")
    closing.set_defaults(work=_close)
    running = commands.add_parser("run", help="make them writable while a command runs")
    running.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    running.set_defaults(work=_run)
    status = commands.add_parser("status", help="say whether a window is open, and for whom")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.set_defaults(work=_status)
    commands.add_parser("watch", help="used by the program itself").set_defaults(work=_watch)
    return parser


def _pid(text: str) -> int:
    number = int(text)
    if number <= 1:
        raise argparse.ArgumentTypeError("this process never ends")
    return number


def _seconds(text: str) -> int:
    number = int(text)
    if not 0 < number <= _LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"give 1 to {_LONGEST_SECONDS} seconds")
    return number


def _open(options: argparse.Namespace) -> int:
    process = None
    seconds = options.seconds
    if options.holder is None:
        seconds = seconds or _PERSONS_SECONDS
    else:
        process = identify(options.holder)
        if process is None:
            raise Refused(f"process {options.holder}", "is not running", "Name a running process, or omit --holder")
    paths = open_window(Holder(options.reason, process, None if seconds is None else now() + seconds))
    if process is None:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + (seconds or 0)))
        _say(f"writable until {until}: {', '.join(paths)}" if paths else _nothing())
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _nothing() -> str:
    paths = governed()
    if not paths:
        return "the role boot_mounts manages no boot file system"
    return f"already writable, left unchanged: {', '.join(paths)}"


def _close(options: argparse.Namespace) -> int:
    def ends(holder: Holder) -> bool:
        if options.holder is not None:
            return holder.process is not None and holder.process.pid == options.holder
        return holder.process is None and options.reason in (None, holder.reason)

    left = close_window(ends)
    if left is not None and left.refusal is not None:
        sys.stderr.write("".join(f"edgesec: {seen}. Trying again later.\n" for seen in left.refusal.seen))
        return _NOT_CLOSED
    if left is not None and options.holder is None:
        _say(_described(left))
    return 0


def _run(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        sys.stderr.write("usage: boot-window run COMMAND [ARGUMENT ...]\n")
        return 2
    open_window(Holder(" ".join(command), myself(), None))
    # Python ignores SIGPIPE, and the command would inherit that.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        # exec keeps the process: when it ends, for any reason, the window closes.
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"edgesec: {command[0]}: {error.strerror}\n")
        return _NO_COMMAND


def _status(options: argparse.Namespace) -> int:
    state = look()
    if options.json:
        _say(json.dumps(_facts(state)))
    else:
        _say(_described(state) if state else "no boot window is open")
    if state is None:
        return 0
    return _NOT_CLOSED if state.refusal is not None else _OPEN


def _described(state: State) -> str:
    holders = [holder.described(now()) for holder in state.holders]
    lines = [f"writable: {', '.join(each.path for each in state.opened)}", *(f"held: {each}" for each in holders)]
    return "\n".join([*lines, *(state.refusal.seen if state.refusal else ())])


def _facts(state: Optional[State]) -> dict[str, object]:
    return {
        "open": state is not None,
        "paths": [each.path for each in state.opened] if state else [],
        "holders": [holder.described(now()) for holder in state.holders] if state else [],
        "refused": list(state.refusal.seen) if state and state.refusal else [],
    }


def _watch(_options: argparse.Namespace) -> int:
    watch()
    return 0
