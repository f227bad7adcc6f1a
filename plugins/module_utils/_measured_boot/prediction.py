# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Predict the PCRs of the next boot: replay this boot's event log with the events that will replace its own.

Nothing is guessed. The log must lead to the PCR values that the TPM reports, and each event in them must be from the
firmware or from a known file; otherwise the prediction is refused, and the error names the event. What cannot be known
beforehand (a firmware update, other keys) is returned as an assumption, in words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Optional

from .._base.errors import Refused
from . import event_log as log
from .event_data import loaded, tag, text
from .event_log import Event, replay
from .file_digests import BootFile, load_options
from .grub import BLOCKS, COMMAND, KERNEL_COMMAND_LINE, PREFIXES, first_entry_names, next_commands, renaming
from .same_authority import require_same_authority

BANK = "sha256"
PREDICTABLE = range(16)
_CODE, _SECURE_BOOT, _COMMANDS, _FILES, _STUB, _MOK = 4, 7, 8, 9, 11, 14
# Firmware measures itself, its settings, its keys and the disk into these.
_OF_FIRMWARE = (0, 1, 2, 3, 6)
_STAYS = (
    log.SEPARATOR,
    log.ACTION,
    log.EFI_ACTION,
    log.EFI_GPT_EVENT,
    log.EFI_VARIABLE_DRIVER_CONFIG,
    log.EFI_VARIABLE_BOOT,
    log.EFI_VARIABLE_BOOT2,
    log.EFI_VARIABLE_AUTHORITY,
)
_INSIDE_GRUB = "(memdisk)"
_MOK_LISTS = ("MokList", "MokListX", "MokListTrusted", "MokSBState", "MokDBState")
_MENU = tuple(COMMAND + block for block in BLOCKS)
_OBSERVE = "Approve the boot state once it runs instead, or leave this PCR out"


class Replacement(NamedTuple):
    """A file of this boot, and the file that the next boot will read in its place (the same if it is unchanged).

    :ivar name: its name in the event log; empty if only its digest identifies the event.
    :ivar old: None if the file that booted is gone.
    """

    name: str
    old: Optional[BootFile]
    new: BootFile

    @property
    def differs(self) -> bool:
        return self.old is None or self.old.digest != self.new.digest


class Prediction(NamedTuple):
    """The PCR values of the next boot, and the assumptions behind them."""

    values: dict[int, bytes]
    assumptions: tuple[str, ...]


def predict(
    events: Sequence[Event], running: Mapping[int, bytes], pcrs: Iterable[int], files: Sequence[Replacement]
) -> Prediction:
    """Predict PCRs of the SHA-256 bank.

    :param events: the events of this boot.
    :param running: the present PCR values in the TPM.
    :param pcrs: the PCRs to predict.
    :param files: every file that may have caused an event in these PCRs.
    :raises Refused: the log does not account for a PCR, or the cause of an event in it is unknown.
    :raises Malformed: the log has no digests of the bank.
    """
    asked = sorted(set(pcrs))
    require_accounted(events, running, asked)
    if _SECURE_BOOT in asked:
        require_same_authority(events, [(each.old, each.new) for each in files if each.differs])
    successors = _Successors(events, files)
    successors.require_chosen(asked)
    following = [then for event in events for then in (successors.of(event) if event.pcr in asked else [event])]
    values = replay(following, BANK)
    return Prediction({pcr: values[pcr] for pcr in asked}, tuple(_assumptions(asked, files, events)))


def require_accounted(events: Sequence[Event], running: Mapping[int, bytes], pcrs: Sequence[int]) -> None:
    """Require that the log leads to the present PCR values.

    :raises Refused: it does not.
    """
    replayed = replay(events, BANK)
    for pcr in pcrs:
        if pcr not in PREDICTABLE:
            raise Refused(f"PCR {pcr}", "can be reset while the system runs", "Choose among the PCRs 0 to 15")
        if pcr == _STUB and any(event.pcr == _STUB for event in events):
            raise Refused(
                "PCR 11",
                "is extended by systemd at each phase of the boot, so its value depends on when it is read",
                "Leave it out: PCR 4 covers the image that systemd-stub measures into PCR 11",
            )
        if running.get(pcr) != replayed[pcr]:
            seen = running[pcr].hex() if pcr in running else "nothing"
            raise Refused(
                f"PCR {pcr}",
                f"the event log does not account for it: it leads to {replayed[pcr].hex()}, the TPM reports {seen}",
                "Something extended it after the boot loader. " + _OBSERVE,
            )


class _Successors:
    """Maps each event to the events that will replace it."""

    def __init__(self, events: Sequence[Event], files: Sequence[Replacement]) -> None:
        self._files = files
        self._read: dict[bytes, set[str]] = {}
        for event in events:
            name = name_in_log(event)
            if name and event.type == log.IPL:
                self._read.setdefault(event.digests[BANK], set()).add(name)
        self._events = events
        self._next: dict[str, tuple[str, ...]] = {}
        self._doubt: Optional[Refused] = None
        try:
            self._next = _next_of(commands_of(events), files)
        except Refused as doubt:
            self._doubt = doubt

    def require_chosen(self, pcrs: Sequence[int]) -> None:
        """Require that GRUB's choices are known if they affect one of these PCRs.

        :raises Refused: the error names all PCRs that cannot be predicted for this reason.
        """
        touched = sorted(
            {event.pcr for event in _after_first_command(self._events) if _is_of_choice(event)} & set(pcrs)
        )
        if self._doubt is not None and touched:
            words = f"PCR{'s' if len(touched) > 1 else ''} {', '.join(map(str, touched))}"
            raise Refused(words, f"{self._doubt.subject} {self._doubt.seen}", self._doubt.remedy)

    def of(self, event: Event) -> list[Event]:
        """The events that will replace one.

        :raises Refused: they are not known.
        """
        loads = event.type == log.EFI_BOOT_SERVICES_APPLICATION
        if event.type in (*_STAYS, log.NO_ACTION) or event.pcr in _OF_FIRMWARE:
            return [event]
        if _is_command(event):
            return self._of_command(event)
        if event.type == log.IPL and event.pcr == _MOK and text(event.data) in _MOK_LISTS:
            return [event]
        if (loads and event.pcr == _CODE) or (event.type in (log.IPL, log.EVENT_TAG) and event.pcr == _FILES):
            digest = self._of_file(event)
            if digest is not None:
                return [_with(event, digest)]
            if (loads and loaded(event.data).firmware) or text(event.data).startswith(_INSIDE_GRUB):
                return [event]
        raise Refused(
            f"PCR {event.pcr}",
            f"it is not known what was measured into it as {described(event)} ({event.digests[BANK].hex()})",
            "Name the file that booted and its replacement (replaced). " + _OBSERVE,
        )

    def _of_command(self, event: Event) -> list[Event]:
        command = text(event.data)
        prefix = next((prefix for prefix in PREFIXES if command.startswith(prefix)), None)
        if prefix is None or _command_digest(command, prefix) != event.digests[BANK]:
            raise Refused(f"PCR {event.pcr}", f"the event {command[:80]!r} is not what GRUB measures", _OBSERVE)
        return [_with(event, _command_digest(then, prefix)) for then in self._next[command]]

    def _of_file(self, event: Event) -> Optional[bytes]:
        """The digest of the replacement of a measured file, in the same form as the measurement."""
        digest = event.digests[BANK]
        found = {
            new.forms.get(form)
            for old, new in ((each.old, each.new) for each in self._files)
            if old is not None
            for form, known in old.forms.items()
            if known == digest
        } | self._load_options(digest)
        if None in found or len(found) > 1:
            raise Refused(
                f"PCR {event.pcr}",
                f"it cannot be predicted how the replacement of {described(event)} will be measured",
                _OBSERVE,
            )
        return found.pop() if found else self._of_file_that_is_gone(event)

    def _of_file_that_is_gone(self, event: Event) -> Optional[bytes]:
        """The digest of the replacement of a file that is known only by name, such as a rebuilt initrd."""
        image = event.type == log.EFI_BOOT_SERVICES_APPLICATION
        # The kernel's event for its initrd has the digest of the file that GRUB read, but not its name.
        names = {name_in_log(event)} if image else self._read.get(event.digests[BANK], set())
        gone = [each.new for each in self._files if each.old is None and each.name and each.name in names]
        found = {each.forms["image" if image else "file"] for each in gone if image <= each.is_image}
        return found.pop() if len(found) == 1 else None

    def _load_options(self, digest: bytes) -> set[Optional[bytes]]:
        """The digest of the next command line for the kernel, if C(digest) is that of the present one."""
        found: set[Optional[bytes]] = set()
        for command, (then, *_others) in self._next.items():
            if command.startswith(KERNEL_COMMAND_LINE):
                old, new = (f"BOOT_IMAGE={each[len(KERNEL_COMMAND_LINE) :]}" for each in (command, then))
                found |= {load_options(new, end=end) for end in (True, False) if load_options(old, end=end) == digest}
        return found


def _next_of(commands: Sequence[str], files: Sequence[Replacement]) -> dict[str, tuple[str, ...]]:
    """Map each of GRUB's commands to what it will measure in its place.

    :raises Refused: that is not known, or it is not known which entry GRUB will start.
    """
    if COMMAND + "blscfg" in commands:
        raise Refused(
            "GRUB",
            "took its menu from Boot Loader Specification entries (blscfg), and the order in which it reads and starts"
            " them cannot be predicted",
            "Leave these PCRs out, or approve the boot state once it runs instead",
        )
    names = new_names(files)
    rename = renaming(names)
    following: dict[str, tuple[str, ...]] = {command: (rename(command),) for command in commands}
    configurations = [each for each in files if each.new.content and each.differs]
    for each in configurations:
        old, new = _contents(each)
        following.update(next_commands(commands, each.new.path, old, new, rename))
    if names and commands:
        _require_in_first_entry(configurations, names)
    return following


def _after_first_command(events: Sequence[Event]) -> Iterable[Event]:
    """The events since GRUB began to run its configuration."""
    first = next((at for at, event in enumerate(events) if _is_command(event)), len(events))
    return events[first:]


def _is_command(event: Event) -> bool:
    return event.pcr == _COMMANDS and event.type == log.IPL


def _is_of_choice(event: Event) -> bool:
    """Whether an event is a command of GRUB, or something that GRUB read or started."""
    if event.type == log.EFI_BOOT_SERVICES_APPLICATION:
        return event.pcr == _CODE
    return event.type in (log.IPL, log.EVENT_TAG) and event.pcr in (_COMMANDS, _FILES)


def _contents(configuration: Replacement) -> tuple[str, str]:
    """The old and new text of a loader's configuration."""
    if configuration.old is None:
        raise Refused(
            configuration.new.path,
            "has changed since the boot, and its contents at that time are not known",
            "Name a copy of the old file (replaced), or approve the boot state once it runs",
        )
    old, new = (each.content.decode("utf-8", "surrogateescape") for each in (configuration.old, configuration.new))
    return old, new


def _require_in_first_entry(configurations: Sequence[Replacement], names: Mapping[str, str]) -> None:
    """Require that the loader's configuration starts the new kernel."""
    for release in names:
        if not any(first_entry_names(_contents(each)[0], release) for each in configurations):
            raise Refused(
                "grub.cfg",
                f"does not lead from {release} to {names[release]}: its first menu entry either did not start"
                f" {release}, or still does",
                "Run update-grub, or approve the boot state once it runs",
            )


def new_names(files: Iterable[Replacement]) -> dict[str, str]:
    """The kernel releases that change from this boot to the next, old to new."""
    names = {}
    for each in files:
        if each.old is not None and each.old.release and each.new.release:
            names[each.old.release] = each.new.release
    return {old: new for old, new in names.items() if old != new}


def commands_of(events: Iterable[Event]) -> list[str]:
    """The commands that GRUB measured, with their prefixes."""
    return [text(event.data) for event in events if _is_command(event)]


def name_in_log(event: Event) -> Optional[str]:
    """The log's name for the measured file, or None."""
    if event.type == log.EFI_BOOT_SERVICES_APPLICATION:
        return loaded(event.data).path
    return text(event.data) if event.type == log.IPL and event.pcr == _FILES else None


def described(event: Event) -> str:
    """Describe an event in words."""
    if event.type == log.EVENT_TAG:
        return repr(tag(event.data))
    if event.type == log.IPL:
        return repr(text(event.data)[:80])
    return repr(name_in_log(event) or f"event of type 0x{event.type:x}")


def _assumptions(pcrs: Sequence[int], files: Sequence[Replacement], events: Sequence[Event]) -> Iterable[str]:
    yield "The firmware and its settings do not change; the firmware and any boot manager start the same entry."
    if _SECURE_BOOT in pcrs:
        yield "Secure Boot keys and revocations do not change, and the same certificate verifies each image."
    if _MOK in pcrs:
        yield "The machine owner keys of shim do not change."
    for each in files:
        if each.differs and each.new.is_image and not _same_program(each):
            yield f"{each.new.path} measures what it starts in the same way as the image that it replaces."
    if any(text(event.data).startswith(_INSIDE_GRUB) for event in events if event.type == log.IPL):
        yield "The files inside GRUB's own image do not change."
    if any(command.startswith(_MENU) for command in commands_of(events)):
        yield "GRUB starts the menu entry at the same position as the one that booted."


def _same_program(each: Replacement) -> bool:
    """Whether two unified kernel images have the same stub and the same kernel."""
    return (
        each.old is not None
        and each.new.code is not None
        and ((each.old.code, each.old.forms.get("kernel")) == (each.new.code, each.new.forms.get("kernel")))
    )


def _command_digest(command: str, prefix: str) -> bytes:
    return hashlib.sha256(command[len(prefix) :].encode("utf-8", "surrogateescape")).digest()


def _with(event: Event, digest: bytes) -> Event:
    return event._replace(digests={**event.digests, BANK: digest})
