# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Parse the firmware's event log, and compute the PCR values that it leads to.

Source: TCG PC Client Platform Firmware Profile 1.06, sections 10.2 (layout), 10.4.1 (event types) and 10.4.5.3
(StartupLocality). The log is only a claim; it is proven if its replay equals the values that the TPM reports.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .._base.errors import EdgesecError, Malformed

PATH = "/sys/kernel/security/tpm0/binary_bios_measurements"
# Firmware reserves 64 to 512 KiB.
LOG_BYTES = 1 << 20

NO_ACTION = 0x3
SEPARATOR = 0x4
ACTION = 0x5
EVENT_TAG = 0x6
PLATFORM_CONFIG_FLAGS = 0xA
COMPACT_HASH = 0xC
IPL = 0xD
EFI_VARIABLE_DRIVER_CONFIG = 0x80000001
EFI_VARIABLE_BOOT = 0x80000002
EFI_BOOT_SERVICES_APPLICATION = 0x80000003
EFI_GPT_EVENT = 0x80000006
EFI_ACTION = 0x80000007
EFI_VARIABLE_BOOT2 = 0x8000000C
EFI_VARIABLE_AUTHORITY = 0x800000E0

_SUBJECT = "the event log"
_SPEC_ID = b"Spec ID Event03\0"
_STARTUP_LOCALITY = b"StartupLocality\0"
_BANKS = {0x4: "sha1", 0xB: "sha256", 0xC: "sha384", 0xD: "sha512", 0x12: "sm3_256"}
_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
# PCRs 16 to 23 can be reset while the system runs, so no log accounts for them.
_STATIC_PCRS = range(16)
_PCRS = range(24)


class Event(NamedTuple):
    """One event; C(digests) by bank name."""

    pcr: int
    type: int
    digests: Mapping[str, bytes]
    data: bytes


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self._data)

    def take(self, count: int) -> bytes:
        piece = self._data[self.at : self.at + count]
        if len(piece) < count:
            raise Malformed(_SUBJECT, f"is cut short: {count} bytes are missing at byte {self.at}")
        self.at += count
        return piece

    def numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))


def parse(data: bytes) -> tuple[Event, ...]:
    """Parse the events, in the order in which they were measured.

    :raises Malformed: the data is not a crypto-agile event log, is cut short, or longer than any firmware writes.
    """
    if len(data) > LOG_BYTES:
        raise Malformed(_SUBJECT, f"is longer than {LOG_BYTES} bytes")
    reader = _Reader(data)
    _pcr, kind, _sha1, size = reader.numbers("<II20sI")
    if kind != NO_ACTION:
        raise Malformed(_SUBJECT, "has the format of TPM 1.2: it does not begin with a Spec ID event")
    sizes = _digest_sizes(_Reader(reader.take(size)))
    events = []
    while reader:
        events.append(_event(reader, sizes))
    return tuple(events)


def replay(events: Iterable[Event], bank: str) -> dict[int, bytes]:
    """The values of PCRs 0 to 15 of a bank after the events.

    :raises Malformed: an event has no digest for the bank.
    :raises EdgesecError: this program does not support the bank's hash algorithm.
    """
    if bank not in _SIZES:
        raise EdgesecError(f"the PCR bank {bank}", "cannot be computed here", f"Use one of {', '.join(_SIZES)}")
    values = {pcr: bytes(_SIZES[bank]) for pcr in _STATIC_PCRS}
    for event in events:
        if event.type == NO_ACTION:
            if event.pcr == 0 and event.data[:-1] == _STARTUP_LOCALITY:
                values[0] = bytes(_SIZES[bank] - 1) + event.data[-1:]
        elif event.pcr in values:
            if bank not in event.digests:
                raise Malformed(_SUBJECT, f"has no {bank} digests")
            values[event.pcr] = hashlib.new(bank, values[event.pcr] + event.digests[bank]).digest()
    return values


def _digest_sizes(spec: _Reader) -> dict[int, int]:
    """The algorithms of the log and their digest sizes, from the Spec ID event."""
    if spec.take(len(_SPEC_ID)) != _SPEC_ID:
        raise Malformed(_SUBJECT, "does not begin with a Spec ID event of the crypto-agile form")
    _platform, _minor, _major, _errata, _uintn, count = spec.numbers("<IBBBBI")
    sizes: dict[int, int] = {}
    for _number in range(count):
        algorithm, size = spec.numbers("<HH")
        if algorithm in sizes or size != _SIZES.get(_bank(algorithm), size):
            raise Malformed(_SUBJECT, f"states the algorithm {_bank(algorithm)} twice, or with {size} bytes")
        sizes[algorithm] = size
    if not sizes:
        raise Malformed(_SUBJECT, "states no algorithm")
    return sizes


def _event(reader: _Reader, sizes: Mapping[int, int]) -> Event:
    begin = reader.at
    pcr, kind, count = reader.numbers("<III")
    # An event that is not extended has all ones in place of a PCR.
    if count != len(sizes) or (pcr not in _PCRS and kind != NO_ACTION):
        raise Malformed(_SUBJECT, f"has an event for PCR {pcr} with {count} digests at byte {begin}")
    digests = {}
    for _number in range(count):
        (algorithm,) = reader.numbers("<H")
        if algorithm not in sizes or _bank(algorithm) in digests:
            raise Malformed(_SUBJECT, f"has an unexpected {_bank(algorithm)} digest in the event at byte {begin}")
        digests[_bank(algorithm)] = reader.take(sizes[algorithm])
    (size,) = reader.numbers("<I")
    return Event(pcr, kind, digests, reader.take(size))


def _bank(algorithm: int) -> str:
    return _BANKS.get(algorithm, f"0x{algorithm:04x}")
