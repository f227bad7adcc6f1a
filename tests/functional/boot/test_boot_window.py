# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot window as it is installed, with real mounts, processes and dpkg, in a mount namespace of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.edgesec.hardening.plugins.module_utils._base.tools import find_tool
from tests.functional.conftest import mount_namespace
from tests.support.boot_device import HOOK, PROGRAM, RESTRICTED, STATE, Device, Packages, find, wait_until
from tests.support.module_runner import run_module
from tests.support.namespace import Namespace


@pytest.fixture(name="bare")
def _bare(tmp_path: Path, space: Namespace) -> Device:
    return Device(tmp_path, space)


@pytest.fixture(name="installed", scope="module")
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with mount_namespace() as space:
        device = Device(tmp_path_factory.mktemp("device"), space)
        assert device.install().changed
        yield device


@pytest.fixture(name="device")
def _device(installed: Device) -> Iterator[Device]:
    yield installed
    installed.call("close")
    wait_until(lambda: not find(installed, STATE))
    for path in (installed.boot, installed.efi):
        installed.space.run("mount", "-o", "remount,ro", str(path))
    # What a test has taken away or broken is put back.
    installed.install()


@pytest.fixture(name="holders")
def _holders(device: Device) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [device.start(""), device.start("")]
    yield processes
    for process in processes:
        process.kill()
        process.communicate()


def test_check_do_check_do_and_out_again(bare: Device) -> None:
    predicted = bare.install(check=True)
    assert predicted.changed
    assert not find(bare, PROGRAM)
    done = bare.install()
    assert (done.values["files"], done.values["diff"]) == (predicted.values["files"], predicted.values["diff"])
    assert HOOK in done.values["files"]
    assert done.values["paths"] == [str(bare.boot), str(bare.efi)]
    assert find(bare, HOOK)
    assert not bare.install(check=True).changed
    assert not bare.install().changed

    assert bare.install(state="absent", check=True).changed
    assert find(bare, HOOK)
    gone = bare.install(state="absent")
    assert gone.changed
    assert all(each["before"] != "" and each["after"] == "" for each in gone.values["diff"])
    assert not find(bare, HOOK)
    assert not find(bare, "/etc/edgesec/boot-mounts.json")
    assert not bare.install(state="absent").changed
    assert bare.do("open") == "the role boot_mounts manages no boot file system\n"
    assert bare.are_closed()


def test_without_boot_file_systems_there_is_nothing_to_install(bare: Device) -> None:
    assert not bare.install(paths=[str(bare.directory)]).changed


def test_it_is_open_until_the_last_holder_is_killed(device: Device, holders: list[subprocess.Popen[str]]) -> None:
    first, second = holders
    for process in holders:
        assert device.do("open", "--holder", str(process.pid), "--reason", "packages") == ""
    assert device.space.options(device.boot) >= {"rw", "nosuid", "nodev", "noexec"}
    status = device.call("status")
    assert (status.returncode, f"held: packages (process {second.pid})" in status.stdout) == (3, True)

    first.kill()
    first.communicate()
    wait_until(lambda: str(first.pid) not in device.call("status").stdout)
    assert not device.is_read_only(device.boot)
    # Nobody has fetched its exit code: it has ended all the same.
    second.kill()
    wait_until(device.are_closed)
    assert device.space.options(device.boot) >= set(RESTRICTED.split(","))
    wait_until(lambda: not find(device, STATE))
    assert device.call("status").stdout == "no boot window is open\n"


def test_one_who_closes_leaves_the_window_to_the_others(device: Device, holders: list[subprocess.Popen[str]]) -> None:
    first, second = (str(process.pid) for process in holders)
    device.do("open", "--holder", first)
    device.do("open", "--holder", second)
    device.do("close", "--holder", first)
    device.do("close")
    assert not device.is_read_only(device.efi)
    device.do("close", "--holder", second)
    assert device.are_closed()
    assert not find(device, STATE)


def test_a_process_with_the_same_id_is_another_one(device: Device, holders: list[subprocess.Popen[str]]) -> None:
    pid = holders[0].pid
    device.do("open", "--holder", str(pid))
    device.kill_watcher()
    state = device.state()
    state["holders"][0]["process"]["start"] += 1
    device.write(STATE, json.dumps(state))
    assert str(pid) not in device.call("status").stdout
    device.do("close")
    assert device.are_closed()


@pytest.mark.parametrize("with_process", [False, True])
def test_a_window_closes_by_itself_when_its_time_is_up(
    device: Device, holders: list[subprocess.Popen[str]], with_process: bool
) -> None:
    holder = f"--holder {holders[0].pid}" if with_process else ""
    began = time.monotonic()
    output = device.space.run("sh", "-c", f"{PROGRAM} open --for 2 {holder} && touch {device.boot}/written")
    assert output.startswith("writable until ") is not with_process
    wait_until(device.are_closed)
    assert time.monotonic() - began >= 2
    assert (device.call("status").returncode, find(device, f"{device.boot}/written")) == (0, True)


def test_what_was_writable_before_is_left_so(device: Device) -> None:
    device.space.run("mount", "-o", "remount,rw", str(device.efi))
    device.do("open")
    assert device.state()["opened"] == [{"path": str(device.boot), "bind": False}]
    device.do("close")
    assert device.is_read_only(device.boot)
    assert not device.is_read_only(device.efi)


def test_a_bind_mount_is_closed_without_the_file_system_behind_it(device: Device) -> None:
    disk = device.directory / "disk"
    disk.mkdir()
    device.space.run("mount", "-t", "ramfs", "ramfs", str(disk))
    device.space.run("umount", str(device.boot))
    device.space.run("mount", "--bind", str(disk), str(device.boot))
    device.space.run("mount", "-o", "remount,bind,ro", str(device.boot))
    device.do("open")
    assert not device.is_read_only(device.boot)
    device.do("close")
    assert device.is_read_only(device.boot)
    assert not device.is_read_only(disk)
    device.space.run("umount", str(device.boot))
    device.space.run("mount", "-t", "ramfs", "-o", RESTRICTED, "ramfs", str(device.boot))


def test_a_writer_is_named_and_waited_for(device: Device) -> None:
    device.do("open")
    writer = device.start(f"exec 7>{device.boot}/log")
    refused = device.call("close")
    named = f"sh (pid {writer.pid}) writes {device.boot}/log"
    assert refused.returncode == 4
    assert named in refused.stderr
    status = device.call("status")
    assert (status.returncode, named in status.stdout) == (4, True)
    assert json.loads(device.call("status", "--json").stdout)["paths"] == [str(device.boot)]
    assert device.is_read_only(device.efi)
    wait_until(lambda: device.state()["refusal"]["attempts"] > 1)
    writer.communicate("")
    wait_until(device.are_closed)


def test_who_keeps_a_deleted_file_open_is_named_and_waited_for(device: Device) -> None:
    device.do("open")
    reader = device.start(f"echo x >{device.boot}/old; exec 7<{device.boot}/old; rm {device.boot}/old")
    refused = device.call("close")
    assert refused.returncode == 4
    assert f"sh (pid {reader.pid}) keeps the deleted file {device.boot}/old open" in refused.stderr
    reader.communicate("")
    wait_until(device.are_closed)


def test_the_next_call_does_the_work_of_a_watcher_that_was_killed(
    device: Device, holders: list[subprocess.Popen[str]]
) -> None:
    first, second = holders
    device.do("open", "--holder", str(first.pid))
    device.kill_watcher()
    first.kill()
    device.do("open", "--holder", str(second.pid))
    second.kill()
    wait_until(device.are_closed)


def test_a_journal_that_cannot_be_read_closes_all(device: Device) -> None:
    for text in ("", "{}", "\x00", '{"v": 1, "opened": [{"path": "/", "bind": false}]}', "[" * 100000):
        device.do("open")
        device.kill_watcher()
        device.write(STATE, text)
        device.do("close")
        assert device.are_closed()
        assert not find(device, STATE)


def test_it_closes_whatever_has_become_of_the_list_of_mounts(device: Device) -> None:
    for text in ("{", '{"v": 1, "paths": []}'):
        device.do("open")
        device.write("/etc/edgesec/boot-mounts.json", text)
        device.do("close")
        assert device.are_closed()
        assert device.install().changed
    assert device.space.run("stat", "-c", "%a", "/run/edgesec", "/run/edgesec/boot-window").split() == ["700", "700"]


def test_run_is_open_for_as_long_as_its_command(device: Device) -> None:
    done = device.call("run", "sh", "-c", f"echo new >{device.boot}/kernel; exit 5")
    assert (done.returncode, done.stderr) == (5, "")
    wait_until(device.are_closed)
    assert device.space.run("cat", f"{device.boot}/kernel") == "new\n"

    assert device.call("run", "--", "no-such-command").returncode == 127
    wait_until(device.are_closed)


def test_wrong_calls(device: Device) -> None:
    for arguments, code, words in (
        (["open", "--holder", "1"], 2, "this process never ends"),
        (["open", "--for", "0"], 2, "give 1 to 86400 seconds"),
        (["open", "--holder", "4194304"], 1, "process 4194304: is not running"),
        (["close", "--holder", "5", "--reason", "x"], 2, "not allowed with"),
        (["run"], 2, "usage:"),
        ([], 2, "usage:"),
    ):
        done = device.call(*arguments)
        assert done.returncode == code
        assert words in done.stderr
    assert device.are_closed()


def test_what_a_window_keeps_writable_the_module_boot_mounts_leaves(device: Device) -> None:
    lines = "".join(f"ramfs {path} ramfs {RESTRICTED} 0 0\n" for path in (device.boot, device.efi))
    device.write("/etc/fstab", lines)
    arguments = {"paths": [str(device.boot), str(device.efi)]}
    device.do("open")
    left = run_module("boot_mounts", arguments, within=device.space.enter)
    assert not left.changed
    assert any("until its boot window closes" in str(warning) for warning in left.values["warnings"])
    assert not device.is_read_only(device.boot)
    device.do("close")
    assert not run_module("boot_mounts", arguments, within=device.space.enter).changed
    assert device.are_closed()


def test_facts_tell_of_hooks_and_window(device: Device, holders: list[subprocess.Popen[str]]) -> None:
    def facts() -> dict[str, Any]:
        observed = run_module("boot_facts", {}, within=device.space.enter).values["ansible_facts"]["edgesec_boot"]
        windows: dict[str, Any] = observed["windows"]
        return windows

    closed = facts()
    assert (closed["program"], closed["open"], closed["holders"]) == (True, False, [])
    assert {"tool": "dpkg", "path": HOOK, "installed": True, "lacks": None} in closed["hooks"]
    assert closed["paths"] == [str(device.boot), str(device.efi)]
    device.do("open", "--holder", str(holders[0].pid), "--reason", "dpkg install")
    opened = facts()
    assert (opened["open"], opened["holders"]) == (True, [f"dpkg install (process {holders[0].pid})"])


@pytest.fixture(name="packages")
def _packages(device: Device, tmp_path: Path) -> Packages:
    if find_tool("dpkg-deb") is None:
        pytest.skip("there is no dpkg here")
    return Packages(device, tmp_path)


def test_dpkg_installs_and_removes_what_lies_on_a_read_only_boot_file_system(packages: Packages) -> None:
    device = packages.device
    archive = str(packages.build())
    for action in (("--install", archive), ("--remove", "kernel"), ("--unpack", archive), ("--configure", "-a")):
        done = packages.run(*action)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert device.are_closed(), "read-only as soon as dpkg is back"
        assert not find(device, STATE)
    assert device.space.run("cat", str(packages.file)) == "new\n"

    assert device.install(state="absent").changed
    failed = packages.run("--remove", "kernel")
    assert failed.returncode != 0
    assert "Read-only file system" in failed.stderr


def test_a_killed_dpkg_leaves_nothing_writable_and_can_be_finished(packages: Packages) -> None:
    device = packages.device
    packages.waits.touch()
    dpkg = subprocess.Popen(packages.argv("--install", str(packages.build())), stdout=subprocess.PIPE, text=True)
    assert dpkg.stdout is not None
    while dpkg.stdout.readline() != "waits\n":
        assert dpkg.poll() is None
    assert not device.is_read_only(device.boot)
    (script,) = Path(f"/proc/{dpkg.pid}/task/{dpkg.pid}/children").read_text().split()
    dpkg.kill()
    os.kill(int(script), signal.SIGKILL)
    wait_until(device.are_closed)
    dpkg.wait()
    packages.waits.unlink()

    done = packages.run("--configure", "-a")
    assert done.returncode == 0, done.stderr
    assert device.are_closed()


def test_dpkg_is_warned_and_not_stopped_by_a_window_that_cannot_be_opened(packages: Packages) -> None:
    packages.device.write("/etc/edgesec/boot-mounts.json", "{")
    done = packages.run("--install", str(packages.build(touches_boot=False)))
    assert done.returncode == 0
    assert "edgesec: /etc/edgesec/boot-mounts.json: is not a valid list of boot mounts" in done.stderr
    assert packages.device.are_closed()


@pytest.mark.skipif(find_tool("kernel-install") is None, reason="there is no kernel-install here (systemd)")
def test_kernel_install_holds_the_window_for_its_plugins(device: Device, tmp_path: Path) -> None:
    writer = tmp_path / "50-writer.install"
    writer.write_text(f'#!/bin/sh\necho "$1" >{device.boot}/entry\n')
    writer.chmod(0o755)
    plugins = f"/etc/kernel/install.d/00-edgesec-boot-window.install {writer}"
    (tmp_path / "image").touch()
    device.space.run(
        *("env", f"KERNEL_INSTALL_PLUGINS={plugins}", "MACHINE_ID=0123456789abcdef0123456789abcdef", "layout=other"),
        *("kernel-install", "add", "6.1.0-test", str(tmp_path / "image")),
    )
    assert device.space.run("cat", f"{device.boot}/entry") == "add\n"
    wait_until(device.are_closed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system of a disk")
@pytest.mark.parametrize(("kind", "command"), [("vfat", ["mkfs.vfat"]), ("ext4", ["mkfs.ext4", "-q"])])
def test_file_systems_of_a_disk(device: Device, tmp_path: Path, kind: str, command: list[str]) -> None:
    image = tmp_path / "disk.img"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    device.space.run(*command, str(image))
    device.space.run("umount", str(device.efi))
    mounted = subprocess.run(
        [*device.space.enter, "mount", "-t", kind, "-o", "loop", str(image), str(device.efi)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        device.space.run("mount", "-t", "ramfs", "ramfs", str(device.efi))
        pytest.skip(f"no {kind} can be mounted here: {mounted.stderr.decode()}")
    # Not at once, or the loop device would be read-only too.
    device.space.run("mount", "-o", f"remount,{RESTRICTED}", str(device.efi))
    denied = subprocess.run([*device.space.enter, "touch", str(device.efi / "x")], capture_output=True, check=False)
    assert b"Read-only file system" in denied.stderr
    device.do("open")
    device.space.run("sh", "-c", f"echo new >{device.efi}/x")
    device.do("close")
    assert device.space.options(device.efi) >= set(RESTRICTED.split(","))
    assert device.space.run("cat", str(device.efi / "x")) == "new\n"
    device.space.run("umount", str(device.efi))
    device.space.run("mount", "-t", "ramfs", "-o", RESTRICTED, "ramfs", str(device.efi))
