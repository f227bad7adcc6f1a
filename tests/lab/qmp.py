# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small client of QEMU's machine protocol (QMP) on a Unix socket."""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import LabError


class Qmp:
    """A connection to a running machine, used as a context manager."""

    def __init__(self, path: Path, timeout: float = 120) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        # by way of the directory's descriptor, since a socket's path may not exceed 107 bytes
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._socket.connect(f"/proc/self/fd/{directory}/{path.name}")
        except OSError as error:
            self._socket.close()
            raise LabError("the machine's control socket", f"cannot be reached: {error.strerror}") from None
        finally:
            os.close(directory)
        self._lines = self._socket.makefile("rw", encoding="utf-8")
        self._ids = itertools.count()
        self._lines.readline()
        self.execute("qmp_capabilities")

    def __enter__(self) -> Qmp:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a command and return its result.

        :raises LabError: the machine refused the command or closed the connection.
        """
        ident = next(self._ids)
        self._lines.write(json.dumps({"execute": command, "arguments": arguments or {}, "id": ident}) + "\n")
        self._lines.flush()
        for line in self._lines:
            answer = json.loads(line)
            if answer.get("id") == ident:
                if "error" in answer:
                    raise LabError(f"QMP {command}", answer["error"]["desc"].rstrip("."))
                return answer["return"]
        raise LabError(f"QMP {command}", "the machine closed the connection")

    def job(self, command: str, arguments: Mapping[str, Any]) -> None:
        """Run a command that starts a job, and wait for the job's end.

        :raises LabError: the job failed.
        """
        ident = f"lab{next(self._ids)}"
        self.execute(command, {"job-id": ident, **arguments})
        while True:
            found = next(job for job in self.execute("query-jobs") if job["id"] == ident)
            if found["status"] == "concluded":
                self.execute("job-dismiss", {"id": ident})
                if "error" in found:
                    raise LabError(f"QMP {command}", found["error"].rstrip("."))
                return
            time.sleep(0.05)
