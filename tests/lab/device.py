# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual edge device: its life from an image to its destruction."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import accelerator, cache, host, image, inventory, qemu, run, ssh
from .errors import LabError
from .process import Process
from .progress import say, step
from .qmp import Qmp
from .tpm import Tpm, replace_directory

MEMORY = 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


@dataclass
class State:
    """What is remembered of a device between two commands."""

    suite: str
    image: str
    memory: int = MEMORY
    tpm: bool = True
    port: int = 0


class Device:
    """One virtual edge device, by name; its files live in the cache."""

    def __init__(self, name: str = "edge") -> None:
        self.name = _checked(name, "device")
        self.directory = cache.root() / "devices" / name
        self._tpm = Tpm(self.directory)
        self._qemu = Process(self.directory / "run" / "qemu.process")

    # -- existence

    @property
    def exists(self) -> bool:
        """Whether the device has been made."""
        return (self.directory / "state.json").exists()

    @property
    def running(self) -> bool:
        """Whether the machine is powered on."""
        return self._qemu.pid is not None

    def build(self, suite: str = "trixie", *, fresh: bool = False) -> None:
        """Build the image where it is not cached, and make the device from it where there is none.

        :param fresh: throw away the device that is there.
        :raises LabError: the device was made from another image and `fresh` is not set.
        """
        origin = image.build(suite)
        with self._lock():
            if fresh:
                self._power_cut()
                shutil.rmtree(self.directory, ignore_errors=True)
            if not self.exists:
                self._make(suite, origin)
            elif self._state().image != origin.name:
                raise LabError(
                    f"device {self.name}",
                    f"was made from the image {self._state().image}, the present one is {origin.name}",
                    "Destroy it, or build with --fresh; its disk will be lost",
                )

    def _make(self, suite: str, origin: Path) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "run").mkdir(parents=True)
        self.directory.chmod(0o700)
        for name in ("ssh", "vars.qcow2"):
            shutil.copy(origin / name, self.directory / name)
        replace_directory(origin / "keys", self.directory / "keys")
        (self.directory / "known_hosts").write_text(ssh.known_hosts((origin / "host.pub").read_text()))
        backing = ["-b", f"../../images/{origin.name}/disk.img", "-F", "raw"]
        run.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, "disk.qcow2"], cwd=self.directory)
        self._remember(State(suite, origin.name))

    def destroy(self) -> None:
        """Power off at once and delete everything of this device; the image stays cached."""
        with self._lock():
            self._power_cut()
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- power

    def start(self, *, memory: int | None = None, tpm: bool = True, port: int | None = None) -> float:
        """Boot cold from the disk and the TPM as they are, and wait until the system is up.

        :param memory: MiB; the default is what the device had before.
        :param tpm: whether the machine has a TPM this time.
        :param port: TCP port on the loopback interface; the default is any free one.
        :return: seconds from power-on to an SSH login.
        :raises LabError: already running, a missing package, a taken port, or the guest did not come up.
        """
        if not self.exists:
            self.build()
        with self._lock():
            self._require_power(False)
            state = self._state()
            state.memory, state.tpm = memory or state.memory, tpm
            began = time.monotonic()
            with step(f"device {self.name}: cold boot"):
                self._launch(state, port)
                seconds = self._wait(began)
        return seconds

    def stop(self) -> None:
        """Shut down in order; a system that does not obey within two minutes is powered off."""
        with self._lock():
            if not self.running:
                return
            with step(f"device {self.name}: shutdown"):
                self._shut_down()

    def reboot(self) -> float:
        """Reboot in order, and return the seconds until the system is up again.

        Emulated, the firmware now and then hangs after a reset, so there the machine is switched off and on.
        """
        with self._lock():
            self._require_power(True)
            before = self.ssh(_BOOT_ID).stdout
            began = time.monotonic()
            with step(f"device {self.name}: reboot"):
                if accelerator.accelerator() == "tcg":
                    self._shut_down()
                    self._launch(self._state(), None)
                else:
                    # the answer of a system that goes down is of no interest
                    self.ssh("systemctl reboot")
                return self._wait(began, other_than=before)

    def power_cut(self) -> None:
        """Take away the power: nothing in the guest gets a chance to finish."""
        with self._lock():
            self._require_power(True)
            self._power_cut()

    def swap_tpm(self) -> None:
        """Replace the TPM of a powered-off device by a new, blank one."""
        with self._lock():
            self._require_power(False)
            self._tpm.blank()

    # -- snapshots

    def snapshot(self, name: str) -> None:
        """Save disk, variables, TPM and, where the device is running, the running system; replaces an older one."""
        _checked(name, "snapshot")
        with self._lock():
            self._require_exists()
            directory = self.directory / "snapshots" / name
            running = self.running
            with step(f"device {self.name}: snapshot {name}"):
                if (directory / "state.json").exists():
                    self._delete_snapshot(name)
                if running:
                    with self._qmp() as qmp:
                        qmp.execute("stop")
                        try:
                            self._tpm.copy_state(directory / "tpm")
                            qmp.job("snapshot-save", **_snapshot_arguments(name))
                        finally:
                            qmp.execute("cont")
                else:
                    self._tpm.copy_state(directory / "tpm")
                    self._qemu_img_snapshot("-c", name)
                directory.mkdir(parents=True, exist_ok=True)
                content = {"running": running, "state": asdict(self._state())}
                (directory / "state.json").write_text(json.dumps(content))

    def restore(self, name: str) -> float:
        """Go back to a snapshot, whatever the device does now; returns the seconds to an SSH login (0 when off).

        :raises LabError: there is no such snapshot.
        """
        with self._lock():
            self._require_exists()
            directory = self.directory / "snapshots" / name
            if not (directory / "state.json").exists():
                known = ", ".join(self.snapshots()) or "none"
                raise LabError(f"snapshot {name}", f"device {self.name} has no such snapshot", f"It has: {known}")
            saved = json.loads((directory / "state.json").read_text())
            began = time.monotonic()
            with step(f"device {self.name}: restore {name}"):
                self._power_cut()
                self._tpm.load_state(directory / "tpm")
                state = State(**saved["state"])
                if not saved["running"]:
                    self._qemu_img_snapshot("-a", name)
                    self._remember(state)
                    return 0.0
                self._launch(state, None, snapshot=name)
                seconds = self._wait(began)
                # the guest's clock stood still since the snapshot
                self.ssh(f"date --utc --set=@{time.time():.0f}")
        return seconds

    def snapshots(self) -> list[str]:
        """The names of the snapshots."""
        return sorted(path.parent.name for path in self.directory.glob("snapshots/*/state.json"))

    def _delete_snapshot(self, name: str) -> None:
        (self.directory / "snapshots" / name / "state.json").unlink()
        if self.running:
            with self._qmp() as qmp:
                qmp.job("snapshot-delete", tag=name, devices=[qemu.DISK, qemu.VARIABLES])
        else:
            self._qemu_img_snapshot("-d", name)

    def _qemu_img_snapshot(self, option: str, name: str) -> None:
        for disk in ("disk.qcow2", "vars.qcow2"):
            run.run(["qemu-img", "snapshot", option, name, disk], cwd=self.directory)

    # -- use

    def ssh(
        self, command: str, *, user: str = "root", stdin: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the device; its exit code is 255 where SSH itself fails.

        :raises LabError: the device is not running, or the command did not end within `timeout` seconds.
        """
        self._require_power(True)
        argv = [*ssh.argv(self.directory, self._state().port, user), command]
        feed: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        try:
            return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, **feed)
        except subprocess.TimeoutExpired:
            raise LabError(f"device {self.name}", f"a command did not end within {timeout:.0f} s") from None

    def ssh_argv(self, user: str = "root") -> list[str]:
        """The ssh command line that logs in, for use in a terminal."""
        self._require_power(True)
        return ssh.argv(self.directory, self._state().port, user)

    def inventory(self) -> Path:
        """The path of an Ansible inventory with this device in the group edge.

        :raises LabError: the device has never been started, so it has no port.
        """
        path = self.directory / "inventory.yml"
        if not path.exists():
            raise LabError(f"device {self.name}", "has not been started yet", f"Run: start --name {self.name}")
        return path

    @property
    def serial_log(self) -> Path:
        """The serial console's output over all boots."""
        return self.directory / "serial.log"

    def raw_disk(self) -> Path:
        """Convert the disk of a powered-off device to a raw, sparse file, and return its path.

        The file is replaced at the next call and deleted with the device.
        """
        with self._lock():
            self._require_power(False)
            target = self.directory / "disk.raw"
            host.require_space(self.directory, image.DISK_SIZE)
            run.run(["qemu-img", "convert", "-O", "raw", "disk.qcow2", target.name], cwd=self.directory)
            return target

    def read_partition(self, name: str = "data") -> bytes:
        """The raw content of a partition (esp, root, data) of a powered-off device."""
        place = image.partition(name)
        with self.raw_disk().open("rb") as disk:
            disk.seek(place.start * image.MIB)
            return disk.read(place.size * image.MIB)

    def status(self) -> dict[str, Any]:
        """What is known of the device, JSON-clean."""
        if not self.exists:
            return {"name": self.name, "exists": False, "running": False}
        running = self.running
        return {
            "name": self.name,
            "exists": True,
            "running": running,
            "answers": running and ssh.answers(self._state().port),
            **asdict(self._state()),
            "pid": self._qemu.pid,
            "tpm_pid": self._tpm.process.pid,
            "snapshots": self.snapshots(),
            "directory": str(self.directory),
            "disk_bytes": (self.directory / "disk.qcow2").stat().st_blocks * 512,
        }

    # -- inside

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return cache.lock(f"device-{self.name}")

    def _state(self) -> State:
        self._require_exists()
        return State(**json.loads((self.directory / "state.json").read_text()))

    def _remember(self, state: State) -> None:
        fresh = self.directory / "state.json.new"
        fresh.write_text(json.dumps(asdict(state)))
        fresh.rename(self.directory / "state.json")

    def _require_exists(self) -> None:
        if not self.exists:
            raise LabError(f"device {self.name}", "does not exist", f"Run: build --name {self.name}")

    def _require_power(self, on: bool) -> None:
        self._require_exists()
        if self.running != on:
            seen, remedy = ("is not running", "Start") if on else ("is running", "Stop")
            raise LabError(f"device {self.name}", seen, f"{remedy} it first")

    def _qmp(self) -> Qmp:
        return Qmp(self.directory / "run" / "qmp.sock")

    def _shut_down(self) -> None:
        with self._qmp() as qmp:
            qmp.execute("system_powerdown")
        if not self._qemu.wait(120):
            say(f"device {self.name}: did not shut down, powering off")
        self._power_cut()

    def _power_cut(self) -> None:
        self._qemu.kill()
        self._tpm.process.kill()

    def _launch(self, state: State, port: int | None, snapshot: str | None = None) -> None:
        host.require_packages()
        host.require_space(self.directory, 500)
        if port:
            host.require_port(port)
        kind = accelerator.accelerator()
        # another process may take the free port before QEMU does
        for last in (False, False, True):
            state.port = port or host.free_port()
            if state.tpm:
                self._tpm.start()
            socket = Tpm.socket if state.tpm else None
            (self.directory / "run" / "qmp.sock").unlink(missing_ok=True)
            machine = qemu.Machine(kind, state.memory, socket, state.port, paused=bool(snapshot))
            try:
                run.run(qemu.argv(machine), cwd=self.directory, timeout=60)
            except LabError as error:
                self._tpm.process.kill()
                if last or port or "forwarding" not in error.log:
                    raise
                continue
            break
        self._qemu.remember(int((self.directory / "run" / "qemu.pid").read_text()))
        self._remember(state)
        (self.directory / "inventory.yml").write_text(inventory.render(self.name, self.directory, state.port))
        if snapshot:
            with self._qmp() as qmp:
                qmp.job("snapshot-load", **_snapshot_arguments(snapshot))
                qmp.execute("cont")

    def _wait(self, began: float, other_than: str | None = None) -> float:
        """Wait until SSH answers (in a boot `other_than` the given one) and systemd has started everything."""
        port = self._state().port
        deadline = time.monotonic() + 420
        while True:
            if not self.running:
                self._fail("powered off while it booted")
            if time.monotonic() > deadline:
                self._fail("did not answer over SSH within 420 s")
            if ssh.answers(port):
                with contextlib.suppress(LabError):
                    now = self.ssh(_BOOT_ID, timeout=30)
                    if now.returncode == 0 and now.stdout != other_than:
                        break
            time.sleep(0.2)
        seconds = time.monotonic() - began
        self.ssh("systemctl is-system-running --wait")
        return seconds

    def _fail(self, seen: str) -> None:
        lines = self.serial_log.read_text(errors="replace").splitlines() if self.serial_log.exists() else []
        raise LabError(f"device {self.name}", seen, "The serial log's end follows", log="\n".join(lines[-30:]))


def devices() -> list[Device]:
    """All devices in the cache."""
    return [Device(path.parent.name) for path in sorted(cache.root().glob("devices/*/state.json"))]


def _snapshot_arguments(name: str) -> dict[str, Any]:
    return {"tag": name, "vmstate": qemu.DISK, "devices": [qemu.DISK, qemu.VARIABLES]}


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise LabError(f"{what} name {name!r}", "not usable", "Use lower-case letters, digits and hyphens")
    return name
