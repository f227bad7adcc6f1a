# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The powered machine of a device: QEMU and the TPM beside it."""

from __future__ import annotations

from pathlib import Path

from . import accelerator, host, qemu, run
from .errors import LabError
from .process import Process
from .qmp import Qmp
from .state import State
from .tpm import Tpm


class Power:
    """Switches the machine in the directory of a device on and off."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._qemu = Process(directory / "run" / "qemu.process")
        self.tpm = Tpm(directory)

    @property
    def pid(self) -> int | None:
        """The process id of QEMU while the machine is on."""
        return self._qemu.pid

    def qmp(self) -> Qmp:
        """A connection to the control socket of the machine, which must be on."""
        return Qmp(self._directory / "run" / "qmp.sock")

    def on(self, state: State, port: int | None, *, paused: bool = False) -> None:
        """Switch the machine on as `state` says, and note the port in it.

        :param port: TCP port on the loopback interface for SSH, None for any free one.
        :param paused: leave the processors still, since a snapshot will be loaded.
        :raises LabError: a missing package, no space, a taken port, or QEMU or swtpm failed.
        """
        host.require_packages()
        host.require_space(self._directory, 500)
        if port:
            host.require_port(port)
        kind = accelerator.accelerator()
        # another process may take the free port before QEMU does
        for last in (False, False, True):
            state.port = port or host.free_port()
            if state.tpm:
                self.tpm.start()
            socket = Tpm.socket if state.tpm else None
            (self._directory / "run" / "qmp.sock").unlink(missing_ok=True)
            machine = qemu.Machine(kind, state.memory, socket, state.port, state.aes, state.token, paused)
            try:
                run.run(qemu.argv(machine), cwd=self._directory, timeout=60)
            except LabError as error:
                self.tpm.process.kill()
                if last or port or "forwarding" not in error.log:
                    raise
                continue
            break
        self._qemu.remember(int((self._directory / "run" / "qemu.pid").read_text()))
        self.throttle(state.throttle)

    def off(self) -> None:
        """Take away the power; a machine that is off stays off."""
        self._qemu.kill()
        self.tpm.process.kill()

    def shut_down(self, seconds: float) -> bool:
        """Press the power button, then take away the power; False where the system had not gone down in time."""
        with self.qmp() as qmp:
            qmp.execute("system_powerdown")
        obeyed = self._qemu.wait(seconds)
        self.off()
        return obeyed

    def insert_token(self) -> None:
        """Put the removable disk into the running machine."""
        file = {"driver": "file", "filename": str(self._directory / qemu.TOKEN_FILE)}
        with self.qmp() as qmp:
            qmp.execute("blockdev-add", {"driver": "raw", "node-name": qemu.TOKEN, "file": file})
            plug = {"driver": "virtio-blk-pci", "id": qemu.TOKEN, "drive": qemu.TOKEN, "bus": qemu.SLOT}
            qmp.execute("device_add", plug)

    def throttle(self, bytes_per_second: int | None) -> None:
        """Limit what the disk writes; None is no limit."""
        limits = dict.fromkeys(["bps", "bps_rd", "bps_wr", "iops", "iops_rd", "iops_wr"], 0)
        limits["bps_wr"] = bytes_per_second or 0
        with self.qmp() as qmp:
            qmp.execute("block_set_io_throttle", {"id": qemu.DISK_USER, **limits})
