# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration: a virtual device as it comes, hardened, rebooted, and judged before and after.

Leaves build/demo/before.json, build/demo/after.json and build/demo/harden.log, and the device running.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.setup.collection import place

sys.path.insert(0, str(place()))

from ansible_collections.edgesec.hardening.plugins.plugin_utils._reports.table import compare
from tests.lab import Device, LabError
from tests.support.playbook import play_on

DEVICE = "demo"
OUTPUT = ROOT / "build" / "demo"
MESSAGE = "written before the reboot, read after it"
FILE = "/data/message"

_began = time.monotonic()


def main() -> int:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    device = Device(DEVICE)
    say("A virtual edge device: UEFI Secure Boot, TPM 2.0, a blank data partition")
    device.build(fresh=True)
    device.start()

    say("Audit: what is wrong with it as it comes")
    before = audit(device, "before.json")

    say(f"Harden; all that Ansible says goes to {OUTPUT / 'harden.log'}")
    playbook("harden", device, "-v", log="harden.log")
    on_device(device, f"printf %s {shlex.quote(MESSAGE)} >{FILE} && sync")

    say("Reboot, with nobody there to type a key")
    device.reboot()
    found = on_device(device, f"cat {FILE}")
    if found != MESSAGE:
        raise DemoError(f"{FILE} reads {found!r} after the reboot, expected {MESSAGE!r}")
    print(f"    {FILE} on the encrypted volume: {found!r}")

    say("Audit again")
    after = audit(device, "after.json")

    say("Before and after")
    print("\n".join(compare(before, after)))
    say(f"Done. The device is still up: {sys.executable} -m tests.lab ssh --name {DEVICE}")
    return 0


class DemoError(Exception):
    """Something did not go as it should; the text is for the person at the terminal."""


def audit(device: Device, name: str) -> dict[str, Any]:
    playbook("audit", device, log=name.replace(".json", ".log"))
    report = (OUTPUT / "reports" / f"{device.name}.json").rename(OUTPUT / name)
    judgement: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return judgement


def playbook(name: str, device: Device, *options: str, log: str) -> None:
    done = play_on(device, name, OUTPUT, *options, log=log)
    if done.rc != 0:
        sys.stderr.write("".join(done.output.splitlines(keepends=True)[-40:]))
        raise DemoError(f"the playbook {name} ended with {done.rc}; the whole of it is in {done.log}")


def on_device(device: Device, command: str) -> str:
    done = device.ssh(command)
    if done.returncode != 0:
        raise DemoError(f"on the device, {command!r} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def say(text: str) -> None:
    print(f"\n==> [{time.monotonic() - _began:4.0f} s] {text}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (DemoError, LabError) as error:
        sys.exit(f"error: {error}")
