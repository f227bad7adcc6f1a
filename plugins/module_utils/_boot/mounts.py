# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
"""Boot file systems: find them, plan their fstab lines, and remount the running ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

from .._base.errors import EdgesecError, Malformed, Refused
from .._base.roll_back import Step, cause, go_back
from .._base.tree import json_clean
from .._disk.mountinfo import Mount, mounted_at, read_mounts, same_path
from .._disk.open_for_writing import writers_on
from .._disk.remount import FLAGS, RESTRICTIONS, is_shared, remount
from .._mount_tables.fstab import Entry, Line, find, parse, put_entry, set_options
from .._mount_tables.mount_units import require_fstab_to_hold
from .._mount_tables.write import put_in_place, read_table
from .window_hooks import window

# Options of a running file system that decide who may read its files; a new fstab line keeps them.
_OWNERSHIP = ("uid=", "gid=", "umask=", "fmask=", "dmask=")
_LINKS = (("PARTUUID", "by-partuuid"), ("UUID", "by-uuid"))


class BootMount(NamedTuple):
    """A boot file system: mounted, in fstab, or both."""

    path: str
    mount: Optional[Mount]
    present: Optional[Entry]
    wanted: Entry
    options: tuple[str, ...]
    shared: bool
    remount: bool

    def facts(self) -> dict[str, Any]:
        """The options found and planned."""
        running = self.mount and list(self.mount.effective_options)
        return {
            "path": self.path,
            "source": self.wanted.source,
            "fstab": {"before": self.present and list(self.present.options), "after": list(self.wanted.options)},
            "runtime": {"before": running, "after": self._restricted(running) if running and self.remount else running},
            "changed": self.present != self.wanted or self.remount,
        }

    def restrict(self) -> None:
        """Remount the running file system with its options.

        :raises EdgesecError: the file system is busy, or does not have the options afterwards.
        """
        asked = ",".join(self.options)
        try:
            self._mount(self.options)
        except EdgesecError as error:
            raise self._failure(asked, error) from None
        now = mounted_at(read_mounts("/"), self.path)
        if now is None or not set(self.options) <= set(now.effective_options):
            seen = "is no longer mounted" if now is None else f"still has the options {','.join(now.options)}"
            raise EdgesecError(self.path, f"{seen} after it was remounted with {asked}")

    def lift(self) -> None:
        """Restore the running file system's earlier options."""
        had = self.mount.effective_options if self.mount else ()
        self._mount([option if option in had else RESTRICTIONS[option] for option in self.options])

    def _restricted(self, running: Sequence[str]) -> list[str]:
        gone = {*self.options, *(RESTRICTIONS[option] for option in self.options)}
        return [*self.options, *(option for option in running if option not in gone)]

    def _mount(self, options: Sequence[str]) -> None:
        if self.mount is not None:
            # A file system that is also mounted elsewhere keeps its options there.
            remount(self.mount, options, bind=self.shared)

    def _failure(self, asked: str, error: EdgesecError) -> EdgesecError:
        writers = []
        with contextlib.suppress(OSError):
            writers = writers_on(self.path)
        return EdgesecError(
            self.path,
            f"could not be remounted with {asked}: {_in_one_line(error)}"
            + (f"; {', '.join(str(writer) for writer in writers)}" if writers else ""),
            "Stop or restart what uses it and run again, or leave it to the next boot (boot_mounts_remount: false)",
        )


class Plan(NamedTuple):
    """The changes to fstab and to the running file systems."""

    fstab: str
    before: str
    after: str
    mounts: tuple[BootMount, ...]
    warnings: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.before != self.after or any(mount.remount for mount in self.mounts)

    def diff(self) -> list[dict[str, str]]:
        """For Ansible's diff: fstab, then the running options."""
        facts = [mount.facts() for mount in self.mounts if mount.remount]
        running = {
            key: "".join(f"{each['path']} {','.join(each['runtime'][key])}\n" for each in facts)
            for key in ("before", "after")
        }
        shown = [(self.fstab, {"before": self.before, "after": self.after}), ("running options", running)]
        return [
            json_clean({"before_header": name, "after_header": name, **texts})
            for name, texts in shown
            if texts["before"] != texts["after"]
        ]

    def apply(self) -> None:
        """Write fstab, then remount; roll both back after a failure.

        :raises EdgesecError: what failed, and whether the rollback failed too.
        """
        tried: list[BootMount] = []
        try:
            if self.before != self.after:
                _write(self.before, self.after, self.fstab)
            for mount in self.mounts:
                if mount.remount:
                    tried.append(mount)
                    mount.restrict()
        except EdgesecError as error:
            lifts = [Step(mount.path, mount.lift) for mount in reversed(tried)]
            raise cause(error, go_back([*lifts, Step(self.fstab, self._write_back)])) from None

    def _write_back(self) -> None:
        if _read(self.fstab) == self.after != self.before:
            _write(self.after, self.before, self.fstab)


def look(paths: Sequence[str], options: Sequence[str], fstab: str, *, remount: bool) -> Plan:
    """Plan the changes. Mounts that a boot window keeps writable stay so until the window closes.

    :param options: some of :data:`RESTRICTIONS`.
    :param fstab: its path; a symbolic link is followed.
    :raises EdgesecError: a path is not absolute, or a mount has no fstab line and none can be made for it.
    """
    for path in paths:
        if not path.startswith("/") or os.path.normpath(path) in ("/", "//"):
            raise Refused(path, "is not an absolute path to a boot directory", "Name one such as /boot/efi")
    fstab = os.path.realpath(fstab)
    text = _read(fstab)
    lines = parse(text)
    mounts = read_mounts("/")
    real = list(map(os.path.realpath, paths))
    for path in real:
        require_fstab_to_hold("/", path, options)
    waiting = [
        path for path in real if _waits(mounted_at(mounts, path)) and find(lines, path, os.path.realpath) is None
    ]
    for path in waiting:
        # A mount from systemd-gpt-auto-generator(8) happens only when its directory is read.
        with contextlib.suppress(OSError):
            os.listdir(path)
    if waiting:
        mounts = read_mounts("/")
    return plan(paths, options, (fstab, text), mounts, remount=remount, held=_held())


def plan(
    paths: Sequence[str],
    options: Sequence[str],
    fstab: tuple[str, str],
    mounts: Sequence[Mount],
    *,
    remount: bool,
    held: Sequence[str] = (),
    devices: str = "/dev",
) -> Plan:
    """Plan the changes from what was found.

    :param fstab: its path and its text.
    :param held: mount points that a boot window keeps writable now.
    :param devices: the directory of block device names.
    """
    name, before = fstab
    lines = parse(before)
    after = before
    boot_mounts = []
    waiting = []
    for path in dict.fromkeys(map(os.path.realpath, paths)):
        mount = mounted_at(mounts, path)
        if _waits(mount):
            mount = None
        line = find(lines, path, os.path.realpath)
        if line is not None:
            dropped = {"defaults", *(RESTRICTIONS[each] for each in options)}
            after = set_options(after, path, add=options, drop=dropped, real=os.path.realpath)
        elif mount is not None:
            after = put_entry(after, _entry_of(mount, options, devices), os.path.realpath)
        else:
            continue
        differs = remount and mount is not None and not set(options) <= set(mount.effective_options)
        if differs and path in held:
            waiting.append(f"{path} stays writable until its boot window closes (/usr/lib/edgesec/boot-window status).")
        boot_mounts.append(
            BootMount(
                path=path,
                mount=mount,
                present=line.entry if line else None,
                wanted=_entry(after, path),
                options=tuple(dict.fromkeys(options)),
                shared=mount is not None and is_shared(mount, mounts),
                remount=differs and path not in held,
            )
        )
    return Plan(name, before, after, tuple(boot_mounts), (*_warnings(lines, boot_mounts), *waiting))


def _entry_of(mount: Mount, options: Sequence[str], devices: str) -> Entry:
    """Make an fstab line for a file system that was not mounted from fstab."""
    if mount.root != "/":
        raise Refused(
            mount.mount_point,
            f"shows only {mount.root} of the file system on {mount.source}, and has no fstab line",
            "Write the line by hand, or remove the path from paths",
        )
    kept = [option for option in mount.super_options if option.startswith(_OWNERSHIP)]
    kept += [flag for flag in mount.options if flag in FLAGS and flag not in options]
    source = _stable_source(mount, devices)
    return Entry(source, mount.mount_point, mount.fstype, (*kept, *options, "nofail"), 0, 2)


def _stable_source(mount: Mount, devices: str) -> str:
    """Name the partition or file system in a way that does not depend on the order of the disks."""
    major, minor = (int(part) for part in mount.device.split(":"))
    number = os.makedev(major, minor)
    if major == 0:
        # btrfs has no device number of its own in mountinfo.
        with contextlib.suppress(OSError):
            number = os.stat(mount.source).st_rdev
    for tag, directory in _LINKS:
        name = _name_of(number, os.path.join(devices, "disk", directory))
        if name is not None:
            return f"{tag}={name}"
    raise Refused(
        mount.mount_point,
        f"is mounted from {mount.source}, which has no name in /dev/disk/by-partuuid or by-uuid, and no fstab line",
        "Write the line by hand, or remove the path from paths",
    )


def _name_of(number: int, links: str) -> Optional[str]:
    names = sorted(os.listdir(links)) if os.path.isdir(links) else []
    for name in names:
        # udev may remove a link meanwhile, or leave a dangling one.
        with contextlib.suppress(OSError):
            if os.stat(os.path.join(links, name)).st_rdev == number:
                return name
    return None


def _entry(text: str, path: str) -> Entry:
    line = find(parse(text), path, os.path.realpath)
    if line is None or line.entry is None:
        raise Refused(path, "has no fstab line", "Report this, with your fstab")
    return line.entry


def _held() -> list[str]:
    with contextlib.suppress(Malformed):
        state = window("/")
        return [each.path for each in state.opened] if state else []
    return []


def _waits(mount: Optional[Mount]) -> bool:
    return mount is not None and mount.fstype == "autofs"


def _warnings(lines: Sequence[Line], mounts: Sequence[BootMount]) -> Iterator[str]:
    for mount in mounts:
        same = [line for line in lines if any(_leads_to(entry, mount.path) for entry in line.seen)]
        numbers = [str(line.number) for line in same]
        if len(numbers) > 1:
            yield f"fstab has lines {', '.join(numbers)} for {mount.path}; like systemd, only the first was judged."


def _leads_to(entry: Entry, path: str) -> bool:
    return same_path(os.path.realpath(entry.mount_point), path)


def _in_one_line(error: EdgesecError) -> str:
    return " ".join(error.seen.split()).rstrip(".")


def _write(before: str, after: str, path: str) -> None:
    try:
        put_in_place(before, after, path)
    except OSError as error:
        raise EdgesecError(
            path, f"could not be written: {error.strerror}", "Make its file system writable and run again"
        ) from None


def _read(path: str) -> str:
    try:
        return read_table(path)
    except OSError as error:
        raise EdgesecError(path, f"could not be read: {error.strerror}", "Name the device's fstab") from None
