# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device hardened once and kept in the cache, together with the controller's store and the logs of both runs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Device, booted, cache
from tests.lab.copies import replace_directory
from tests.setup.collection import ROOT
from tests.support.playbook import DEVICE_VARIABLES, Played, play_on

HARDENED = "hardened"
# The store names devices by the host name in the inventory, so all copies of a device share one.
HOST = "device"


@dataclass(frozen=True)
class Hardened:
    """A running device right after its first `harden`, before any reboot.

    :ivar predicted: `harden --check --diff` on the blank device.
    :ivar done: the `harden -vvv` that followed.
    """

    device: Device
    predicted: Played
    done: Played


def restore_hardened(device: Device, suite: str, controller: Path) -> Hardened:
    """Put `device` back to its hardened state and copy the store, the reports and the logs to `controller`."""
    # Held while copying: another run with other sources deletes what it replaces.
    with cache.lock("hardened"):
        kept = _kept(suite)
        if HARDENED not in device.snapshots():
            device.copy(kept / "device")
        shutil.copytree(kept / "controller", controller, dirs_exist_ok=True)
    device.restore(HARDENED)
    return Hardened(device, Played(0, controller / "predicted.log"), Played(0, controller / "harden.log"))


def _kept(suite: str) -> Path:
    sources = [_digest(path) for path in _sources()]
    key = cache.key(booted.origin(suite).name, importlib.metadata.version("ansible-core"), sources)
    kept = cache.build_once("hardened", f"{suite}-{key}", lambda directory: _harden(suite, key, directory))
    for other in kept.parent.glob(f"{suite}-*"):
        if other != kept:
            shutil.rmtree(other)
    return kept


def _sources() -> list[Path]:
    folders = [ROOT / name for name in ("meta", "playbooks", "plugins", "roles")]
    files = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return sorted(path for path in [*files, DEVICE_VARIABLES, Path(__file__)] if path.is_file())


def _digest(path: Path) -> list[str]:
    return [str(path.relative_to(ROOT)), hashlib.sha256(path.read_bytes()).hexdigest()]


def _harden(suite: str, key: str, directory: Path) -> None:
    device = booted.boot(f"harden-{key}", suite, host=HOST)
    try:
        controller = directory / "controller"
        controller.mkdir()
        predicted = play_on(device, "harden", controller, "--check", "--diff", log="predicted.log")
        assert predicted.rc == 0, predicted.output
        assert device.ssh("ls /dev/mapper").stdout.split() == ["control"], "check mode has changed the device"
        done = play_on(device, "harden", controller, "-vvv")
        assert done.rc == 0, done.output[-4000:]
        device.ssh("sync")
        device.snapshot(HARDENED)
        device.power_cut()
        replace_directory(device.directory, directory / "device")
    finally:
        device.destroy()
