# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the lab."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence

from . import host, image, rootfs
from .device import Device, devices
from .errors import LabError
from .progress import say
from .state import MEMORY


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="edge", help="the device (default: edge)")
    top = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Builds and runs virtual edge devices.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common])

    build = command("build", "build the image (cached) and make the device from it")
    build.add_argument("--suite", choices=rootfs.SUITES, default=rootfs.SUITES[0], help="Debian release")
    build.add_argument("--layout", choices=image.LAYOUTS, default=image.LAYOUTS[0], help="what boots it")
    build.add_argument("--fresh", action="store_true", help="throw away the device that is there")
    start = command("start", "boot, and wait until the system is up")
    start.add_argument("--memory", type=int, metavar="MIB", help=f"default: as before, at first {MEMORY}")
    start.add_argument("--no-tpm", action="store_true", help="boot a machine without a TPM")
    start.add_argument("--no-aes", action="store_true", help="a processor without AES instructions, from now on")
    start.add_argument("--port", type=int, help="TCP port on 127.0.0.1 for SSH (default: any free one)")
    command("stop", "shut down in order")
    command("reboot", "reboot in order, and wait until the system is up")
    command("power-cut", "take away the power")
    command("swap-tpm", "replace the TPM of a powered-off device by a blank one")
    for name, text in (("snapshot", "save the device as it is"), ("restore", "go back to a snapshot")):
        command(name, text).add_argument("snapshot", metavar="NAME")
    enter = command("ssh", "log in, or run a command")
    enter.add_argument("--user", default="root")
    enter.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    command("status", "print the state of the device").add_argument("--json", action="store_true")
    command("log", "print the serial log").add_argument("--follow", action="store_true")
    command("inventory", "print the path of the device's Ansible inventory")
    command("destroy", "delete the device; the image stays cached")
    commands.add_parser("list", help="print all devices")
    packages = commands.add_parser("packages", help="print the host packages that the lab needs")
    packages.add_argument("--missing", action="store_true", help="only those that are not installed")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; exit code 2 and one line on standard error when something is wrong."""
    options = parser().parse_args(arguments)
    try:
        return _dispatch(options)
    except LabError as error:
        say(f"error: {error}")
        if error.log:
            print(error.log, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


# What is done to a device without further words, and with the name of a snapshot.
_PLAIN = {
    "destroy": Device.destroy,
    "power-cut": Device.power_cut,
    "reboot": Device.reboot,
    "stop": Device.stop,
    "swap-tpm": Device.swap_tpm,
}
_SNAPSHOTS = {"restore": Device.restore, "snapshot": Device.snapshot}


def _dispatch(options: argparse.Namespace) -> int:
    if options.command == "packages":
        print("\n".join(host.missing_packages() if options.missing else host.packages()))
        return 0
    if options.command == "list":
        _list()
        return 0
    device = Device(options.name)
    if options.command in _PLAIN:
        _PLAIN[options.command](device)
        return 0
    if options.command in _SNAPSHOTS:
        _SNAPSHOTS[options.command](device, options.snapshot)
        return 0
    match options.command:
        case "build":
            device.build(options.suite, layout=options.layout, fresh=options.fresh)
        case "start":
            aes = False if options.no_aes else None
            seconds = device.start(memory=options.memory, tpm=not options.no_tpm, aes=aes, port=options.port)
            say(f"device {device.name}: SSH answered after {seconds:.1f} s")
        case "ssh":
            return _ssh(device, options)
        case "status":
            _status(device, options.json)
        case "log":
            return _log(device, options.follow)
        case "inventory":
            print(device.inventory())
    return 0


def _list() -> None:
    for device in devices():
        status = device.status()
        power = f"running, port {status['port']}" if status["running"] else "off"
        print(f"{device.name}: {status['suite']}, {status['layout']}, {power}")


def _ssh(device: Device, options: argparse.Namespace) -> int:
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    # one word is shell text, several are a command line
    command = words if len(words) < 2 else [shlex.join(words)]
    argv = device.ssh_argv(options.user)
    sys.stdout.flush()
    os.execvp(argv[0], [*argv, *command])


def _status(device: Device, as_json: bool) -> None:
    status = device.status()
    if as_json:
        print(json.dumps(status, indent=2))
    else:
        for key, value in status.items():
            print(f"{key}: {value}")


def _log(device: Device, follow: bool) -> int:
    if not device.serial_log.exists():
        raise LabError(f"device {device.name}", "has no serial log", "Start it first")
    if follow:
        return subprocess.run(["tail", "-n", "+1", "-F", str(device.serial_log)], check=False).returncode
    sys.stdout.write(device.serial_log.read_text(errors="replace"))
    return 0
