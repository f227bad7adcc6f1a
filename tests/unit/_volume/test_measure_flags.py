# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Choosing flags by what was measured, and measuring: on a file here, and through dm-crypt on the virtual device."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._volume.measure_flags import (
    Flags,
    Measured,
    Rates,
    choose,
    exercise,
)

READ, BOTH = ("no-read-workqueue",), ("no-read-workqueue", "no-write-workqueue")
USUAL = {"read": [100.0, 90.0, 110.0], "write": [50.0, 50.0, 50.0]}


def rates(read: float, write: float) -> dict[str, list[float]]:
    return {"read": [read] * 3, "write": [write] * 3}


@pytest.mark.parametrize(
    ("others", "chosen"),
    [
        ({}, ()),
        ({READ: rates(104, 51)}, ()),
        ({READ: rates(120, 50)}, READ),
        ({READ: rates(120, 50), BOTH: rates(120, 60)}, BOTH),
        ({READ: rates(120, 50), BOTH: rates(200, 40)}, READ),
        ({READ: rates(90, 45)}, ()),
    ],
    ids=["alone", "within the margin", "clear", "the best", "a loser in one thing", "worse"],
)
def test_other_flags_than_none_have_to_win_clearly_and_lose_nowhere(others: dict[Flags, Rates], chosen: Flags) -> None:
    assert choose({(): USUAL, **others}) == chosen


def test_one_lucky_round_does_not_count() -> None:
    assert choose({(): USUAL, READ: {"read": [100.0, 900.0, 100.0], "write": [50.0] * 3}}) == ()


def test_nothing_that_could_be_measured_chooses_nothing() -> None:
    assert choose({}) == ()
    assert choose({READ: rates(1, 1)}) == ()


def test_the_figures_are_told_by_flags() -> None:
    figures = Measured(READ, {(): rates(1 << 20, 3 << 19), BOTH: rates(1 << 21, 0)}).as_result()
    assert figures == {
        "flags": ["no-read-workqueue"],
        "mib_per_second": {
            "none": {"read": 1.0, "write": 1.5},
            "no-read-workqueue no-write-workqueue": {"read": 2.0, "write": 0.0},
        },
    }


def test_a_file_is_written_and_read_within_its_bounds(tmp_path: Path) -> None:
    file = tmp_path / "data.img"
    file.write_bytes(b"x" * (2 << 20))
    found = exercise(str(file))
    assert sorted(found) == ["random_read", "random_write", "read", "write"]
    assert all(rate > 0 for rate in found.values())
    assert file.stat().st_size == 2 << 20
    assert not file.read_bytes().strip(b"\0x")
    assert file.read_bytes()[: 1 << 20] == bytes(1 << 20), "nothing was written"
