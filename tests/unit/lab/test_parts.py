# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes, SSH, the guest's files, the root file system's command line, names."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest

from tests.lab import Device, LabError, grub, guest, host, qemu, rootfs, ssh
from tests.lab.copies import replace_directory
from tests.lab.process import Process
from tests.lab.state import State


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESEC_LAB_CACHE", str(tmp_path / "cache"))


def test_a_process_is_killed_and_known_to_be_gone(tmp_path: Path) -> None:
    process = Process(tmp_path / "record")
    assert process.pid is None
    with subprocess.Popen(["sleep", "60"]) as child:
        process.remember(child.pid)
        assert process.pid == child.pid
        process.kill()
        assert process.pid is None


def test_another_process_that_got_the_same_id_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "record").write_text(f"{stranger.pid} 1\n")
        Process(tmp_path / "record").kill()
        assert stranger.poll() is None
        stranger.kill()


def test_ssh_checks_the_host_key_under_a_name_that_outlives_the_port(tmp_path: Path) -> None:
    first, second = ssh.argv(tmp_path, 1111), ssh.argv(tmp_path, 2222)
    assert [word for word in first if word != "1111"] == [word for word in second if word != "2222"]
    assert "StrictHostKeyChecking=yes" in first
    assert ssh.known_hosts("ssh-ed25519 AAAA edge\n").startswith(ssh.HOST_ALIAS + " ssh-ed25519 ")


def test_what_is_silent_or_not_there_is_no_ssh_server() -> None:
    assert not ssh.answers(host.free_port(), 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not ssh.answers(silent.getsockname()[1], 0.2)


@pytest.mark.parametrize(("greeting", "is_ssh"), [(b"SSH-2.0-x\r\n", True), (b"220 mail\r\n", False)])
def test_an_ssh_server_is_known_by_its_greeting(greeting: bytes, is_ssh: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _rest = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        assert ssh.answers(server.getsockname()[1]) is is_ssh
        thread.join()


def test_the_weak_spots_are_weak_and_the_keys_are_not(tmp_path: Path) -> None:
    contents = guest.files("ssh-ed25519 AAAA", b"host", b"tls", b"certificate", "0" * 32)
    guest.archive(contents, tmp_path / "files.tar")
    with tarfile.open(tmp_path / "files.tar") as archive:
        found = {member.name: (member.uid, member.mode) for member in archive}
    assert found["etc/edge/tls/device.key"] == (0, 0o644)
    assert found["etc/edge/mqtt.password"] == (guest.EDGE_UID, 0o664)
    assert found["etc/ssh/ssh_host_ed25519_key"] == (0, 0o600)
    assert found["home/edge/.ssh/authorized_keys"] == (guest.EDGE_UID, 0o600)


def test_the_boot_partition_is_writable_before_hardening() -> None:
    (fstab,) = [file for file in guest.files("", b"", b"", b"", "") if file.path == "etc/fstab"]
    assert b"PARTLABEL=esp /boot/efi vfat umask=0077 0 2\n" in (fstab.content or b"")


def test_the_boot_partition_of_grub_is_mounted_before_the_esp_within_it() -> None:
    (fstab,) = [file for file in guest.files("", b"", b"", b"", "", mounts=grub.MOUNTS) if file.path == "etc/fstab"]
    assert [line.split()[1] for line in (fstab.content or b"").decode().splitlines()] == ["/", "/boot", "/boot/efi"]


def test_the_device_with_grub_gets_its_kernel_apart_so_that_there_is_a_newer_one() -> None:
    assert "shim-signed" in grub.packages("trixie")
    assert not [name for name in grub.packages("trixie") if name.startswith("linux-image")]


def tar_of(path: Path, files: dict[str, bytes]) -> Path:
    guest.archive([guest.File(name, content) for name, content in files.items()], path)
    return path


SIGNED = {
    "./usr/lib/shim/shimx64.efi.signed": b"shim",
    "./usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed": b"grub",
}


def test_the_first_boot_starts_the_kernel_that_is_installed(tmp_path: Path) -> None:
    found = grub.on_esp(tar_of(tmp_path / "root.tar", {**SIGNED, "./boot/vmlinuz-6.12.1": b"kernel"}))
    assert found["EFI/BOOT/BOOTX64.EFI"] == b"shim"
    assert found["EFI/BOOT/grubx64.efi"] == b"grub"
    assert b"linux /vmlinuz-6.12.1 root=PARTLABEL=root ro console=ttyS0" in found["EFI/debian/grub.cfg"]


def test_a_root_file_system_that_lacks_what_boots_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"has no boot/vmlinuz-\*"):
        grub.on_esp(tar_of(tmp_path / "root.tar", SIGNED))


def test_only_packages_that_a_release_has_are_asked_for() -> None:
    assert "systemd-cryptsetup" in guest.packages("trixie")
    assert "systemd-cryptsetup" not in guest.packages("bookworm")
    assert set(guest.packages("bookworm")) < set(guest.packages("trixie"))


def test_an_unknown_release_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"sid.*trixie, bookworm"):
        rootfs.build("sid", [])


def test_hooks_reach_mmdebstrap_whole() -> None:
    words = rootfs.argv("trixie", ["a", "b"], "echo 'x'", "echo 'y z'", Path("t.tar"), "http://mirror.example/debian")
    assert "--include=a,b" in words
    assert "--setup-hook=echo 'x'" in words
    assert words[-3:] == ["trixie", "t.tar", "http://mirror.example/debian"]
    (hook,) = [word.partition("=")[2] for word in words if word.startswith("--customize-hook")]
    done = subprocess.run(
        ["sh", "-c", f'chroot() {{ printf "%s|" "$@"; }}; {hook}', "sh", "/r"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "/r|/bin/sh|-eu|-c|echo 'y z'|"


def test_a_mirror_named_in_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESEC_LAB_MIRROR", "http://mirror.example/debian")
    assert host.mirror() == "http://mirror.example/debian"


def test_every_listed_package_can_be_told_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_more: None)
    monkeypatch.setattr(Path, "exists", lambda _path: False)
    assert host.missing_packages() == host.packages()
    with pytest.raises(LabError, match=r"apt-get install .*swtpm"):
        host.require_packages()


def test_the_removable_disk_is_there_while_it_is_inserted() -> None:
    assert any(word.endswith(qemu.TOKEN_FILE) for word in qemu.argv(qemu.Machine("kvm", 512, None, 1, token=True)))
    assert not any(word.endswith(qemu.TOKEN_FILE) for word in qemu.argv(qemu.Machine("kvm", 512, None, 1)))


def test_a_snapshot_to_load_keeps_the_processors_still() -> None:
    assert "-S" in qemu.argv(qemu.Machine("kvm", 512, None, 1, paused=True))
    assert "-S" not in qemu.argv(qemu.Machine("kvm", 512, None, 1))


def test_copies_leave_out_what_belongs_to_processes_and_what_was_there(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "tpm2-00.permall").write_bytes(b"seed")
    for name in (".lock", "qemu.pid", "qemu.process"):
        (source / name).touch()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "old").touch()
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(source / "qmp.sock"))
        replace_directory(source, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["tpm2-00.permall"]


def test_a_throttle_is_remembered_for_the_next_start() -> None:
    device = Device("off")
    device.directory.mkdir(parents=True)
    State("trixie", "image").write(device.directory)
    assert State.read(device.directory).throttle is None
    device.throttle(4096)
    assert State.read(device.directory).throttle == 4096
    device.throttle(None)
    assert State.read(device.directory).throttle is None


def test_a_device_that_is_off_cannot_be_waited_for() -> None:
    device = Device("off")
    device.directory.mkdir(parents=True)
    State("trixie", "image").write(device.directory)
    with pytest.raises(LabError, match="is not running"):
        device.wait()


@pytest.mark.parametrize("name", ["", "../x", "a/b", "Edge", "-x", "a" * 40])
def test_names_that_could_leave_the_cache_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="not usable"):
        Device(name)
