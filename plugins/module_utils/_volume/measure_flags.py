# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Measure which dm-crypt flags suit a device, on a volume that was just formatted and holds nothing."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from statistics import geometric_mean, median
from typing import Any, Callable, NamedTuple

from .._base.errors import ToolFailed
from .._base.places import mapper_of
from .._luks import cryptsetup
from .._luks.libcryptsetup import set_persistent_flags

# Stands for the flags that measure best.
MEASURED = "measured"
# Flags that affect only speed.
TUNING = ("same-cpu-crypt", "submit-from-crypt-cpus", "no-read-workqueue", "no-write-workqueue")

Flags = tuple[str, ...]
# Bytes per second in each round, by operation.
Rates = Mapping[str, Sequence[float]]

_NONE: Flags = ()
_CANDIDATES: tuple[Flags, ...] = (
    _NONE,
    ("no-read-workqueue",),
    ("no-write-workqueue",),
    ("no-read-workqueue", "no-write-workqueue"),
    ("submit-from-crypt-cpus",),
)
_ROUNDS = 3
# Flags must beat "none" by this factor.
_MARGIN = 1.05
_SEQUENTIAL, _RANDOM = 1 << 20, 1 << 12
_OPERATIONS = {_SEQUENTIAL: 4, _RANDOM: 64}
# A prime, so places neither repeat nor cluster.
_STRIDE = 2654435761
_SECONDS = 0.1
_MIB = 1 << 20


class Measured(NamedTuple):
    """The chosen flags, and the rates behind the choice."""

    flags: Flags
    rates: Mapping[Flags, Rates]

    def as_result(self) -> dict[str, Any]:
        """The module's result."""
        return {
            "flags": list(self.flags),
            "mib_per_second": {
                " ".join(flags) or "none": {kind: round(median(each) / _MIB, 1) for kind, each in rates.items()}
                for flags, rates in self.rates.items()
            },
        }


def tune(device: str, name: str, key: bytes, flags: Sequence[str]) -> Measured:
    """Measure an empty volume, and write the flags that suit it into its header.

    :param flags: other flags for the header.
    """
    found = measure(device, f"{name}-measured", key)
    set_persistent_flags(device, [*flags, *found.flags])
    return found


def measure(device: str, mapping: str, key: bytes) -> Measured:
    """Measure an empty volume. Take turns, so outside changes affect all candidates alike."""
    rates: dict[Flags, dict[str, list[float]]] = {}
    cryptsetup.open_volume(device, mapping, key)
    try:
        for _round in range(_ROUNDS):
            for flags in _CANDIDATES:
                # The kernel may not know every flag.
                with suppress(ToolFailed):
                    cryptsetup.refresh(mapping, key, flags)
                    for kind, rate in exercise(mapper_of(mapping)).items():
                        rates.setdefault(flags, {}).setdefault(kind, []).append(rate)
    finally:
        cryptsetup.close_volume(mapping)
    return Measured(choose(rates), rates)


def choose(rates: Mapping[Flags, Rates]) -> Flags:
    """The flags that clearly beat "none" overall and are slower nowhere; otherwise none."""
    usual = {kind: median(each) for kind, each in rates.get(_NONE, {}).items()}
    best, score = _NONE, _MARGIN
    for flags, by_kind in rates.items():
        gains = [median(each) / usual[kind] for kind, each in by_kind.items() if usual.get(kind)]
        if gains and min(gains) >= 1 / _MARGIN and geometric_mean(gains) > score:
            best, score = flags, geometric_mean(gains)
    return best


def exercise(path: str) -> dict[str, float]:
    """Write and read parts of a device, past the page cache, destroying its contents.

    :return: bytes per second, by operation.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_CLOEXEC)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        # Page-aligned, as direct I/O requires.
        with mmap.mmap(-1, _SEQUENTIAL) as buffer, memoryview(buffer) as view, view[:_RANDOM] as block:
            return {
                "write": _rate(lambda at: os.pwritev(descriptor, [view], at), _SEQUENTIAL, size),
                "read": _rate(lambda at: os.preadv(descriptor, [view], at), _SEQUENTIAL, size),
                "random_write": _rate(lambda at: os.pwritev(descriptor, [block], at), _RANDOM, size),
                "random_read": _rate(lambda at: os.preadv(descriptor, [block], at), _RANDOM, size),
            }
    finally:
        os.close(descriptor)


def _rate(access: Callable[[int], int], length: int, size: int) -> float:
    places = size // length
    done, began = 0, time.perf_counter()
    for number in range(min(places, _OPERATIONS[length])):
        # Spread over the device, at the same places in every round.
        place = number if length == _SEQUENTIAL else number * _STRIDE % places
        done += access(place * length)
        if time.perf_counter() - began > _SECONDS:
            break
    return done / (time.perf_counter() - began)
