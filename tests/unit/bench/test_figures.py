# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Figures, and the page that tells them. Nothing is measured here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.bench.figures import Goal, amount, in_turn, not_measured, ratio
from tests.bench.page import page

ROOT = Path(__file__).resolve().parents[3]
KEYS = {
    "audit_vs_ping",
    "controller_mb_per_host",
    "converged_vs_debops",
    "converged_vs_luks_device",
    "converged_vs_ping",
    "discovery_vs_find",
    "fact_bytes",
    "facts_vs_lynis",
    "facts_vs_ping",
    "facts_vs_setup",
    "host_cost_vs_ping",
    "host_cost_growth",
    "in_place_vs_cryptsetup",
    "throughput_vs_best",
    "throughput_vs_default",
    "unlock_vs_clevis",
    "unlock_vs_plain_open",
    "unlock_vs_systemd",
    "volume_cost_growth",
}
MACHINE = {"when": "2026-01-01", "processor": "one", "device": "emulated", "python": "3.11"}


def test_what_is_compared_is_taken_in_turn_and_once_before_for_nothing() -> None:
    order: list[str] = []

    def measure(name: str) -> Callable[[], int]:
        def taken() -> int:
            order.append(name)
            return len(order)

        return taken

    assert in_turn(2, measure("a"), measure("b")) == [[3, 5], [4, 6]]
    assert order == ["a", "b"] * 3
    assert in_turn(1, measure("a"), measure("b"), warm=False) == [[7], [8]]


def test_a_ratio_is_of_medians_and_its_span_of_rounds() -> None:
    figure = ratio("x", "x to y", ("x", [2.0, 9.0, 4.0]), ("y", [1.0, 3.0, 2.0]), Goal(2))
    assert (figure.value, figure.lowest, figure.highest) == (2.0, 2.0, 3.0)
    assert (figure.met, figure.goal, figure.medians) == (True, "at most 2", {"x": 4.0, "y": 2.0})
    assert ratio("x", "", ("x", [1.0]), ("y", [2.0]), Goal(0.6, at_least=True)).met is False
    assert ratio("x", "", ("x", [1.0]), ("y", [2.0])).met is None


def test_the_page_tells_what_is_met_what_is_not_and_what_could_not_be_measured() -> None:
    figures = [
        ratio("good", "a to b", ("a", [1.0]), ("b", [2.0]), Goal(1)),
        amount("bad", "bytes", 30, Goal(20), note="where they are"),
        not_measured("none", "c to d", "there is no d"),
    ]
    text = page({"machine": MACHINE, "figures": [figure.as_document() for figure in figures]})
    assert "| `good`: a to b | 0.5 (0.5 to 0.5) | at most 1 | yes | a 1, b 2 |" in text
    assert "| `bad`: bytes | 30 | at most 20 | **no** |  |" in text
    assert "| `none`: c to d | not measured |  |  |  |" in text
    assert "- `bad`: where they are\n- `none`: there is no d\n" in text


def test_the_page_in_docs_has_every_figure() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert {key for key in KEYS if f"| `{key}`:" in text} == KEYS
    assert "Written by make bench" in text
