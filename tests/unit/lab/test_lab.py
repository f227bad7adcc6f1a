# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the lab that need no machine: keys of the cache, layout, command lines, refusals."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.lab import LabError, cache, cli, host, image, inventory, qemu, uki


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESEC_LAB_CACHE", str(tmp_path / "cache"))


def machine(accelerator: str = "tcg", *, tpm: bool = True) -> list[str]:
    return qemu.argv(qemu.Machine(accelerator, 1024, "run/tpm" if tpm else None, 2222))


def test_equal_parts_have_equal_keys_and_others_do_not() -> None:
    assert cache.key("trixie", ["a", "b"]) == cache.key("trixie", ["a", "b"])
    assert cache.key("trixie", ["a", "b"]) != cache.key("trixie", ["ab"])


def test_the_image_of_another_release_or_layout_has_another_name() -> None:
    names = {image.cache_name(suite, layout) for suite in ("trixie", "bookworm") for layout in image.LAYOUTS}
    assert len(names) == 4


def test_an_unknown_layout_is_refused_with_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"lilo.*uki, grub"):
        image.build("trixie", "lilo")


def test_what_was_half_built_is_never_taken_for_whole() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("x")
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        cache.build_once("things", "one", fail)
    made = cache.build_once("things", "one", lambda _directory: None)
    assert list(made.iterdir()) == []


def test_two_builds_at_once_build_once() -> None:
    built = []

    def make(directory: Path) -> None:
        built.append(directory)
        (directory / "file").write_text("whole")

    threads = [threading.Thread(target=cache.build_once, args=("things", "two", make)) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


@pytest.mark.parametrize("layout", image.LAYOUTS)
def test_partitions_follow_each_other_within_the_disk(layout: str) -> None:
    end = 1
    for partition in image.PARTITIONS[layout]:
        assert partition.start >= end
        end = partition.start + partition.size
    assert end < image.disk_size(layout)
    assert "name=data" in image.sfdisk_script(layout)


def test_the_partitions_that_tests_use_are_the_same_in_every_layout() -> None:
    sizes = {layout: {each.name: each.size for each in image.PARTITIONS[layout]} for layout in image.LAYOUTS}
    assert sizes["grub"] == {**sizes["uki"], "boot": 256}


def test_everything_listens_on_the_loopback_interface_alone() -> None:
    words = " ".join(machine())
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in words
    assert "restrict=on" in words, "the guest reaches nothing"


def test_secure_boot_needs_system_management_mode() -> None:
    words = " ".join(machine())
    assert "smm=on" in words
    assert "property=secure,value=on" in words


def test_a_machine_without_a_tpm_has_none() -> None:
    assert "tpm-crb,tpmdev=tpm" in machine()
    assert not [word for word in machine(tpm=False) if "tpm" in word]


def test_what_emulation_needs_is_left_out_where_the_processor_helps() -> None:
    assert machine("tcg")[machine("tcg").index("-smp") + 1] == "1"
    assert machine("kvm")[machine("kvm").index("-smp") + 1] == "2"


def test_a_free_port_is_free_and_a_taken_one_is_refused() -> None:
    host.require_port(host.free_port())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LabError, match=f"port {port}"):
            host.require_port(port)


def test_a_full_disk_is_told_with_both_figures(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free >> 20
    with pytest.raises(LabError, match=r"MiB free, \d+ MiB are needed.*EDGESEC_LAB_CACHE"):
        host.require_space(tmp_path, free * 2)


def test_the_inventory_is_one_that_ansible_reads(tmp_path: Path) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(inventory.render("edge", tmp_path, 2222))
    listed = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "-i", path, "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"ansible_port": 2222' in listed.stdout
    assert "StrictHostKeyChecking=yes" in listed.stdout


@pytest.mark.parametrize("stub", [b"", b"MZ", b"MZ" + bytes(200), b"\x7fELF" + bytes(500)])
def test_what_is_no_boot_stub_is_refused(stub: bytes) -> None:
    with pytest.raises(LabError):
        uki.build(stub, {".linux": b"kernel"})


def test_a_device_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reboot", "--name", "nobody"]) == 2
    assert "device nobody: does not exist" in capsys.readouterr().err
