# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What systemd was not told by one run it is told by the next, and a limit says what was waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base import systemd_reload
from ansible_collections.edgesec.hardening.plugins.module_utils._base import tools as cli
from ansible_collections.edgesec.hardening.plugins.module_utils._base.errors import EdgesecError, ToolTimeout
from ansible_collections.edgesec.hardening.plugins.module_utils._base.systemd_reload import (
    reload_systemd,
    reloaded_after,
)
from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import run
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device import manifest
from ansible_collections.edgesec.hardening.plugins.module_utils._on_device.install import install, missing


class Device:
    """A device below a directory, whose systemctl does what it is told to do here, and keeps what it was asked."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.mark = root, root / manifest.RELOAD_OWED
        self.running = root / "run/systemd/system"
        self.running.mkdir(parents=True)
        self.tool = root / "bin" / "systemctl"
        self.tool.parent.mkdir()
        self.answers("exit 0")
        monkeypatch.setattr(cli, "SEARCH_PATH", f"{self.tool.parent}:/usr/bin:/bin")
        monkeypatch.setattr(systemd_reload, "_RUNNING", str(self.running))
        monkeypatch.setattr(systemd_reload, "_MARK", str(self.mark))

    def answers(self, how: str) -> None:
        self.tool.write_text(f'#!/bin/sh\necho "$@" >>{self.root}/asked\n{how}\n')
        self.tool.chmod(0o755)

    def asked(self) -> list[str]:
        path = self.root / "asked"
        words = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return words


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    return Device(tmp_path, monkeypatch)


def test_a_reload_that_fails_is_owed_and_the_next_one_pays_it(device: Device) -> None:
    device.answers("echo 'Connection timed out' >&2; exit 1")
    with pytest.raises(EdgesecError, match="Connection timed out"):
        reload_systemd()
    assert device.mark.exists()
    device.answers("exit 0")
    reload_systemd()
    assert device.asked() == ["daemon-reload"] * 2
    assert not device.mark.parent.exists(), "nothing is left behind"


def test_what_is_interrupted_between_writing_and_reloading_is_owed(device: Device) -> None:
    with pytest.raises(KeyboardInterrupt), reloaded_after():
        raise KeyboardInterrupt
    assert device.mark.exists()
    assert device.asked() == []


def test_where_systemd_does_not_run_nothing_is_owed(device: Device) -> None:
    device.running.rmdir()
    reload_systemd()
    assert (device.asked(), device.mark.exists()) == ([], False)


def test_an_owed_reload_is_a_change_that_facts_tell_of(device: Device) -> None:
    root = str(device.root)
    install(root, missing(root, []))
    digest = manifest.digest(root)
    assert missing(root, []) == []
    device.mark.parent.mkdir(parents=True)
    device.mark.write_text("")
    (change,) = missing(root, [])
    assert (change.path, change.gone) == (str(device.mark), True)
    assert manifest.digest(root) != digest


def test_a_limit_says_what_was_waited_for_and_how_long() -> None:
    with pytest.raises(
        ToolTimeout, match=r"^sleep 30: did not end within 0\.1 s\. Check whether the device still answers"
    ):
        run(["sleep", "30"], timeout=0.1)
