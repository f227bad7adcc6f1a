# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual edge device: its life from an image to its destruction."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import accelerator, cache, host, image, inventory, qemu, run, ssh
from .copies import replace_directory
from .errors import LabError
from .power import Power
from .progress import say, step
from .snapshots import Snapshots
from .state import State

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class Device:
    """One virtual edge device, by name; its files live in the cache.

    :param host: its name in inventories; the default is `name`.
    """

    def __init__(self, name: str = "edge", host: str | None = None) -> None:
        self.name = _checked(name, "device")
        self.host = host or name
        self.directory = cache.root() / "devices" / name
        self._power = Power(self.directory)
        self._snapshots = Snapshots(self.directory, self._power)

    # -- existence

    @property
    def exists(self) -> bool:
        """Whether the device has been made."""
        return State.file(self.directory).exists()

    @property
    def running(self) -> bool:
        """Whether the machine is powered on."""
        return self._power.pid is not None

    def build(self, suite: str = "trixie", *, layout: str = "uki", fresh: bool = False) -> None:
        """Build the image where it is not cached, and make the device from it where there is none.

        :param layout: how it boots, one of `image.LAYOUTS`.
        :param fresh: throw away the device that is there.
        :raises LabError: the device was made from another image and `fresh` is not set.
        """
        origin = image.build(suite, layout)
        with self._lock():
            if fresh:
                self._power.off()
                shutil.rmtree(self.directory, ignore_errors=True)
            if not self.exists:
                self._make(suite, layout, origin)
            elif self._state().image != origin.name:
                raise LabError(
                    f"device {self.name}",
                    f"was made from the image {self._state().image}, the present one is {origin.name}",
                    "Destroy it, or build with --fresh; its disk will be lost",
                )

    def _make(self, suite: str, layout: str, origin: Path) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        (self.directory / "run").mkdir(parents=True)
        self.directory.chmod(0o700)
        for name in ("ssh", "vars.qcow2"):
            shutil.copy(origin / name, self.directory / name)
        replace_directory(origin / "keys", self.directory / "keys")
        (self.directory / "known_hosts").write_text(ssh.known_hosts((origin / "host.pub").read_text()))
        backing = ["-b", f"../../images/{origin.name}/disk.img", "-F", "raw"]
        run.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, "disk.qcow2"], cwd=self.directory)
        State(suite, origin.name, layout).write(self.directory)

    def copy(self, origin: Path) -> None:
        """Replace this device by a copy of one that is off, given by its directory."""
        with self._lock():
            self._power.off()
            replace_directory(origin, self.directory)

    def destroy(self) -> None:
        """Power off at once and delete everything of this device; the image stays cached."""
        with self._lock():
            self._power.off()
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- power

    def start(
        self,
        *,
        memory: int | None = None,
        tpm: bool = True,
        aes: bool | None = None,
        port: int | None = None,
        wait: bool = True,
    ) -> float:
        """Boot cold from the disk and the TPM as they are, and wait until the system is up.

        :param memory: MiB; the default is what the device had before.
        :param tpm: whether the machine has a TPM this time.
        :param aes: whether its processor has AES instructions; the default is what it had before.
        :param port: TCP port on the loopback interface; the default is any free one.
        :param wait: False returns as soon as the power is on, so that something can be done to a device that boots.
        :return: seconds from power-on to an SSH login (0 when not waiting).
        :raises LabError: already running, a missing package, a taken port, or the guest did not come up.
        """
        if not self.exists:
            self.build()
        with self._lock():
            self._require_power(False)
            state = self._state()
            state.memory, state.tpm = memory or state.memory, tpm
            state.aes = state.aes if aes is None else aes
            began = time.monotonic()
            if not wait:
                self._launch(state, port)
                return 0.0
            with step(f"device {self.name}: cold boot"):
                self._launch(state, port)
                return self._wait(began)

    def wait(self) -> float:
        """Wait until a device that was started without waiting is up; returns the seconds that it took from now on.

        :raises LabError: the device is not running, or the guest did not come up.
        """
        with self._lock():
            self._require_power(True)
            return self._wait(time.monotonic())

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
                    self._launch(self._state())
                else:
                    # the answer of a system that goes down is of no interest
                    self.ssh("systemctl reboot")
                return self._wait(began, other_than=before)

    def power_cut(self) -> None:
        """Take away the power: nothing in the guest gets a chance to finish."""
        with self._lock():
            self._require_power(True)
            self._power.off()

    def swap_tpm(self) -> None:
        """Replace the TPM of a powered-off device by a new, blank one."""
        with self._lock():
            self._require_power(False)
            self._power.tpm.blank()

    def throttle(self, bytes_per_second: int | None) -> None:
        """Limit what the disk writes, now and from every later start on; None takes the limit away."""
        with self._lock():
            state = self._state()
            state.throttle = bytes_per_second
            if self.running:
                self._power.throttle(bytes_per_second)
            state.write(self.directory)

    def insert_token(self) -> None:
        """Insert a removable disk with a FAT file system labelled EDGEKEY, into a running device too.

        It is made at the first time, and keeps what is on it.
        """
        with self._lock():
            state = self._state()
            token = self.directory / qemu.TOKEN_FILE
            if not token.exists():
                run.run(["mkfs.vfat", "-C", "-n", "EDGEKEY", token.name, str(4 * 1024)], cwd=self.directory)
            state.token = True
            if self.running:
                self._power.insert_token()
            state.write(self.directory)

    def remove_token(self) -> None:
        """Take the removable disk out of a device that is off."""
        with self._lock():
            self._require_power(False)
            state = self._state()
            state.token = False
            state.write(self.directory)

    # -- snapshots

    def snapshot(self, name: str) -> None:
        """Save disk, variables, TPM and, where the device is running, the running system; replaces an older one."""
        _checked(name, "snapshot")
        with self._lock(), step(f"device {self.name}: snapshot {name}"):
            self._snapshots.save(name, self._state())

    def restore(self, name: str) -> float:
        """Go back to a snapshot, whatever the device does now; returns the seconds to an SSH login (0 when off).

        :raises LabError: there is no such snapshot.
        """
        with self._lock():
            self._require_exists()
            state, running = self._snapshots.read(name)
            began = time.monotonic()
            with step(f"device {self.name}: restore {name}"):
                self._power.off()
                self._snapshots.load_tpm(name)
                if not running:
                    self._snapshots.load_disks(name)
                    state.write(self.directory)
                    return 0.0
                self._launch(state, paused=True)
                self._snapshots.resume(name)
                seconds = self._wait(began)
                # the guest's clock stood still since the snapshot
                self.ssh(f"date --utc --set=@{time.time():.0f}")
        return seconds

    def snapshots(self) -> list[str]:
        """The names of the snapshots."""
        return self._snapshots.names()

    # -- use

    def ssh(
        self, command: str, *, user: str = "root", stdin: str | None = None, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the device; its exit code is 255 where SSH itself fails.

        :raises LabError: the device is not running, or the command did not end within `timeout` seconds.
        """
        argv = [*self.ssh_argv(user), command]
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
    def keys(self) -> Path:
        """The directory with the Secure Boot keys of a device that boots a kernel image of its own."""
        return self.directory / "keys"

    @property
    def serial_log(self) -> Path:
        """The serial console's output over all boots."""
        return self.directory / "serial.log"

    def serial_log_end(self) -> str:
        """The last lines of the serial console."""
        lines = self.serial_log.read_text(errors="replace").splitlines() if self.serial_log.exists() else []
        return "\n".join(lines[-30:])

    def raw_disk(self) -> Path:
        """Convert the disk of a powered-off device to a raw, sparse file, and return its path.

        The file is replaced at the next call and deleted with the device.
        """
        with self._lock():
            self._require_power(False)
            target = self.directory / "disk.raw"
            host.require_space(self.directory, image.disk_size(self._state().layout))
            run.run(["qemu-img", "convert", "-O", "raw", "disk.qcow2", target.name], cwd=self.directory)
            return target

    def read_partition(self, name: str = "data") -> bytes:
        """The raw content of a partition (esp, root, data) of a powered-off device."""
        place = image.partition(name, self._state().layout)
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
            "pid": self._power.pid,
            "tpm_pid": self._power.tpm.process.pid,
            "snapshots": self.snapshots(),
            "directory": str(self.directory),
            "disk_bytes": (self.directory / "disk.qcow2").stat().st_blocks * 512,
        }

    # -- inside

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return cache.lock(f"device-{self.name}")

    def _state(self) -> State:
        self._require_exists()
        return State.read(self.directory)

    def _require_exists(self) -> None:
        if not self.exists:
            raise LabError(f"device {self.name}", "does not exist", f"Run: build --name {self.name}")

    def _require_power(self, on: bool) -> None:
        self._require_exists()
        if self.running != on:
            seen, remedy = ("is not running", "Start") if on else ("is running", "Stop")
            raise LabError(f"device {self.name}", seen, f"{remedy} it first")

    def _shut_down(self) -> None:
        if not self._power.shut_down(120):
            say(f"device {self.name}: did not shut down, powered off")

    def _launch(self, state: State, port: int | None = None, *, paused: bool = False) -> None:
        self._power.on(state, port, paused=paused)
        state.write(self.directory)
        (self.directory / "inventory.yml").write_text(inventory.render(self.host, self.directory, state.port))

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
        raise LabError(f"device {self.name}", seen, "The serial log's end follows", log=self.serial_log_end())


def devices() -> list[Device]:
    """All devices in the cache."""
    return [Device(path.parent.name) for path in sorted(cache.root().glob("devices/*/state.json"))]


def _checked(name: str, what: str) -> str:
    if not _NAME.fullmatch(name):
        raise LabError(f"{what} name {name!r}", "not usable", "Use lower-case letters, digits and hyphens")
    return name
