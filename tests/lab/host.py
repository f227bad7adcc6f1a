# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the host has: programs, disk space, free ports, a Debian mirror."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from . import run as runner
from .cache import LAB
from .errors import LabError

DEBIAN = "http://deb.debian.org/debian"
OVMF = Path("/usr/share/OVMF")
OVMF_CODE = OVMF / "OVMF_CODE_4M.secboot.fd"
OVMF_VARS = OVMF / "OVMF_VARS_4M.fd"

# One program of each package in packages.txt, to tell whether the package is there.
_PROBES = {
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "dosfstools": "mkfs.vfat",
    "e2fsprogs": "mkfs.ext4",
    "fakeroot": "fakeroot",
    "fdisk": "sfdisk",
    "mmdebstrap": "mmdebstrap",
    "mtools": "mcopy",
    "openssh-client": "ssh",
    "ovmf": str(OVMF_CODE),
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-utils": "qemu-img",
    "sbsigntool": "sbsign",
    "swtpm": "swtpm",
    "swtpm-tools": "swtpm_setup",
    "uidmap": "newuidmap",
}


def packages() -> list[str]:
    """The Debian and Ubuntu packages that the lab needs on the host."""
    lines = (LAB / "packages.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def missing_packages() -> list[str]:
    """Those of `packages` that are not installed."""
    return [name for name in packages() if not _present(_PROBES[name])]


def _present(probe: str) -> bool:
    return Path(probe).exists() if probe.startswith("/") else bool(shutil.which(probe, path=runner.SEARCH_PATH))


def require_packages() -> None:
    """Refuse to go on without the packages.

    :raises LabError: names the missing ones and the command that installs them.
    """
    missing = missing_packages()
    if missing:
        names = " ".join(missing)
        raise LabError(names, "not installed", f"Run: sudo apt-get install --no-install-recommends {names}")


def require_space(directory: Path, mebibytes: int) -> None:
    """Refuse to go on when the file system of `directory` has less than `mebibytes` free."""
    free = shutil.disk_usage(directory).free >> 20
    if free < mebibytes:
        raise LabError(
            str(directory),
            f"{free} MiB free, {mebibytes} MiB are needed",
            "Free some space, or name another directory in EDGESEC_LAB_CACHE",
        )


def free_port() -> int:
    """A TCP port on the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def require_port(port: int) -> None:
    """Refuse a port of the loopback interface that something listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LabError(f"port {port}", f"cannot be used: {error.strerror}", "Leave out --port") from None


def mirror() -> str:
    """The Debian mirror: $EDGESEC_LAB_MIRROR, else what the host's own apt uses for Debian, else deb.debian.org."""
    named = os.environ.get("EDGESEC_LAB_MIRROR")
    if named:
        return named
    if not shutil.which("apt-get"):
        return DEBIAN
    seen = runner.run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian", "Label: Debian"])
    return next((line.rstrip("/") for line in seen.splitlines() if line.startswith("http")), DEBIAN)


def as_root(argv: list[str]) -> list[str]:
    """`argv`, made to see root's ownership of files: under fakeroot where the user is not root."""
    return argv if os.geteuid() == 0 else ["fakeroot", "--", *argv]
