# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Encrypt a file system in place: prepare a header, switch over, and encrypt while the volume is in use.

The contents of the device show the progress, so any run continues after a power cut or an error:
a file system in clear; the marker of an interrupted header relocation (undone); a header that records how much is
encrypted; a volume. Only tmpfs is lost: the prepared header, whose keys do not protect anything yet.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from .._base import background
from .._base.background import launch, only_one
from .._base.errors import EdgesecError, Malformed, Refused, ToolFailed
from .._base.files import opened_exclusively
from .._base.places import WORK_DIRECTORY, unlock_unit_of
from .._base.roll_back import Step, cause, go_back
from .._base.tools import WAIT_SECONDS, run
from .._disk.mountinfo import Mount, read_mounts
from .._disk.open_for_writing import mounted_by, users_of
from .._disk.shrink import file_system_of, forget_undo, require_shrinkable, shrink, undo_shrink
from .._disk.superblock import FileSystem
from .._luks import cryptsetup
from .._luks.cipher import cipher_for_this_processor
from .._luks.libcryptsetup import begin_encryption
from .._luks.on_device import header_of
from .._luks.relocation import place_header, put_back
from .._luks.slots import RECOVERY_SLOT
from .._mount_tables.fstab import find, parse, put_entry
from .._mount_tables.write import FSTAB, put_in_place, read_fstab
from .._storage.volume import Volume, label_of
from .._unlock.enrolment import BY_CONTROLLER
from .._unlock.resume import DONE, FAILED, PREPARING, Report, finish, report, work_of
from .make import header_backup, require_recovery
from .mount import GUARD, Mounting, look

# In bytes: the LUKS2 header with its keyslots at the start, and the same size at the end, where data moves to.
SHIFT = 16 << 20

SHRINKING, PLACING = "shrinking the file system", "placing the header"

_SECTOR = 4096


class Job(NamedTuple):
    """A volume to encrypt in place.

    :ivar volume: with the consent that names the file system, and the services that may be stopped.
    :ivar options: mount options, in addition to those that the file system has.
    :ivar unlock: who opens it at boot.
    """

    volume: Volume
    options: tuple[str, ...]
    unlock: str

    def to_bytes(self) -> bytes:
        """Serialise the job for the background process."""
        return json.dumps({**self._asdict(), "volume": self.volume._asdict()}).encode()

    @property
    def header(self) -> str:
        """The file with the prepared header, on tmpfs."""
        return os.path.join(WORK_DIRECTORY, f"{self.volume.name}.header")


def parse_job(data: bytes) -> Job:
    """Parse a job written by :meth:`Job.to_bytes`."""
    document: Any = json.loads(data)
    volume = document["volume"]
    volume["services"] = tuple(volume["services"])
    return Job(Volume(**volume), tuple(document["options"]), document["unlock"])


def prepare(job: Job, *, uuid: str, key: bytes) -> bytes:
    """Make the volume's header, on tmpfs, and return its backup.

    :param key: the recovery key, for keyslot 0.
    :raises Refused: the file system cannot be encrypted in place; nothing was changed.
    """
    device = job.volume.device
    found = require_convertible(job)
    cipher, key_bits = cipher_for_this_processor()
    os.makedirs(WORK_DIRECTORY, mode=0o700, exist_ok=True)
    with open(job.header, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.truncate(SHIFT)
    cryptsetup.format_device(
        device,
        key,
        uuid=uuid,
        label=label_of(job.volume.name),
        subsystem="",
        cipher=cipher,
        key_bits=key_bits,
        sector_size=min(found.sector_bytes, _SECTOR),
        header=job.header,
        data_offset=SHIFT,
    )
    require_recovery(job.header, key)
    return header_backup(job.header)


def require_convertible(job: Job) -> FileSystem:
    """Return the file system to encrypt.

    :raises Refused: it cannot be encrypted in place, and why.
    """
    device = job.volume.device
    found = file_system_of(device)
    if found is None:
        raise Refused(device, "it holds no ext, XFS or btrfs file system", "Only these can be encrypted in place")
    require_shrinkable(device, found, _size_of(device) - 2 * SHIFT)
    elsewhere = [mount.mount_point for mount in _mounts_of(device) if mount.mount_point != job.volume.mount]
    if elsewhere:
        raise Refused(
            device,
            f"it is mounted at {', '.join(elsewhere)}",
            "Unmount it there, or declare that directory as the volume's mount",
        )
    if not _mounts_of(device):
        _require_free(device)
    return found


def _require_free(device: str) -> None:
    """Refuse a device that is in use although it is not mounted here.

    :raises Refused: it is in use, for example by a container with its own mounts.
    """
    try:
        with opened_exclusively(device):
            return
    except Refused:
        holders = mounted_by(device)
        raise Refused(
            device,
            "it is not mounted here, but still in use"
            + (f": it is mounted in another mount namespace, of {'; '.join(holders[:5])}" if holders else ""),
            "Nothing was encrypted. Stop what uses it, such as a container or a service with its own mounts",
        ) from None


def start(job: Job, library: str, key: bytes) -> None:
    """Begin in the background, or resume after an interruption.

    :param library: directory that holds this library as the package C(edgesec).
    """
    path = os.path.join(WORK_DIRECTORY, f"{job.volume.name}.job")
    with open(path, "wb") as file:
        file.write(job.to_bytes())
    report(job.volume.name, Report(PREPARING))
    background.start(work_of(job.volume.name), launch("_volume.encrypt_in_place", library, path), key)


def main(arguments: list[str]) -> int:
    """Do the job from the named file, with the recovery key on standard input."""
    with open(arguments[0], "rb") as file:
        job = parse_job(file.read())
    key = sys.stdin.buffer.read()
    try:
        with only_one(work_of(job.volume.name)):
            _encrypt(job, key)
    except (EdgesecError, OSError) as error:
        report(job.volume.name, Report(FAILED, str(error)))
        return 1
    return 0


def _encrypt(job: Job, key: bytes) -> None:
    volume = job.volume
    note = clear_up(volume)
    found = file_system_of(volume.device)
    stopped = _stop_services(volume) if found is not None else []
    try:
        if found is not None:
            _switch(job, found, key)
        _open_and_mount(job, key)
    except EdgesecError as error:
        raise cause(error, _start_services(stopped)) from None
    except BaseException:
        _start_services(stopped)
        raise
    problems = [*([note] if note else []), *_start_services(stopped)]
    finish(volume.name, volume.device, key)
    if problems:
        report(volume.name, Report(DONE, "; ".join(problems)))


def clear_up(volume: Volume) -> str:
    """Undo an earlier attempt that ended before there was a header; return a note for the operator."""
    put_back(volume.device)
    return undo_shrink(volume.name, volume.device)


def _open_and_mount(job: Job, key: bytes) -> None:
    volume = job.volume
    header = header_of(volume.device)
    mounting = Mounting(volume, job.options, job.unlock, "ext4")
    if volume.mount is not None:
        look(mounting).apply(key)
    elif not os.path.exists(mounting.mapper):
        cryptsetup.open_volume(volume.device, volume.name, key, slot=RECOVERY_SLOT)
    if header is not None and os.path.exists(job.header):
        os.unlink(job.header)


def _switch(job: Job, found: FileSystem, key: bytes) -> None:
    """Replace a file system in clear by one with a header in front; switch back on an error."""
    volume, device = job.volume, job.volume.device
    mounts = _mounts_of(device)
    fstab = read_fstab()
    guarded = _guarded(fstab, job, found)
    size = _size_of(device) - 2 * SHIFT
    if guarded != fstab:
        put_in_place(fstab, guarded)
    try:
        if found.type == "btrfs":
            report(volume.name, Report(SHRINKING))
            with _mounted(device, volume) as path:
                shrink(volume.name, device, found, size, path)
        for mount in mounts:
            _unmount(mount.mount_point)
        _require_free(device)
        if found.type != "btrfs":
            report(volume.name, Report(SHRINKING))
            shrink(volume.name, device, found, size, None)
        report(volume.name, Report(PLACING))
        header = header_of(job.header)
        begin_encryption(
            job.header,
            device,
            key,
            slot=int(RECOVERY_SLOT),
            sector_size=int((header.sector_size if header else None) or _SECTOR),
            shift_bytes=SHIFT,
        )
        with open(job.header, "rb") as file:
            place_header(device, file.read(SHIFT), _size_of(device) - SHIFT)
        forget_undo(volume.name)
    except EdgesecError as error:
        failures, note = _switch_back(volume, (fstab, guarded), mounts)
        raise cause(error, failures, note) from None
    except BaseException:
        _switch_back(volume, (fstab, guarded), mounts)
        raise


def _switch_back(volume: Volume, fstab: tuple[str, str], mounts: Sequence[Mount]) -> tuple[list[str], str]:
    """Undo a switch that failed before there was a header; return what could not be undone, and a note.

    :param fstab: its text before, and with the guarded line.
    """
    if _has_header(volume.device):
        return [], ""
    notes: list[str] = []
    failures = go_back([Step(volume.device, lambda: notes.append(clear_up(volume)))])
    # If the undo failed, mount the file system anyway, but read-only.
    more = ["ro"] if failures else []
    failures += go_back(
        [
            Step(FSTAB, lambda: _put_fstab_back(*fstab)),
            *(Step(mount.mount_point, partial(_mount_again, volume.device, mount, more)) for mount in mounts),
        ]
    )
    return failures, "".join(notes)


def _has_header(device: str) -> bool:
    """Whether there is a complete header to continue with."""
    with suppress(Malformed):
        return header_of(device) is not None
    return False


def _put_fstab_back(before: str, guarded: str) -> None:
    if read_fstab() == guarded != before:
        put_in_place(guarded, before)


def _mount_again(device: str, mount: Mount, more: Sequence[str]) -> None:
    if mount.mount_point not in [each.mount_point for each in _mounts_of(device)]:
        run(["mount", "-o", ",".join([*mount.effective_options, *more]), device, mount.mount_point])


def _guarded(text: str, job: Job, found: FileSystem) -> str:
    """Guard the fstab line during the work: after a power cut the device must still boot, and mount what it can.

    Encryption keeps the file system's UUID, so the line fits before and after. It must not be checked or mounted before
    the unlocker has undone an interrupted switch; without an unlocker it is not mounted at boot at all.
    """
    path = job.volume.mount
    line = find(parse(text), path, os.path.realpath) if path else None
    if line is None or line.entry is None or any(option.startswith(GUARD) for option in line.entry.options):
        return text
    guard = f"x-systemd.after={unlock_unit_of(job.volume.name)}" if job.unlock != BY_CONTROLLER else "noauto"
    added = [option for option in ("nofail", guard) if option not in line.entry.options]
    options = (*line.entry.options, *added, f"{GUARD}{'+'.join(added)}")
    return put_entry(
        text, line.entry._replace(source=f"UUID={found.uuid}", options=options, passno=0), os.path.realpath
    )


def _mounts_of(device: str) -> list[Mount]:
    real = os.path.realpath(device)
    number = os.stat(real).st_rdev
    numbered = f"{os.major(number)}:{os.minor(number)}"
    # btrfs shows its own device number, but the source still names the device.
    return [
        mount
        for mount in read_mounts("/")
        if mount.device == numbered or (mount.source.startswith("/") and os.path.realpath(mount.source) == real)
    ]


def _size_of(device: str) -> int:
    descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def _stop_services(volume: Volume) -> list[str]:
    """Stop the volume's running services, and return them."""
    stopped: list[str] = []
    try:
        for service in volume.services:
            if run(["systemctl", "is-active", "--quiet", service], ok=(0, 1, 2, 3, 4)).rc == 0:
                stopped.append(service)
                run(["systemctl", "stop", service], timeout=WAIT_SECONDS)
    except EdgesecError as error:
        raise cause(error, _start_services(stopped)) from None
    return stopped


def _start_services(stopped: list[str]) -> list[str]:
    """Start services again; return failures, which are no reason to leave the data half encrypted."""
    problems = []
    for service in reversed(stopped):
        try:
            run(["systemctl", "start", service], timeout=WAIT_SECONDS)
        except (EdgesecError, OSError) as error:
            problems.append(f"{service} was stopped and does not start again ({error})")
    return problems


@contextmanager
def _mounted(device: str, volume: Volume) -> Iterator[str]:
    mounts = _mounts_of(device)
    if mounts:
        yield mounts[0].mount_point
        return
    path = os.path.join(WORK_DIRECTORY, f"{volume.name}.mount")
    os.makedirs(path, mode=0o700, exist_ok=True)
    run(["mount", "-o", "nodev,nosuid,noexec", device, path])
    try:
        yield path
    except EdgesecError as error:
        raise cause(error, go_back([Step(path, lambda: run(["umount", path]))])) from None
    run(["umount", path])


def _unmount(path: str) -> None:
    try:
        run(["umount", path])
    except ToolFailed as error:
        users = users_of(path)
        raise Refused(
            path,
            "it cannot be unmounted: " + ("; ".join(map(str, users[:5])) if users else error.stderr),
            "Add the services that use it to the volume's services, and end other processes",
        ) from None
