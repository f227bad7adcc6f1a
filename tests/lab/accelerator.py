# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accelerator works on this host, found by letting the real firmware boot with a time-out.

The presence of /dev/kvm says nothing: it may be broken, or fail on the first instruction of the firmware.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import cache, host, qemu, run
from .progress import say

_KVM = Path("/dev/kvm")
_SECONDS = 20
# What the firmware prints when it finds nothing to boot from.
_SIGN_OF_LIFE = b"BdsDxe"


def fingerprint() -> str:
    """A name for what runs the machines: QEMU, the host's kernel, and who may use its KVM."""
    version = run.run(["qemu-system-x86_64", "--version"])
    kernel = Path("/proc/sys/kernel/osrelease").read_text()
    # the node's owner and mode: whoever gains access to it later is asked again
    status = _KVM.stat() if _KVM.exists() else None
    return cache.key(version, kernel, status and [status.st_uid, status.st_gid, status.st_mode])


def accelerator() -> str:
    """Return "kvm" or "tcg"; the answer is remembered for as long as the fingerprint stays the same."""
    if not _KVM.exists():
        return "tcg"

    def probe(directory: Path) -> None:
        say("accelerator: trying KVM ...")
        works = boots("kvm")
        say("accelerator: KVM works" if works else "accelerator: KVM does not work here, emulating instead (slow)")
        (directory / "name").write_text("kvm" if works else "tcg")

    return (cache.build_once("accelerator", fingerprint(), probe) / "name").read_text()


def boots(name: str) -> bool:
    """Whether the firmware comes up with this accelerator."""
    with tempfile.TemporaryDirectory() as directory:
        variables, serial = Path(directory, "vars.qcow2"), Path(directory, "serial")
        run.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(host.OVMF_VARS), str(variables)])
        argv = [shutil.which("qemu-system-x86_64", path=run.SEARCH_PATH) or "", "-nodefaults", "-display", "none"]
        argv += [*qemu.firmware(name, str(variables)), "-m", "256", "-serial", f"file:{serial}"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + _SECONDS
            alive = False
            while not alive and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.2)
                alive = serial.exists() and _SIGN_OF_LIFE in serial.read_bytes()
            process.kill()
        return alive
