# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module boot_mounts on real mounts, in a mount namespace of their own, with the real findmnt and mount."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.module_runner import Result, run_module
from tests.support.namespace import Namespace

RESTRICTED = {"ro", "nosuid", "nodev", "noexec"}


class Device:
    """Directories that stand for those of a device, and its fstab."""

    def __init__(self, directory: Path, space: Namespace) -> None:
        self.space = space
        self.boot = directory / "boot"
        self.efi = directory / "efi"
        for path in (self.boot, self.efi):
            path.mkdir()
        self.fstab = directory / "fstab"
        self.fstab.write_bytes(
            b"# by hand \xff\n\n"
            b"ramfs  %s\tramfs size=1m,defaults,exec 0  0 # the first\n"
            % os.fsencode(self.boot)
            + b"ramfs %s ramfs rw,size=2m 0 0" % os.fsencode(self.efi)
        )

    def mount(self, path: Path, options: str = "rw") -> None:
        # An ordinary user's tmpfs cannot be remounted: its options name a user that the namespace does not know.
        self.space.run("mount", "-t", "ramfs", "-o", f"size=1m,{options}", "ramfs", str(path))

    def harden(self, *, check: bool = False, **arguments: Any) -> Result:
        given = {"paths": [str(self.boot), str(self.efi)], "fstab": str(self.fstab), **arguments}
        return run_module("boot_mounts", given, check=check, within=self.space.enter)


@pytest.fixture(name="device")
def _device(tmp_path: Path, space: Namespace) -> Device:
    return Device(tmp_path, space)


_USES = {
    "reads a file": ("os.open(f, os.O_RDONLY)", None),
    "writes a file": ("os.open(f, os.O_WRONLY)", "writes"),
    "appends to a file": ("os.open(f, os.O_RDWR | os.O_APPEND)", "writes"),
    "works in a directory": ("os.chdir(d)", None),
    "reads a deleted file": ("os.open(f, os.O_RDONLY); os.unlink(f)", "keeps the deleted file"),
    "writes a deleted file": ("os.open(f, os.O_WRONLY); os.unlink(f)", "keeps the deleted file"),
    "has a deleted path": ("os.open(f, os.O_PATH); os.unlink(f)", "keeps the deleted file"),
    "reads a file that was replaced": (
        "os.open(f, os.O_RDONLY); open(f + 'n', 'w').close(); os.rename(f + 'n', f)",
        "keeps the deleted file",
    ),
    "reads a deleted name of two": ("os.open(f, os.O_RDONLY); os.link(f, f + '2'); os.unlink(f)", None),
    "writes a deleted name of two": ("os.open(f, os.O_WRONLY); os.link(f, f + '2'); os.unlink(f)", "writes"),
    "works in a deleted directory": ("os.chdir(d); os.rmdir(d)", "keeps the deleted file"),
    "has a file mapped": ("m = mapped(os.O_RDONLY, mmap.ACCESS_READ)", None),
    "has a file mapped for writing": ("m = mapped(os.O_RDWR, mmap.ACCESS_WRITE)", "writes"),
    "has a writable file mapped for reading": ("m = mapped(os.O_RDWR, mmap.ACCESS_READ)", "writes"),
    "has a deleted file mapped": ("m = mapped(os.O_RDONLY, mmap.ACCESS_READ); os.unlink(f)", "keeps the deleted file"),
    "has closed all": ("m = mapped(os.O_RDWR, mmap.ACCESS_WRITE); m.close()", None),
}
_USER = """
import mmap, os, sys
d = sys.argv[1]
f = d + "-file"
with open(f, "w") as file:
    file.write("x" * 4096)
def mapped(flags, access):
    # Python's own map keeps a descriptor of its own.
    fd = os.open(f, flags)
    found = mmap.mmap(fd, 4096, access=access, trackfd=False) if sys.version_info >= (3, 13) else mmap.mmap(
        fd, 4096, access=access)
    for each in os.listdir("/proc/self/fd"):
        try:
            if os.stat("/proc/self/fd/" + each).st_ino == os.stat(f).st_ino:
                os.close(int(each))
        except OSError:
            pass
    return found
os.mkdir(d)
{use}
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("use", _USES)
def test_who_keeps_a_file_system_busy_is_named_as_the_kernel_sees_it(device: Device, use: str) -> None:
    device.mount(device.boot)
    script, names = _USES[use]
    # Not python3 by PATH, which may be a script that starts it.
    argv = [*device.space.enter, sys.executable, "-c", _USER.replace("{use}", script), str(device.boot / "dir")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdout is not None
        assert user.stdout.readline() == "ready\n"
        if names is None:
            assert device.harden().changed
            assert device.space.options(device.boot) >= RESTRICTED
        else:
            error = device.harden().error
            assert f"{Path(sys.executable).name} (pid {user.pid}) {names} {device.boot}/dir" in error
            assert error.count(f"(pid {user.pid})") == 1
            assert "ro" not in device.space.options(device.boot)
        user.communicate("\n")
    device.harden()
    assert device.space.options(device.boot) >= RESTRICTED


def test_check_do_check_do(device: Device) -> None:
    device.mount(device.boot)
    before = device.fstab.read_bytes()

    predicted = device.harden(check=True)
    assert predicted.changed
    assert device.fstab.read_bytes() == before
    assert not RESTRICTED & device.space.options(device.boot)

    done = device.harden()
    assert done.changed
    assert device.fstab.read_bytes() == before.replace(
        b"size=1m,defaults,exec", b"size=1m,ro,nosuid,nodev,noexec"
    ).replace(b"rw,size=2m", b"size=2m,ro,nosuid,nodev,noexec")
    assert device.space.options(device.boot) >= RESTRICTED
    assert done.values["mounts"] == predicted.values["mounts"]
    assert done.values["diff"] == predicted.values["diff"]

    for check in (True, False):
        again = device.harden(check=check)
        assert not again.changed
        assert again.values["diff"] == []


def test_what_is_returned(device: Device) -> None:
    device.mount(device.boot, "rw,nodev,size=1m,mode=755")
    boot, efi = device.harden().values["mounts"]
    assert boot["path"] == str(device.boot)
    assert boot["source"] == "ramfs"
    assert boot["fstab"] == {
        "before": ["size=1m", "defaults", "exec"],
        "after": ["size=1m", "ro", "nosuid", "nodev", "noexec"],
    }
    assert boot["runtime"]["before"][:2] == ["rw", "nodev"]
    assert boot["runtime"]["after"][:5] == ["ro", "nosuid", "nodev", "noexec", "relatime"]
    assert efi["runtime"] == {"before": None, "after": None}
    assert efi["changed"] is True


def test_diff_shows_fstab_and_running_options(device: Device) -> None:
    device.mount(device.boot)
    fstab, running = device.harden(check=True).values["diff"]
    assert fstab["before_header"] == str(device.fstab)
    assert "rw,size=2m" in fstab["before"]
    assert "rw,size=2m" not in fstab["after"]
    assert running["before"].startswith(f"{device.boot} rw,")
    assert running["after"].startswith(f"{device.boot} ro,nosuid,nodev,noexec,")


def test_a_right_fstab_does_not_hide_wrong_running_options(device: Device) -> None:
    device.mount(device.boot)
    assert device.harden().changed
    device.space.run("mount", "-o", "remount,rw", str(device.boot))
    fstab = device.fstab.read_bytes()
    assert device.harden(check=True).changed
    assert device.harden().changed
    assert device.space.options(device.boot) >= RESTRICTED
    assert device.fstab.read_bytes() == fstab


def test_a_busy_file_system_changes_nothing_and_names_the_writer(device: Device) -> None:
    device.mount(device.boot)
    device.mount(device.efi, "rw,nodev")
    options = {path: device.space.options(path) for path in (device.boot, device.efi)}
    before = device.fstab.read_bytes()
    script = f"exec 7>{device.efi}/log; echo open; exec cat"
    with subprocess.Popen(
        [*device.space.enter, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"open\n"
        error = device.harden().error
        assert writer.stdin is not None
        writer.stdin.close()
    assert str(device.efi) in error
    assert f"cat (pid {writer.pid}) writes {device.efi}/log" in error
    assert "busy" in error
    assert device.fstab.read_bytes() == before
    assert {path: device.space.options(path) for path in (device.boot, device.efi)} == options
    assert device.harden().changed


def test_a_bind_mount_leaves_the_file_system_behind_it_writable(device: Device, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    device.mount(disk)
    device.space.run("mkdir", str(disk / "boot"))
    device.space.run("mount", "--bind", str(disk / "boot"), str(device.boot))
    assert device.harden().changed
    assert device.space.options(device.boot) >= RESTRICTED
    assert not RESTRICTED & device.space.options(disk)
    assert not device.harden().changed


@pytest.mark.skipif(not os.path.exists("/etc/fstab"), reason="there is no /etc/fstab to lay another one over")
@pytest.mark.parametrize("bind", [False, True])
def test_flags_that_nobody_asked_about_stay(device: Device, tmp_path: Path, bind: bool) -> None:
    device.mount(device.boot, "rw,noatime,noexec")
    if bind:
        (tmp_path / "elsewhere").mkdir()
        device.space.run("mount", "--bind", str(device.boot), str(tmp_path / "elsewhere"))
    # For a path in /etc/fstab, mount(8) starts from the options there, and no longer from the running ones.
    device.space.run("mount", "--bind", str(device.fstab), "/etc/fstab")
    before = device.space.options(device.boot)
    done = device.harden(options=["ro", "nodev"])
    after = device.space.options(device.boot)
    assert after == before - {"rw"} | {"ro", "nodev"}
    assert set(done.values["mounts"][0]["runtime"]["after"]) == after


def test_without_remount_only_fstab_changes(device: Device) -> None:
    device.mount(device.boot)
    done = device.harden(remount=False)
    assert done.changed
    assert done.values["mounts"][0]["runtime"]["after"] == done.values["mounts"][0]["runtime"]["before"]
    assert not RESTRICTED & device.space.options(device.boot)
    assert not device.harden(remount=False).changed


def test_a_mount_that_no_line_can_be_made_for_is_refused(device: Device) -> None:
    device.mount(device.boot)
    device.mount(device.efi)
    device.fstab.write_bytes(device.fstab.read_bytes().splitlines(keepends=True)[2])
    before = device.fstab.read_bytes()
    for check in (True, False):
        error = device.harden(check=check).error
        assert f"{device.efi}: is mounted from ramfs, which has no name in /dev/disk/by-partuuid" in error
        assert "Write the line by hand" in error
    assert device.fstab.read_bytes() == before
    assert not RESTRICTED & device.space.options(device.boot)


def test_paths_that_are_no_file_systems_are_left_out(device: Device) -> None:
    device.fstab.write_text("# nothing\n")
    result = device.harden()
    assert not result.changed
    assert result.values["mounts"] == []
    assert result.values["boot_separate"] is False


def test_a_missing_fstab_is_an_empty_one(device: Device) -> None:
    device.fstab.unlink()
    assert not device.harden().changed
    assert not device.fstab.exists()


def test_a_linked_fstab_stays_a_link_and_keeps_its_mode(device: Device, tmp_path: Path) -> None:
    real = tmp_path / "real"
    device.fstab.rename(real)
    real.chmod(0o640)
    device.fstab.symlink_to(real)
    assert device.harden().changed
    assert device.fstab.is_symlink()
    assert b"nosuid" in real.read_bytes()
    assert real.stat().st_mode & 0o7777 == 0o640


def test_a_second_line_for_a_path_is_warned_of_and_left(device: Device) -> None:
    second = f"\nramfs {device.boot}/ ramfs rw 0 0\n"
    with device.fstab.open("a") as file:
        file.write(second)
    result = device.harden()
    assert any("lines 3, 5" in str(warning) for warning in result.values["warnings"])
    assert device.fstab.read_bytes().endswith(second.encode())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"options": ["rw"]}, "value of options must be one or more of: ro, nosuid, nodev, noexec"),
        ({"paths": ["/"]}, "/: is not an absolute path to a boot directory"),
        ({"paths": ["boot"]}, "boot: is not an absolute path"),
        ({"fstab": "/"}, "/: could not be read"),
        ({"remount": "perhaps"}, "remount"),
    ],
)
def test_wrong_arguments(device: Device, arguments: dict[str, Any], words: str) -> None:
    assert words in device.harden(**arguments).error
