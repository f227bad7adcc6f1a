# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs podman: as it is where that works, else in the way that a container within a locked-down machine needs.

Such a machine (root without CAP_SYS_RESOURCE, cgroup v1 beside an empty v2) lets no runtime raise limits or find its
control groups. There podman runs in a mount namespace of its own, held by a sleeping process, where /sys/fs/cgroup is
plain cgroup v2, and containers are privileged. Nothing of this happens where a plain container starts.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.progress import say

LIMITS = "[containers]\ndefault_ulimits = []\npids_limit = 0\n"
CGROUP2 = "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && touch {ready} && exec sleep infinity"


class Podman:
    """podman, with what it needs on this host.

    :param state: directory that remembers between processes how podman is run here.
    """

    def __init__(self, state: Path) -> None:
        self._limits = state / "containers.conf"
        self._holder = state / "holder.pid"

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run podman and return what it printed.

        :raises LabError: podman is missing, or failed.
        """
        done = self._run(arguments, stdin)
        if done.returncode != 0:
            raise LabError(f"podman {arguments[0]}", f"ended with {done.returncode}", log=done.stderr[-2000:])
        return done.stdout.strip()

    def start(self, *arguments: str) -> None:
        """Run a container in the background (`podman run -d`), finding out how that is done here.

        :raises LabError: neither way works.
        """
        plain = self._run(["run", "-d", *arguments])
        if plain.returncode == 0:
            return
        log = plain.stderr[-2000:]
        if os.geteuid() != 0:
            raise LabError("podman run", "does not work for this user", "Try: podman run --rm IMAGE true", log)
        if not self._holder.exists():
            say(f"plain podman does not work here ({log.strip()}); trying a mount namespace with cgroup v2")
            self._hold_namespace()
        self._run(["rm", "-f", "--ignore", arguments[arguments.index("--name") + 1]])
        self("run", "-d", "--privileged", *arguments)

    def stop(self, *names: str) -> None:
        """Remove containers, and the namespace with them."""
        self("rm", "-f", "--ignore", "-t", "1", *names)
        if self._holder.exists():
            os.kill(int(self._holder.read_text()), signal.SIGKILL)
            self._holder.unlink()
            self._limits.unlink()

    def _run(self, arguments: Sequence[str], stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        prefix, environment = [], dict(os.environ)
        if self._holder.exists():
            prefix = ["nsenter", "--mount", "--target", self._holder.read_text(), "--"]
            environment["CONTAINERS_CONF"] = str(self._limits)
        argv = [*prefix, "podman", *arguments]
        try:
            return subprocess.run(argv, input=stdin, env=environment, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise LabError("podman", "not installed", "Run: make setup") from None

    def _hold_namespace(self) -> None:
        ready = self._holder.with_name("ready")
        ready.unlink(missing_ok=True)
        argv = ["unshare", "--mount", "sh", "-c", CGROUP2.format(ready=ready)]
        # It outlives this process, so it may hold none of its pipes.
        null = subprocess.DEVNULL
        holder = subprocess.Popen(argv, start_new_session=True, stdin=null, stdout=null, stderr=null)
        while not ready.exists():
            if holder.poll() is not None:
                raise LabError("mount namespace", "cannot be made on this host", "Use a host where podman works")
            time.sleep(0.05)
        self._limits.write_text(LIMITS)
        self._holder.write_text(str(holder.pid))
