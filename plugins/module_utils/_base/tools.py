# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Run the device's tools with argv lists and the C locale; pass secrets by pipe, never as arguments."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Optional, Union

from .errors import ToolFailed, ToolMissing, ToolTimeout

# Seconds. A tool that changes something may wait long for a device under load; a tool that only reads may not.
WAIT_SECONDS, LOOK_SECONDS = 600.0, 60.0
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MOST_SHOWN = 200

# The Debian package of each tool that is named differently.
PACKAGES = {
    "blkid": "util-linux",
    "cryptsetup": "cryptsetup-bin",
    "findmnt": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "mkswap": "util-linux",
    "mount": "mount",
    "swapoff": "mount",
    "swapon": "mount",
    "systemd-cryptenroll": "systemd-cryptsetup",
    "systemctl": "systemd",
    "umount": "mount",
    "wipefs": "util-linux",
}


class Secret(NamedTuple):
    """Secret bytes for a tool that reads a file: put this into the argv in place of the file name.

    The bytes travel through a pipe and must fit into it (at most 4096).
    """

    value: bytes

    def __repr__(self) -> str:
        return "Secret(...)"


class MemoryFile(NamedTuple):
    """Bytes for a tool that reads and seeks in a file: put this into the argv; the file exists only in memory.

    :ivar option: goes before the name of the file, such as C(--key-file=).
    """

    option: str
    value: bytes

    def __repr__(self) -> str:
        return f"MemoryFile({self.option}...)"


class Completed(NamedTuple):
    """The result of a tool that ended."""

    rc: int
    stdout: bytes
    stderr: str


Argument = Union[str, Secret, MemoryFile]


def find_tool(name: str) -> Optional[str]:
    """The absolute path of a tool, or None if it is not installed."""
    return shutil.which(name, path=SEARCH_PATH)


def require_tool(name: str) -> str:
    """The absolute path of a tool.

    :raises ToolMissing: it is not installed; the error names the package to install.
    """
    path = find_tool(name)
    if path is None:
        package = "tpm2-tools" if name.startswith("tpm2_") else PACKAGES.get(name, name)
        raise ToolMissing(name, f"no such program in {SEARCH_PATH}", f"Install it (on Debian: apt install {package})")
    return path


def run(
    argv: Sequence[Argument],
    *,
    stdin: bytes = b"",
    env: Optional[Mapping[str, str]] = None,
    timeout: Optional[float] = WAIT_SECONDS,
    ok: Sequence[int] = (0,),
) -> Completed:
    """Run a tool and wait for it to end.

    :param argv: name and arguments; a :class:`Secret` becomes the name of a pipe that holds its bytes, and a
        :class:`MemoryFile` becomes its option followed by the name of its file.
    :param stdin: the tool's standard input.
    :param env: variables in addition to PATH and the C locale; the tool sees no others.
    :param timeout: seconds until the tool is killed; None waits forever.
    :param ok: exit codes that count as success.
    :raises ToolMissing: the tool is not installed.
    :raises ToolTimeout: it did not end in time.
    :raises ToolFailed: it ended with another exit code.
    """
    name = str(argv[0])
    command = [require_tool(name)]
    readers: list[int] = []
    try:
        for argument in argv[1:]:
            if isinstance(argument, str):
                command.append(argument)
                continue
            in_memory = isinstance(argument, MemoryFile)
            reader = _memory_file_with(argument.value) if in_memory else _pipe_with(argument.value)
            readers.append(reader)
            command.append(f"{argument.option if isinstance(argument, MemoryFile) else ''}/dev/fd/{reader}")
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            env={"PATH": SEARCH_PATH, "LC_ALL": "C", "LANGUAGE": "C", **(env or {})},
            timeout=timeout,
            pass_fds=readers,
            check=False,
        )
    except subprocess.TimeoutExpired:
        # "from None": the original exception carries the tool's output, which may be a secret.
        waited_for = " ".join(argument for argument in argv if isinstance(argument, str))[:_MOST_SHOWN]
        raise ToolTimeout(
            waited_for,
            f"did not end within {timeout:g} s",
            "Check whether the device still answers and what keeps it busy, then run again",
        ) from None
    finally:
        for reader in readers:
            os.close(reader)
    stderr = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode not in ok:
        raise ToolFailed(name, done.returncode, stderr)
    return Completed(done.returncode, done.stdout, stderr)


def _pipe_with(value: bytes) -> int:
    if len(value) > 4096:
        raise ValueError("a secret of more than 4096 bytes may not fit into a pipe")
    reader, writer = os.pipe()
    try:
        os.write(writer, value)
    finally:
        os.close(writer)
    return reader


def _memory_file_with(value: bytes) -> int:
    file = os.memfd_create("edgesec", os.MFD_CLOEXEC)
    os.fchmod(file, 0o400)
    os.write(file, value)
    os.lseek(file, 0, os.SEEK_SET)
    return file
