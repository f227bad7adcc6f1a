# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Move a service's plaintext secret into an encrypted credential, and back if the service does not work with it.

During the trial the plaintext is kept next to its old path, under our suffix. The run after an interruption finds it
there and restores it first. It is removed only after the service has proven that it works without it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Optional

from .._base.errors import EdgesecError, Refused
from .._base.files import sync_directory, write_atomic
from .._base.roll_back import Step, cause, go_back
from .._base.tools import run
from .._base.tree import read_text, under
from .removal import remove_plaintext
from .systemd_creds import LARGEST, Sealing, require_support

STORE = "/etc/credstore.encrypted"
UNITS = "/etc/systemd/system"
_CREDENTIALS = "/run/credentials"
_ASIDE = ".edgesec-plaintext"
_UNIT = re.compile(r"[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?\.service")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START_SECONDS = 300.0


class Wanted(NamedTuple):
    """A service's secret.

    :ivar unit: the service, with C(.service).
    :ivar name: the credential's name; the service reads it at C($CREDENTIALS_DIRECTORY/NAME).
    :ivar source: the plaintext file, absolute.
    :ivar link: whether to replace the file by a symbolic link, for services whose path cannot be changed.
    :ivar environment: variable to set to the credential's path; empty for none.
    :ivar proof: argv of a program that exits with 0 if the service works; empty for none.
    """

    unit: str
    name: str
    source: str
    sealing: Sealing
    link: bool = False
    environment: str = ""
    proof: Sequence[str] = ()

    def require_valid(self) -> None:
        """Check the names and the path.

        :raises EdgesecError: a name is not valid for a unit, credential or variable, or the path is not plain.
        """
        for what, value, pattern in (
            ("unit", self.unit, _UNIT),
            ("credential", self.name, _NAME),
            ("variable", self.environment or "X", _VARIABLE),
        ):
            if not pattern.fullmatch(value):
                raise EdgesecError(
                    f"the name {value!r}", f"is not valid for a {what}", "Nothing was changed. Correct the name"
                )
        if not self.source.startswith("/") or os.path.normpath(self.source) != self.source:
            raise EdgesecError(self.source, "is not a plain absolute path", "Start it with / and leave out . and ..")

    @property
    def credential(self) -> str:
        """Path of the encrypted credential."""
        return f"{STORE}/{self.unit}.{self.name}"

    @property
    def drop_in(self) -> str:
        """Path of the drop-in that loads it into the unit."""
        return f"{UNITS}/{self.unit}.d/50-edgesec-{self.name}.conf"

    @property
    def delivered(self) -> str:
        """Path at which the service reads it."""
        return f"{_CREDENTIALS}/{self.unit}/{self.name}"

    @property
    def aside(self) -> str:
        """Path of the plaintext during the trial."""
        return self.source + _ASIDE

    def text(self) -> str:
        """The drop-in's text. Specifiers: systemd.unit(5)."""
        lines = [
            "# Written by edgesec.hardening.",
            "[Service]",
            f"LoadCredentialEncrypted={self.name}:{self.credential}",
        ]
        if self.environment:
            lines.append(f"Environment={self.environment}=%d/{self.name}")
        return "\n".join(lines) + "\n"


class Status(NamedTuple):
    """The planned steps, and the drop-in as it is.

    :ivar steps: the steps to take, in order; empty if none.
    """

    wanted: Wanted
    steps: tuple[str, ...]
    before: str

    @property
    def diff(self) -> dict[str, str]:
        """The diff of the drop-in, which holds no secret."""
        path = self.wanted.drop_in
        return {"before_header": path, "after_header": path, "before": self.before, "after": self.wanted.text()}


def look(wanted: Wanted) -> Status:
    """Plan the steps.

    :raises EdgesecError: encryption would protect nothing, or neither plaintext nor credential exists.
    """
    require_support()
    if _property(wanted.unit, "LoadState") != "loaded":
        raise Refused(wanted.unit, "is not a service of this device", "Nothing was changed. Install the service first")
    before = read_text("/", wanted.drop_in) or ""
    plaintext = _plaintext(wanted)
    if plaintext is None and not os.path.exists(wanted.credential):
        raise EdgesecError(
            wanted.source, "does not exist, and neither does its credential", "Provision the secret and run again"
        )
    steps = []
    if os.path.lexists(wanted.aside):
        if os.path.isfile(wanted.source) and not os.path.islink(wanted.source):
            raise Refused(
                wanted.source,
                f"exists again, and so does the plaintext that an earlier run left at {wanted.aside}",
                "Nothing was changed. Remove the outdated one",
            )
        steps.append("restore the plaintext that an earlier run set aside")
    if plaintext is not None:
        steps += ["encrypt the plaintext", "prove that the service works without it", "remove the plaintext"]
    elif before != wanted.text() or (wanted.link and not os.path.islink(wanted.source)) or _is_missed(wanted):
        steps += ["load the credential into the service", "prove that the service works"]
    return Status(wanted, tuple(steps), before)


def apply(status: Status) -> Optional[dict[str, Any]]:
    """Carry out the steps. Roll everything back if the service does not prove that it works.

    :returns: how thoroughly the plaintext was removed; None if there was none.
    :raises EdgesecError: the service does not work with the credential.
    """
    wanted = status.wanted
    if os.path.lexists(wanted.aside):
        _put_back(wanted)
    path = _plaintext(wanted)
    secret = None if path is None else _read(path)
    earlier = _bytes(wanted.credential)
    blob = earlier if secret is None else wanted.sealing.encrypt(wanted.name, secret)
    linked, units = os.path.islink(wanted.source), os.path.dirname(wanted.drop_in)
    first = not os.path.isdir(units)
    try:
        if secret is not None and blob is not None:
            os.makedirs(STORE, mode=0o700, exist_ok=True)
            write_atomic(wanted.credential, blob, 0o600)
            os.rename(wanted.source, wanted.aside)
        if wanted.link and not os.path.lexists(wanted.source):
            os.symlink(wanted.delivered, wanted.source)
        sync_directory(os.path.dirname(wanted.source))
        os.makedirs(units, mode=0o755, exist_ok=True)
        write_atomic(wanted.drop_in, wanted.text().encode(), 0o644)
        _prove(wanted, secret)
    except (EdgesecError, OSError) as error:
        failures = go_back(_undo(status, earlier, linked=linked))
        if first:
            with suppress(OSError):
                os.rmdir(units)
        seen = error.seen if isinstance(error, EdgesecError) else str(error)
        first_cause = EdgesecError(wanted.unit, seen, getattr(error, "remedy", ""))
        raise cause(first_cause, failures, "everything was restored") from None
    return None if secret is None else remove_plaintext(wanted.aside)


def _prove(wanted: Wanted, secret: Optional[bytes]) -> None:
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "restart", wanted.unit], timeout=_START_SECONDS)
    state = _property(wanted.unit, "ActiveState")
    if state != "active":
        raise EdgesecError(wanted.unit, f"is {state} after a restart with the credential", "Read its journal")
    delivered = _bytes(wanted.delivered)
    if delivered is None or (secret is not None and delivered != secret):
        raise EdgesecError(
            wanted.unit, "did not receive the credential", "Read its journal; another drop-in may remove the credential"
        )
    if wanted.proof:
        # Its output may hold the secret: do not pass it on.
        rc = run(list(wanted.proof), timeout=_START_SECONDS, ok=range(256)).rc
        if rc:
            raise EdgesecError(wanted.proof[0], f"exited with {rc}, so the service does not work", "Run it by hand")


def _undo(status: Status, earlier: Optional[bytes], *, linked: bool) -> list[Step]:
    wanted = status.wanted
    restart = ["systemctl", "restart", wanted.unit]
    return [
        Step(wanted.source, partial(_unlink, wanted, linked=linked)),
        Step(wanted.source, partial(_put_plaintext_back, wanted)),
        Step(wanted.credential, partial(_put, wanted.credential, earlier, 0o600)),
        Step(wanted.drop_in, partial(_put, wanted.drop_in, status.before.encode() or None, 0o644)),
        Step("systemd", partial(run, ["systemctl", "daemon-reload"])),
        Step(wanted.unit, partial(run, restart, timeout=_START_SECONDS, ok=range(256))),
    ]


def _unlink(wanted: Wanted, *, linked: bool) -> None:
    if not linked and os.path.islink(wanted.source):
        os.unlink(wanted.source)


def _put_plaintext_back(wanted: Wanted) -> None:
    if os.path.lexists(wanted.aside):
        _put_back(wanted)


def _put(path: str, data: Optional[bytes], mode: int) -> None:
    if data is not None:
        write_atomic(path, data, mode)
    elif os.path.lexists(path):
        os.unlink(path)


def _put_back(wanted: Wanted) -> None:
    os.rename(wanted.aside, wanted.source)
    sync_directory(os.path.dirname(wanted.source))


def _plaintext(wanted: Wanted) -> Optional[str]:
    """The path of the plaintext, or None. A link to the credential does not count.

    :raises Refused: the path is not a regular file.
    """
    for path in (wanted.aside, wanted.source):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode) and os.readlink(path) == wanted.delivered:
            continue
        if not stat.S_ISREG(mode):
            raise Refused(path, "is not a regular file", "Nothing was changed. Name the file itself")
        return path
    return None


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(LARGEST + 1)
        names = os.fstat(descriptor).st_nlink
    if not data or len(data) > LARGEST:
        raise Refused(path, "is empty, or larger than a credential may be (1 MiB)", "Nothing was changed")
    if names > 1:
        raise Refused(path, f"has {names} hard links: the plaintext would stay under another name", "Remove the others")
    return data


def _is_missed(wanted: Wanted) -> bool:
    """Whether the service runs without the credential."""
    return _property(wanted.unit, "ActiveState") == "active" and not os.path.exists(wanted.delivered)


def observe(root: str, wanted: Wanted) -> dict[str, Any]:
    """Collect the facts: whether plaintext, credential and drop-in exist."""
    plaintext: Optional[bool] = False
    for path in (wanted.source, wanted.aside):
        try:
            plaintext = plaintext or not stat.S_ISLNK(os.lstat(under(root, path)).st_mode)
        except FileNotFoundError:
            continue
        except OSError:
            plaintext = None
            break
    return {
        "unit": wanted.unit,
        "name": wanted.name,
        "plaintext": plaintext,
        "encrypted": os.path.lexists(under(root, wanted.credential)),
        "loaded": read_text(root, wanted.drop_in) == wanted.text(),
        "source": wanted.source,
    }


def _bytes(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return None


def _property(unit: str, name: str) -> str:
    return run(["systemctl", "show", "--value", f"--property={name}", unit]).stdout.decode().strip()
