# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of a device: disk, variables, TPM and, where it is on, the running system."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import qemu, run
from .errors import LabError
from .power import Power
from .state import State


class Snapshots:
    """The snapshots below the directory of a device."""

    def __init__(self, directory: Path, power: Power) -> None:
        self._directory = directory
        self._power = power

    def names(self) -> list[str]:
        """All that can be loaded."""
        return sorted(path.parent.name for path in self._directory.glob("snapshots/*/state.json"))

    def save(self, name: str, state: State) -> None:
        """Save the device, whose present state is `state`; replaces an older snapshot of this name."""
        record, tpm = self._record(name), self._tpm_state(name)
        running = self._power.pid is not None
        if record.exists():
            self._delete(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        if running:
            with self._power.qmp() as qmp:
                qmp.execute("stop")
                try:
                    self._power.tpm.copy_state(tpm)
                    qmp.job("snapshot-save", _arguments(name))
                finally:
                    qmp.execute("cont")
        else:
            self._power.tpm.copy_state(tpm)
            self._qemu_img("-c", name)
        record.write_text(json.dumps({"running": running, "state": asdict(state)}))

    def read(self, name: str) -> tuple[State, bool]:
        """The state of the device when the snapshot was taken, and whether it was on.

        :raises LabError: there is no such snapshot.
        """
        if not self._record(name).exists():
            known = ", ".join(self.names()) or "none"
            raise LabError(f"snapshot {name}", f"{self._directory.name} has no such snapshot", f"It has: {known}")
        saved = json.loads(self._record(name).read_text())
        return State(**saved["state"]), saved["running"]

    def load_disks(self, name: str) -> None:
        """Put disk and variables of a machine that is off back to what they were."""
        self._qemu_img("-a", name)

    def load_tpm(self, name: str) -> None:
        """Put the TPM of a machine that is off back to what it was."""
        self._power.tpm.load_state(self._tpm_state(name))

    def resume(self, name: str) -> None:
        """Let a machine that was switched on paused go on from where it was."""
        with self._power.qmp() as qmp:
            qmp.job("snapshot-load", _arguments(name))
            qmp.execute("cont")

    def _delete(self, name: str) -> None:
        self._record(name).unlink()
        if self._power.pid is None:
            self._qemu_img("-d", name)
        else:
            with self._power.qmp() as qmp:
                qmp.job("snapshot-delete", {"tag": name, "devices": [qemu.DISK, qemu.VARIABLES]})

    def _qemu_img(self, option: str, name: str) -> None:
        for disk in ("disk.qcow2", "vars.qcow2"):
            run.run(["qemu-img", "snapshot", option, name, disk], cwd=self._directory)

    def _record(self, name: str) -> Path:
        return self._directory / "snapshots" / name / "state.json"

    def _tpm_state(self, name: str) -> Path:
        return self._directory / "snapshots" / name / "tpm"


def _arguments(name: str) -> dict[str, Any]:
    return {"tag": name, "vmstate": qemu.DISK, "devices": [qemu.DISK, qemu.VARIABLES]}
