# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of a device between two commands."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

MEMORY = 1024


@dataclass
class State:
    """How a device was made and how it was last started.

    :param suite: Debian release.
    :param layout: how it boots, one of `image.LAYOUTS`.
    :param image: name of the image that its disk stands on.
    :param memory: MiB.
    :param tpm: whether it was started with a TPM.
    :param aes: whether its processor has AES instructions.
    :param port: TCP port on the loopback interface that leads to its SSH server, 0 before the first start.
    :param token: whether its removable disk is inserted.
    :param throttle: bytes per second that its disk writes at most, None for no limit.
    """

    suite: str
    image: str
    layout: str = "uki"
    memory: int = MEMORY
    tpm: bool = True
    aes: bool = True
    port: int = 0
    token: bool = False
    throttle: int | None = None

    @staticmethod
    def file(directory: Path) -> Path:
        """Where the state of the device in `directory` is kept."""
        return directory / "state.json"

    @classmethod
    def read(cls, directory: Path) -> State:
        """The state of the device in `directory`."""
        return cls(**json.loads(cls.file(directory).read_text()))

    def write(self, directory: Path) -> None:
        """Replace the state of the device in `directory`, never leaving half of it."""
        fresh = directory / "state.json.new"
        fresh.write_text(json.dumps(asdict(self)))
        fresh.rename(self.file(directory))
