# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find the files that the device will boot with next, from this boot's event log, and predict its PCRs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import Any, Optional

from .._base.errors import Refused, Unforeseen
from .._base.tree import names_in, read_bytes, under
from .._tpm.pcrs import shown_banks, shown_pcrs, why_missing
from . import event_log as log
from .event_log import Event
from .file_digests import BootFile, read_boot_file
from .grub import KERNEL_COMMAND_LINE, Rename, as_measured, renaming
from .prediction import BANK, Replacement, commands_of, name_in_log, new_names, predict

# A unified kernel image with a large initrd has about 150 MiB.
_LARGEST_FILE = 1 << 30
_KERNEL = "vmlinuz-"
_KEPT_BESIDE = re.compile(r"\.(old|bak|dpkg-\w+|efi\.signed)$")
_DEVICE = re.compile(r"^\([^)]*\)")


def look(root: str, pcrs: Sequence[int], named: Sequence[tuple[str, str]], boot_paths: Sequence[str]) -> dict[str, Any]:
    """Predict the next boot of a device.

    :param root: prefix of every path.
    :param pcrs: the PCRs to predict.
    :param named: pairs of a file of this boot and its replacement, as named by the operator. Other files are expected
        where this boot read them, changed or not.
    :param boot_paths: where boot file systems may be mounted.
    :raises Unforeseen: a PCR cannot be predicted, and a file has changed since the boot.
    :raises Refused: a PCR cannot be predicted.
    :raises Malformed: the event log or a boot file is malformed.
    """
    events = read_events(root)
    running = shown_pcrs(root)
    banks = shown_banks(root)
    if not running and banks:
        raise Refused("the TPM", *why_missing(banks, pcrs))
    if not running:
        raise Refused("the TPM", "shows no PCRs of the SHA-256 bank in sysfs", "Linux shows them from 5.12 on")
    files = _Finder(root, events, boot_paths).replacements(named)
    changed = [each for each in files if each.differs]
    try:
        prediction = predict(events, running, pcrs, files)
    except Refused as refused:
        raise Unforeseen(refused.subject, refused.seen, refused.remedy) if changed else refused from None
    return {
        "pcr_values": {str(pcr): value.hex() for pcr, value in prediction.values.items()},
        "running": {str(pcr): running[pcr].hex() for pcr in prediction.values},
        "differs": any(running[pcr] != value for pcr, value in prediction.values.items()),
        "replaced": [_described(each) for each in changed],
        "assumptions": list(prediction.assumptions),
        "kernel": next((each.new.release for each in (*changed, *files) if each.new.release), ""),
    }


def read_events(root: str) -> tuple[Event, ...]:
    """Read the events of this boot.

    :raises Refused: the log is missing or cannot be read.
    :raises Malformed: it is not an event log.
    """
    data = read_bytes(root, log.PATH, log.LOG_BYTES + 1)
    if data is None:
        raise Refused(
            log.PATH,
            "cannot be read, so nothing is known about what this boot measured",
            "The log exists if UEFI firmware with a TPM 2.0 started the kernel and securityfs is mounted. Approve the"
            " boot state once it runs instead",
        )
    return log.parse(data)


def _described(each: Replacement) -> dict[str, str]:
    old, new = each.old or each.new, each.new
    return {
        "old": old.path,
        "new": new.path,
        "old_digest": each.old.digest.hex() if each.old else "",
        "new_digest": new.digest.hex(),
    }


class _Finder:
    def __init__(self, root: str, events: Sequence[Event], boot_paths: Sequence[str]) -> None:
        self._root = root
        self._events = events
        self._commands = commands_of(events)
        self._places = ["", *sorted(set(boot_paths))]
        self._read: dict[str, Optional[BootFile]] = {}

    def replacements(self, named: Sequence[tuple[str, str]]) -> list[Replacement]:
        """The files of this boot, with their replacements."""
        found = [Replacement("", self._named(old), self._named(new)) for old, new in named]
        self._require_measured([each.old for each in found if each.old is not None])
        known = {digest for each in found if each.old is not None for digest in each.old.forms.values()}
        rename = renaming(new_names(found) or self._newest_kernel())
        for name, digest in dict.fromkeys(self._measured_files()):
            if digest not in known:
                found += self._replacement(name, digest, rename)
        return found

    def _measured_files(self) -> Iterator[tuple[str, bytes]]:
        for event in self._events:
            name = name_in_log(event)
            if name:
                yield name, event.digests.get(BANK, b"")

    def _replacement(self, name: str, digest: bytes, rename: Rename) -> Iterator[Replacement]:
        here = self._file(name, digest)
        old = here if here is not None and digest in here.forms.values() else None
        new = here if rename(name) == name else self._file(rename(name), b"")
        if new is None:
            return
        if old is None and new.content:
            texts = as_measured(new.content.decode("utf-8", "surrogateescape"), self._commands)
            files = [read_boot_file(new.path, each.encode("utf-8", "surrogateescape")) for each in texts]
            old = next((each for each in files if each.digest == digest), None)
        yield Replacement(name, old, new)

    def _named(self, path: str) -> BootFile:
        found = self._at(path)
        if found is None:
            raise Refused(path, "cannot be read", "Name the file as the device sees it")
        return found

    def _require_measured(self, files: Sequence[BootFile]) -> None:
        measured = {event.digests.get(BANK) for event in self._events}
        for each in files:
            if not measured & set(each.forms.values()):
                raise Refused(
                    each.path,
                    f"was not measured in this boot (its digest is {each.digest.hex()})",
                    "Name the file that booted, or leave it out if it is still in its place",
                )

    def _newest_kernel(self) -> dict[str, str]:
        """For GRUB: map the release that booted to the newest installed one; empty if they are the same."""
        for command in self._commands:
            words = command[len(KERNEL_COMMAND_LINE) :].split(" ")
            directory, name = posixpath.split(_DEVICE.sub("", words[0]))
            if not command.startswith(KERNEL_COMMAND_LINE) or not name.startswith(_KERNEL):
                continue
            installed = {each for place in self._places for each in names_in(self._root, f"{place}{directory}")}
            kernels = [each for each in installed if each.startswith(_KERNEL) and not _KEPT_BESIDE.search(each)]
            newest = max(kernels, key=_version, default=name)
            if newest != name:
                return {name[len(_KERNEL) :]: newest[len(_KERNEL) :]}
        return {}

    def _file(self, name: str, digest: bytes) -> Optional[BootFile]:
        """The file that a loader names: the one with the digest, otherwise the only one found."""
        plain = posixpath.normpath("/" + _DEVICE.sub("", name).lstrip("/"))
        found = [each for each in (self._at(place + plain) for place in self._places) if each is not None]
        same = [each for each in found if digest in each.forms.values()]
        return same[0] if same else found[0] if len(found) == 1 else None

    def _at(self, path: str) -> Optional[BootFile]:
        if path not in self._read:
            regular = os.path.isfile(under(self._root, path))
            data = read_bytes(self._root, path, _LARGEST_FILE + 1) if regular else None
            if data is not None and len(data) > _LARGEST_FILE:
                raise Refused(path, f"is larger than {_LARGEST_FILE} bytes", "Name a file that a device boots with")
            self._read[path] = None if data is None else read_boot_file(path, data)
        return self._read[path]


def _version(name: str) -> list[tuple[int, str]]:
    """A sort key that compares the numbers in names as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", name)]
