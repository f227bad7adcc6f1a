# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long a command takes on the device, by the device's own clock."""

from __future__ import annotations

from tests.lab import Device

_SCRIPT = """\
import subprocess, time
began = time.monotonic()
subprocess.run({!r}, shell=True, check=True, stdout=subprocess.DEVNULL)
print(time.monotonic() - began)
"""


def timed(device: Device, command: str) -> float:
    """Seconds, without those of the connection."""
    done = device.ssh("python3 -", stdin=_SCRIPT.format(command), timeout=1800)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return float(done.stdout.split()[-1])
