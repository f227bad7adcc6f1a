# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual device for each worker that runs tests of this folder: as it comes, and put back to that for each file."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.device.support.hardened import HOST, Hardened, restore_hardened
from tests.lab import Device, cache, rootfs
from tests.lab.booted import CLEAN, boot
from tests.support.playbook import Played, play_on

Play = Callable[..., Played]
SUITE = os.environ.get("EDGESEC_LAB_SUITE", rootfs.SUITES[0])


@contextlib.contextmanager
def claimed(*words: str, layout: str = "uki") -> Iterator[Device]:
    """A device of this worker's own, whose name has these words in it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    name = "-".join(["pytest", *words, *([worker] if worker else [])])
    # else two runs of pytest at once would take each other's device
    with cache.lock(name):
        device = boot(name, SUITE, layout=layout, host=HOST)
        try:
            yield device
        finally:
            device.destroy()


@pytest.fixture(scope="session")
def booted() -> Iterator[Device]:
    with claimed() as device:
        yield device


@pytest.fixture(scope="module")
def device(booted: Device) -> Device:
    """The device as it comes: nothing hardened, its data, swap and spare partitions blank."""
    booted.restore(CLEAN)
    return booted


@pytest.fixture(scope="module")
def hardened(booted: Device, controller: Path) -> Hardened:
    """The device right after its first `harden`; a file that begins there overrides `device` with its device."""
    return restore_hardened(booted, SUITE, controller)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the controller's store and reports."""
    return tmp_path_factory.mktemp("controller")


@pytest.fixture(scope="module")
def run(device: Device, controller: Path) -> Play:
    """Run a playbook on the device."""

    def run_playbook(name: str, *options: str) -> Played:
        return play_on(device, name, controller, *options)

    return run_playbook


def succeed(run: Play, name: str, variables: Mapping[str, Any], *options: str) -> Played:
    """A run of a playbook, which must succeed."""
    played = run(name, "-e", json.dumps(variables), *options)
    assert played.rc == 0, played.output
    return played


# The first lines of a Python program that imports the installed library, from where a launcher has it.
IMPORT_INSTALLED = """
exec(open("/usr/lib/edgesec/unlock").read().partition("from edgesec")[0])
"""


def on(device: Device, command: str, *, stdin: str | None = None) -> str:
    """What a command prints on the device, which must succeed."""
    done = device.ssh(command, stdin=stdin)
    # 255: what failed is the connection, and the console may tell why
    assert done.returncode == 0, f"{command}: {done.stderr}{device.serial_log_end() if done.returncode == 255 else ''}"
    return done.stdout


def wait_until(device: Device, condition: str, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while device.ssh(condition).returncode != 0:
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(1)


def recovery_key(controller: Path) -> bytes:
    """The escrowed recovery key, as an operator gets it with openssl alone."""
    (envelope,) = (controller / "store/hosts").glob("*/recovery/*.cms")
    escrow = controller / "store" / "escrow"
    done = subprocess.run(
        [
            *("openssl", "cms", "-decrypt", "-inform", "DER", "-in", str(envelope)),
            *("-recip", str(escrow / "certificate.pem"), "-inkey", str(escrow / "key.pem")),
        ],
        capture_output=True,
        check=True,
    )
    return done.stdout
