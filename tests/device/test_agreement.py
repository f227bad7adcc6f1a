# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control by control, the verdicts on a device are what somebody concludes who looks at it by other means."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import testinfra

from tests.device.conftest import Play
from tests.device.support.looks import LOOKS
from tests.device.support.prompt import Prompt
from tests.lab import Device

pytestmark = [pytest.mark.minutes(10), pytest.mark.campaign]

VARIABLES = {"credentials_discovery": {"paths": ["/etc", "/root"]}}


def looked(device: Device) -> dict[str, str]:
    """What is to be concluded by other means, by control."""
    options = shlex.join(device.ssh_argv()[1:-1])
    prompt = Prompt(testinfra.get_host("ssh://root@127.0.0.1", ssh_extra_args=options))
    return {name: look(prompt) for name, look in LOOKS.items()}


def judged(run: Play, device: Device, controller: Path) -> dict[str, str]:
    """The verdicts of an audit, by control."""
    audited = run("audit", "-e", json.dumps(VARIABLES))
    assert audited.changed == 0, audited.output
    report = json.loads((controller / "reports" / f"{device.host}.json").read_text())
    return {control["id"]: control["verdict"] for control in report["controls"]}


def test_as_it_comes(device: Device, run: Play, controller: Path) -> None:
    assert judged(run, device, controller) == looked(device)


def test_hardened_and_booted(device: Device, run: Play, controller: Path) -> None:
    hardened = run("harden", "-e", json.dumps(VARIABLES))
    assert hardened.rc == 0, hardened.output
    device.reboot()
    assert judged(run, device, controller) == looked(device)
