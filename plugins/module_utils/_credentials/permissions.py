# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Give declared files their owner, group and mode; check all of them before changing the first.

Users and groups must exist only if a file needs them, so sets can be declared for programs that are not installed.
installed.
"""

from __future__ import annotations

import glob
import grp
import os
import pwd
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Callable, NamedTuple

from .._base.acl_and_flags import group_name, let_in, parse_mode, user_name
from .._base.errors import EdgesecError, Refused
from .._base.files import Change, Permissions, apply_permissions
from .._base.roll_back import Step, cause, go_back
from .._base.tree import json_clean

_ID = re.compile(r"[0-9]{1,10}")
# In chown(2) the largest id means "leave unchanged".
_NO_ID = 0xFFFFFFFF


class Declared(NamedTuple):
    """The owner and group (name or number) and mode for the files that a path or shell pattern names."""

    path: str
    owner: str
    group: str
    mode: int
    required: bool

    @property
    def is_pattern(self) -> bool:
        return glob.has_magic(self.path)

    @property
    def must_be_right(self) -> bool:
        """Whether refusing a file stops the whole run. An optional file that merely matches a pattern does not."""
        return self.required or not self.is_pattern

    def permissions(self) -> Permissions:
        """Resolve owner and group to numbers.

        :raises Refused: the device has no such user or group.
        """
        return Permissions(
            _id_of(self.path, "user", self.owner, lambda name: pwd.getpwnam(name).pw_uid),
            _id_of(self.path, "group", self.group, lambda name: grp.getgrnam(name).gr_gid),
            self.mode,
        )


class Plan(NamedTuple):
    """The state of the declared files and the planned changes."""

    changes: tuple[Change, ...]
    checked: int
    absent: tuple[str, ...]
    refused: tuple[EdgesecError, ...]

    def facts(self) -> list[dict[str, Any]]:
        """The files to change, with user and group names."""
        return [
            json_clean({"path": each.path, "before": _named(each.before), "after": _named(each.after)})
            for each in self.changes
        ]

    def diff(self) -> list[dict[str, str]]:
        """For Ansible's diff: one line per file to change."""
        if not self.changes:
            return []
        texts = {
            when: "".join(_in_words(each[when], each["path"]) for each in self.facts()) for when in ("before", "after")
        }
        return [{"before_header": "credential files", "after_header": "credential files", **texts}]

    def apply(self) -> None:
        """Change the files; roll back after a failure.

        :raises EdgesecError: what failed, and whether the rollback failed too.
        """
        done: list[Change] = []
        try:
            for change in self.changes:
                _apply(change.path, change.after, check=False)
                done.append(change)
        except EdgesecError as error:
            steps = [Step(change.path, partial(_put_back, change)) for change in reversed(done)]
            raise cause(error, go_back(steps)) from None


def declare(files: Sequence[Mapping[str, Any]]) -> list[Declared]:
    """Parse the declarations given to a module.

    :param files: each with C(path), C(owner), C(group), C(mode) and C(required).
    :raises EdgesecError: lists everything wrong with them.
    """
    declared = []
    errors = []
    for file in files:
        path = file["path"]
        try:
            if not path.startswith("/") or "\0" in path:
                raise Refused(path, "is not an absolute path", "Start it with /")
            mode = parse_mode(path, file["mode"])
            declared.append(Declared(path, file["owner"], file["group"], mode, file["required"]))
        except EdgesecError as error:
            errors.append(error)
    if errors:
        raise _joined(errors)
    return declared


def look(files: Sequence[Declared]) -> Plan:
    """Check every declared file; a file's last declaration wins.

    :raises EdgesecError: lists all refused files that are required or named without a pattern, and all required files
        that are missing.
    """
    wanted: dict[str, Declared] = {}
    absent = []
    errors: list[EdgesecError] = []
    for file in files:
        paths = _paths_of(file)
        wanted.update((path, file) for path in paths)
        if not paths:
            absent.append(file.path)
            if file.required:
                seen = "is required, but matches no file" if file.is_pattern else "is required, but does not exist"
                errors.append(Refused(file.path, seen, "Provision the file, or do not declare it as required"))
    changes = []
    refused: list[EdgesecError] = []
    for path, file in wanted.items():
        try:
            change = _apply(path, file.permissions(), check=True)
        except EdgesecError as error:
            (errors if file.must_be_right else refused).append(error)
        else:
            if change.changed:
                changes.append(change)
    if errors:
        raise _joined(errors)
    return Plan(tuple(changes), len(wanted) - len(refused), tuple(absent), tuple(refused))


def _id_of(path: str, kind: str, name: str, resolve: Callable[[str], int]) -> int:
    try:
        return resolve(name)
    except KeyError:
        if _ID.fullmatch(name) and int(name) < _NO_ID:
            return int(name)
    raise Refused(path, f"the {kind} {name!r} does not exist on this device", f"Create the {kind}, or declare another")


def _paths_of(file: Declared) -> list[str]:
    if file.is_pattern:
        return sorted(glob.iglob(file.path))
    return [file.path] if os.path.lexists(file.path) else []


def _apply(path: str, permissions: Permissions, *, check: bool) -> Change:
    try:
        return apply_permissions(
            path, permissions.uid, permissions.gid, permissions.mode, check=check, acl=permissions.acl
        )
    except OSError as error:
        doing = "opened" if check else "changed"
        raise Refused(path, f"cannot be {doing}: {error.strerror}", "Check that root can write to it") from None


def _put_back(change: Change) -> None:
    _apply(change.path, change.before, check=False)


def _joined(errors: Sequence[EdgesecError]) -> EdgesecError:
    if len(errors) == 1:
        return errors[0]
    lines = "\n".join(f"- {error}" for error in errors)
    return EdgesecError("credential files", f"{len(errors)} problems; nothing was changed:\n{lines}".rstrip("."))


def _named(permissions: Permissions) -> dict[str, Any]:
    return {
        "owner": user_name(permissions.uid),
        "group": group_name(permissions.gid),
        "mode": f"{permissions.mode:04o}",
        "acl": let_in(permissions.acl),
    }


def _in_words(permissions: Mapping[str, Any], path: str) -> str:
    others = f" ({', '.join(permissions['acl'])})" if permissions["acl"] else ""
    return "{owner}:{group} {mode}".format(**permissions) + f"{others} {path}\n"
