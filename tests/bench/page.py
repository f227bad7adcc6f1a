# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of figures in docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# The page is under the licence of this file.
_LICENCE = [line.removeprefix("# ") for line in Path(__file__).read_text(encoding="utf-8").splitlines()[:3]]
_HEAD = """\

Written by make bench: do not edit.
-->

# Performance

Ratios of medians, of what was measured in turn in one run; in brackets the lowest and the highest of a round. Measured
on {machine[when]}: {machine[processor]}, the device {machine[device]}, Python {machine[python]}.

| figure | is | goal | met | measured |
|---|---|---|---|---|
"""


def page(document: dict[str, Any]) -> str:
    """The page, from what build/bench.json holds."""
    figures = document["figures"]
    notes = [f"- `{figure['key']}`: {figure['note']}\n" for figure in figures if figure["note"]]
    rows = [_row(figure) for figure in figures]
    return "\n".join(["<!--", *_LICENCE]) + "".join([_HEAD.format(machine=document["machine"]), *rows, "\n", *notes])


def _row(figure: dict[str, Any]) -> str:
    value = "not measured" if figure["value"] is None else f"{figure['value']:g}"
    if figure["lowest"] is not None:
        value += f" ({figure['lowest']:g} to {figure['highest']:g})"
    met = {True: "yes", False: "**no**", None: ""}[figure["met"]]
    medians = ", ".join(f"{name} {median:g}" for name, median in figure["medians"].items())
    return f"| `{figure['key']}`: {figure['what']} | {value} | {figure['goal']} | {met} | {medians} |\n"
