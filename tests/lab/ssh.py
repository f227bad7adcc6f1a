# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH to a device: options, and waiting for an answer."""

from __future__ import annotations

import socket
from pathlib import Path

# The device is known by this name whatever its port is, so its host key is checked for real.
HOST_ALIAS = "edgesec-lab-device"


def options(directory: Path) -> list[str]:
    """Options for ssh to the device in `directory`, in a form that ansible_ssh_common_args takes too."""
    words = ["-o", f"UserKnownHostsFile={directory / 'known_hosts'}", "-o", f"HostKeyAlias={HOST_ALIAS}"]
    words += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=yes"]
    return [*words, "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20", "-F", "/dev/null"]


def argv(directory: Path, port: int, user: str = "root") -> list[str]:
    """The ssh command line, without a remote command."""
    words = ["ssh", *options(directory), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]
    return [*words, "-i", str(directory / "ssh"), "-p", str(port), f"{user}@127.0.0.1"]


def known_hosts(public_host_key: str) -> str:
    """The known_hosts file of a device."""
    return f"{HOST_ALIAS} {public_host_key}"


def answers(port: int, timeout: float = 10) -> bool:
    """Whether an SSH server greets on a loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            connection.settimeout(timeout)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
