# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Roll back: take every step even if others fail, and report the original cause first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from .errors import EdgesecError


class Step(NamedTuple):
    """One step of a roll-back.

    :ivar what: what the step restores, for errors.
    """

    what: str
    undo: Callable[[], object]


def go_back(steps: Iterable[Step]) -> list[str]:
    """Take all steps in order; return the failures, one line each."""
    failures = []
    for step in steps:
        try:
            step.undo()
        except Exception as error:  # no failure may prevent the next step
            failures.append(f"{step.what}: {_in_one_line(error)}")
    return failures


def cause(error: EdgesecError, failures: list[str], done: str = "") -> EdgesecError:
    """The error that caused a roll-back, extended by what could not be restored.

    :param done: what the error adds if everything was restored.
    """
    if not failures:
        return EdgesecError(error.subject, f"{error.seen}; {done}", error.remedy) if done else error
    seen = "; rolling back also failed: ".join([error.seen, *failures])
    return EdgesecError(error.subject, seen, error.remedy)


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
