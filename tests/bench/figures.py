# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures: ratios of medians of what was measured in turn, so that what else the machine does meets both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

Work = Callable[[], object]
Sample = TypeVar("Sample")


@dataclass(frozen=True)
class Figure:
    """One figure.

    :ivar value: a ratio, or an amount; None where it could not be measured.
    :ivar lowest: of the ratios of each round.
    :ivar goal: what it should be, in words.
    :ivar met: whether it is so; None where there is no goal, or no value.
    :ivar note: why it could not be measured, or where the time goes.
    :ivar medians: of what was measured, by name; seconds, unless the name says otherwise.
    """

    key: str
    what: str
    value: float | None
    goal: str = ""
    met: bool | None = None
    lowest: float | None = None
    highest: float | None = None
    note: str = ""
    medians: dict[str, float] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Goal:
    """At most, or at least, so much."""

    limit: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"

    def is_met(self, value: float) -> bool:
        """Whether a value is so."""
        return value >= self.limit if self.at_least else value <= self.limit


def seconds(work: Work) -> float:
    """How long something takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def in_turn(rounds: int, *measures: Callable[[], Sample], warm: bool = True) -> list[list[Sample]]:
    """What each of several measures gives, taken one after the other in every round.

    :param warm: once before that for nothing.
    """
    if warm:
        for measure in measures:
            measure()
    taken: list[list[Sample]] = [[] for _measure in measures]
    for _round in range(rounds):
        for samples, measure in zip(taken, measures, strict=True):
            samples.append(measure())
    return taken


def ratio(
    key: str,
    what: str,
    ours: tuple[str, Sequence[float]],
    other: tuple[str, Sequence[float]],
    goal: Goal | None = None,
    note: str = "",
) -> Figure:
    """The ratio of the medians of two series, with the lowest and highest ratio of a round."""
    (our_name, our_samples), (other_name, other_samples) = ours, other
    medians = {our_name: statistics.median(our_samples), other_name: statistics.median(other_samples)}
    value = medians[our_name] / medians[other_name]
    rounds = [a / b for a, b in zip(our_samples, other_samples, strict=True)]
    return Figure(
        key,
        what,
        round(value, 3),
        str(goal or ""),
        goal.is_met(value) if goal else None,
        round(min(rounds), 3),
        round(max(rounds), 3),
        note,
        {name: round(median, 4) for name, median in medians.items()},
    )


def amount(key: str, what: str, value: float, goal: Goal | None = None, note: str = "") -> Figure:
    """A figure that is no ratio."""
    return Figure(key, what, round(value, 3), str(goal or ""), goal.is_met(value) if goal else None, note=note)


def not_measured(key: str, what: str, why: str) -> Figure:
    """A figure that could not be had; it is not left out."""
    return Figure(key, what, None, note=why)
