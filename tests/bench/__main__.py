# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure, and write build/bench.json and docs/performance.md.

    python -m tests.bench [PART ...]

Parts: controller, discovery, calls, volumes; all of them where none is named, and only then is the page written.
"""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.setup.collection import place

sys.path.insert(0, str(place()))

from tests.bench import calls, controller, discovery, growth, peers, unlocking, volumes
from tests.bench.figures import Figure
from tests.bench.page import page
from tests.lab import accelerator, rootfs
from tests.lab.booted import CLEAN, boot

OUTPUT, PAGE = ROOT / "build" / "bench.json", ROOT / "docs" / "performance.md"
DEVICE = "bench"


def main(wanted: list[str]) -> int:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="edgesec-bench-") as name:
        for part, measure in parts(Path(name)).items():
            if part in wanted or not wanted:
                for figure in measure():
                    figures.append(figure)
                    span = figure.note if figure.value is None else f"({figure.lowest} to {figure.highest})"
                    print(f"{figure.key}: {figure.value} {span} {figure.goal}", flush=True)
    document = {"machine": machine(), "figures": [figure.as_document() for figure in figures]}
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(document, indent=1) + "\n")
    if not wanted:
        PAGE.write_text(page(document))
    return 0


def parts(directory: Path) -> dict[str, Callable[[], Iterator[Figure]]]:
    """The measurements, in the order in which the device can take them."""
    return {
        "controller": lambda: controller.hosts(directory, 2),
        "discovery": lambda: discovery.undeclared(directory, 9),
        "calls": lambda: on_device(directory),
        "volumes": lambda: of_volumes(directory),
    }


def on_device(directory: Path) -> Iterator[Figure]:
    device = boot(DEVICE, rootfs.SUITES[0])
    try:
        calls.harden(device, directory)
        yield from calls.facts(device, 3)
        yield from calls.converged(device, directory, 3)
        yield from peers.peers(device, directory, 2)
        yield from unlocking.unlock(device, 3)
    finally:
        device.destroy()


def of_volumes(directory: Path) -> Iterator[Figure]:
    device = boot(DEVICE, rootfs.SUITES[0])
    try:
        yield from volumes.throughput(device, 3)
        device.restore(CLEAN)
        yield from volumes.in_place(device, directory, 1)
        device.restore(CLEAN)
        yield from growth.by_volumes(device, 3)
    finally:
        device.destroy()


def machine() -> dict[str, str]:
    """What was measured on, as far as figures depend on it."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "processor": model,
        "device": "emulated" if accelerator.accelerator() == "tcg" else "virtual, by KVM",
        "python": platform.python_version(),
        "when": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
