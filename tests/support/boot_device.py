# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device in a mount namespace, with boot file systems that are read-only and a dpkg of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import SEARCH_PATH
from tests.support.module_runner import Result, run_module
from tests.support.namespace import Namespace

PROGRAM = "/usr/lib/edgesec/boot-window"
STATE = "/run/edgesec/boot-window/state.json"
HOOK = "/etc/dpkg/dpkg.cfg.d/edgesec-boot-window"
RESTRICTED = "ro,nosuid,nodev,noexec"

# Directories of the device that the program writes to, in memory; what else is there leads to where it was.
_OWN_DIRECTORIES = """
set -e
mount -t ramfs ramfs /run
mount --rbind /usr/lib /mnt
mkdir /run/lib /run/etc
cp -a /etc/. /run/etc 2>/dev/null || true
for each in /mnt/* /mnt/.[!.]*; do ln -s "$each" /run/lib; done
mount --bind /run/lib /usr/lib
mount --bind /run/etc /etc
rm -rf /etc/edgesec /etc/fstab
mkdir -p /etc/dpkg/dpkg.cfg.d
"""


class Device:
    """A device in a mount namespace, with two boot file systems that are read-only."""

    def __init__(self, directory: Path, space: Namespace) -> None:
        self.space = space
        self.directory = directory
        self.boot = directory / "boot"
        self.efi = directory / "efi"
        space.run("sh", "-c", _OWN_DIRECTORIES)
        for path in (self.boot, self.efi):
            path.mkdir()
            space.run("mount", "-t", "ramfs", "-o", RESTRICTED, "ramfs", str(path))

    def install(self, *, check: bool = False, **arguments: Any) -> Result:
        given = {"paths": [str(self.boot), str(self.efi)], **arguments}
        return run_module("boot_window", given, check=check, within=self.space.enter)

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.space.enter, PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    def do(self, *arguments: str) -> str:
        done = self.call(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, script: str) -> subprocess.Popen[str]:
        """A process that says when it is ready, and then waits for its end."""
        process = subprocess.Popen(
            [*self.space.enter, "sh", "-c", f"{script}\necho ready; read -r _"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def is_read_only(self, path: Path) -> bool:
        return "ro" in self.space.options(path)

    def are_closed(self) -> bool:
        return self.is_read_only(self.boot) and self.is_read_only(self.efi)

    def state(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.space.run("cat", STATE))
        return document

    def kill_watcher(self) -> None:
        wait_until(lambda: self.state()["watcher"] is not None)
        os.kill(self.state()["watcher"]["pid"], signal.SIGKILL)

    def write(self, path: str, text: str) -> None:
        subprocess.run([*self.space.enter, "sh", "-c", f"cat >{path}"], input=text, text=True, check=True)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)


def find(device: Device, path: str) -> bool:
    return subprocess.run([*device.space.enter, "test", "-e", path], check=False).returncode == 0


class Packages:
    """A real dpkg with a database of its own, and a package with a file for the boot file system."""

    def __init__(self, device: Device, directory: Path) -> None:
        self.device = device
        self.directory = directory
        for name in ("root", "database/info", "database/updates", "database/triggers", "package/DEBIAN"):
            (self.directory / name).mkdir(parents=True)
        for name in ("status", "available"):
            (self.directory / "database" / name).touch()
        self.file = device.boot / "kernel"
        self.waits = self.directory / "waits"

    def build(self, *, touches_boot: bool = True) -> Path:
        package = self.directory / "package"
        control = "Package: kernel\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.com>\nDescription: x\n"
        (package / "DEBIAN/control").write_text(control)
        scripts = {
            "postinst": f"echo new >{self.file}\nif [ -e {self.waits} ]; then echo waits; sleep 600; fi",
            "prerm": f"rm {self.file}",
        }
        for name, script in scripts.items():
            path = package / "DEBIAN" / name
            path.write_text(f"#!/bin/sh\nset -e\n{script if touches_boot else ':'}\n")
            path.chmod(0o755)
        archive = self.directory / "kernel.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "--build", str(package), str(archive)], check=True, capture_output=True
        )
        return archive

    def argv(self, *action: str) -> list[str]:
        options = [
            *(f"--admindir={self.directory}/database", f"--instdir={self.directory}/root", "--log=/dev/null"),
            *("--force-script-chrootless", "--force-not-root"),
        ]
        return [*self.device.space.enter, "env", f"PATH={SEARCH_PATH}", "dpkg", *options, *action]

    def run(self, *action: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.argv(*action), capture_output=True, text=True, check=False, timeout=60)
