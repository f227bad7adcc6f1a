# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The TPM 2.0 of a device: swtpm with its state in a directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from .copies import replace_directory
from .process import Process
from .run import run


class Tpm:
    """One swtpm below the directory of a device.

    Socket paths are relative to that directory, since a socket's path may not exceed 107 bytes.
    """

    socket = "run/tpm.sock"

    def __init__(self, device: Path) -> None:
        self._device = device
        self.state = device / "tpm"
        self.process = Process(device / "run" / "tpm.process")

    def start(self) -> None:
        """Start the TPM; it manufactures itself where its state is blank, and ends when the machine does."""
        self.process.kill()
        if not self.state.exists():
            self._manufacture()
        # left behind by a swtpm that was killed
        (self.state / ".lock").unlink(missing_ok=True)
        (self._device / self.socket).unlink(missing_ok=True)
        record = self._device / "run" / "tpm.pid"
        argv = ["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.state}"]
        argv += ["--ctrl", f"type=unixio,path={self.socket}", "--flags", "startup-clear", "--terminate"]
        argv += ["--pid", f"file={record}", "--daemon"]
        run(argv, cwd=self._device, timeout=60)
        self.process.remember(int(record.read_text()))

    def _manufacture(self) -> None:
        # One bank, as on the devices sold now; and each further one would cost the firmware another hash of the kernel.
        self.state.mkdir(mode=0o700)
        argv = ["swtpm_setup", "--tpm2", "--tpmstate", str(self.state), "--pcr-banks", "sha256"]
        run([*argv, "--not-overwrite"], timeout=60)

    def copy_state(self, target: Path) -> None:
        """Copy the state; the machine must not be running meanwhile."""
        replace_directory(self.state, target)

    def load_state(self, source: Path) -> None:
        """Replace the state by an earlier copy."""
        replace_directory(source, self.state)

    def blank(self) -> None:
        """Replace the TPM by a new one, with another seed and nothing in it."""
        shutil.rmtree(self.state, ignore_errors=True)
