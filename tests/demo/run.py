#!/usr/bin/env python3
# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The demonstration: a virtual device as it comes, hardened, rebooted, and judged before and after.

Leaves build/demo/before.json, build/demo/after.json and build/demo/harden.log, and the device running.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.setup.collection import place

COLLECTIONS = place()
sys.path.insert(0, str(COLLECTIONS))

from ansible_collections.edgesec.hardening.plugins.plugin_utils._table import compare

from tests.lab import Device, LabError

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
    playbook(device, "harden", "harden.log", "-v")
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
    playbook(device, "audit", name.replace(".json", ".log"), "-e", f"compliance_report_dir={OUTPUT / 'reports'}")
    report = (OUTPUT / "reports" / f"{device.name}.json").rename(OUTPUT / name)
    judgement: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return judgement


def playbook(device: Device, name: str, log: str, *options: str) -> None:
    command = [str(Path(sys.executable).parent / "ansible-playbook"), f"edgesec.hardening.{name}"]
    command += ["-i", str(device.inventory()), "-e", f"@{ROOT / 'tests/demo/vars.yml'}"]
    command += ["-e", f"edgesec_store={OUTPUT / 'store'}", *options]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS), "ANSIBLE_NOCOLOR": "1"}
    path = OUTPUT / log
    with path.open("w", encoding="utf-8") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.stderr.write("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[-40:]))
        raise DemoError(f"the playbook {name} ended with {done.returncode}; the whole of it is in {path}")


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
