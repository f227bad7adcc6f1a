# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Apply a nucleus's new configuration. On failure, restore the former one and start the nucleus with it."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Sequence
from functools import partial
from typing import Callable, Optional

from .._base.errors import EdgesecError, Refused
from .._base.files import write_atomic
from .._base.managed_files import Change, File, write
from .._base.roll_back import Step, cause, go_back
from .._base.tools import require_tool, run
from .files import CLASSIC_SERVICE, LITE_SERVICE, Wanted
from .settings import CLASSIC, PROVIDER

_SECONDS = 300.0
_LITE_SECONDS = 60.0
_STEP = 0.5


def command_of(wanted: Wanted) -> list[str]:
    """The command that applies the configuration, for operators."""
    if wanted.kind == CLASSIC:
        return [
            *("java", f"-Droot={wanted.root}", "-jar", _jar(wanted), "--start", "false"),
            *("--init-config", wanted.init_config),
        ]
    return ["systemctl", "restart", LITE_SERVICE]


def require_applicable(wanted: Wanted) -> None:
    """Check that applying can succeed before it begins.

    :raises EdgesecError: a part of the nucleus, or a program, is missing.
    """
    require_tool("systemctl")
    if wanted.kind != CLASSIC:
        return
    require_tool("java")
    if not os.path.isfile(_jar(wanted)):
        raise Refused(
            _jar(wanted), "is missing, so nothing can be applied", "Install the nucleus, or set apply to false"
        )
    places = ("plugins/trusted/*{0}*.jar", f"packages/artifacts/{PROVIDER}/*/*.jar")
    if not any(glob.glob(f"{glob.escape(wanted.root)}/{each.format(PROVIDER)}") for each in places):
        raise Refused(
            f"the component {PROVIDER} in {wanted.root}",
            "is missing: without it the nucleus would find no key and stay offline",
            "Deploy it first, or install the nucleus with --trusted-plugin",
        )


def apply(wanted: Wanted, files: Sequence[File], is_in_force: Callable[[], Optional[bool]]) -> None:
    """Make the nucleus apply its configuration, and check that it is in force.

    :param files: the files that were written.
    :raises EdgesecError: the nucleus did not apply it; its former configuration is in force again.
    """
    run(["systemctl", "daemon-reload"])
    if wanted.kind == CLASSIC:
        _apply_classic(wanted, files[0], is_in_force)
    else:
        _apply_lite(wanted, is_in_force)


def restart_classic() -> None:
    """Restart the classic nucleus, so that it uses the certificate just put into the token.

    :raises EdgesecError: it does not run afterwards.
    """
    run(["systemctl", "restart", CLASSIC_SERVICE], timeout=_SECONDS)
    _require_active()


def _apply_classic(wanted: Wanted, file: File, is_in_force: Callable[[], Optional[bool]]) -> None:
    saved = [each for each in map(_saved, _configuration(wanted)) if each is not None]
    run(["systemctl", "stop", CLASSIC_SERVICE], timeout=_SECONDS)
    try:
        # The nucleus compares timestamps: settings newer than this file would win.
        path, text, mode = file
        write([Change(path, "", text, mode)])
        run(command_of(wanted), timeout=_SECONDS)
        if not is_in_force():
            raise EdgesecError(
                f"the nucleus in {wanted.root}", "did not apply the configuration", "Read its log, logs/greengrass.log"
            )
        run(["systemctl", "start", CLASSIC_SERVICE], timeout=_SECONDS)
        _require_active()
    except EdgesecError as error:
        failures = go_back(
            [
                Step(CLASSIC_SERVICE, partial(_systemctl, "stop")),
                *(Step(each[0], partial(_put_back, *each)) for each in saved),
                Step(CLASSIC_SERVICE, partial(_systemctl, "start")),
            ]
        )
        raise cause(error, failures, "its former configuration is in force again") from None


def _systemctl(verb: str) -> None:
    run(["systemctl", verb, CLASSIC_SERVICE], timeout=_SECONDS, ok=range(256))


def _put_back(path: str, data: bytes, seen: os.stat_result) -> None:
    write_atomic(path, data, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)


def _apply_lite(wanted: Wanted, is_in_force: Callable[[], Optional[bool]]) -> None:
    run(["systemctl", "restart", LITE_SERVICE], timeout=_SECONDS)
    end = time.monotonic() + _LITE_SECONDS
    while not is_in_force():
        if time.monotonic() > end:
            raise EdgesecError(
                f"the nucleus lite, after {wanted.config} was written",
                "did not apply it: its database holds newer settings, for example from fleet provisioning",
                "Remove system/privateKeyPath and system/certificateFilePath there, or the database, and run again",
            )
        time.sleep(_STEP)


def _require_active() -> None:
    state = run(["systemctl", "show", "--value", "--property=ActiveState", CLASSIC_SERVICE]).stdout.decode().strip()
    if state not in ("active", "activating"):
        raise EdgesecError(CLASSIC_SERVICE, f"is {state} with the new configuration", "Read its journal")


def _configuration(wanted: Wanted) -> list[str]:
    return [f"{wanted.root}/config/{name}" for name in ("config.tlog", "effectiveConfig.yaml")]


def _saved(path: str) -> Optional[tuple[str, bytes, os.stat_result]]:
    try:
        with open(path, "rb") as stream:
            return path, stream.read(), os.fstat(stream.fileno())
    except FileNotFoundError:
        return None


def _jar(wanted: Wanted) -> str:
    return f"{wanted.root}/alts/current/distro/lib/Greengrass.jar"
