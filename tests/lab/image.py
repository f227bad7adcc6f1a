# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk image of the device: ESP with a signed unified kernel image, root, and blank partitions for the tests.

Built without mounting anything, so that no privilege is needed.
"""

from __future__ import annotations

import secrets
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from . import cache, firmware, guest, host, rootfs, uki
from .progress import step
from .run import run

MIB = 1 << 20


@dataclass(frozen=True)
class Partition:
    """One partition: its GPT name, its type (an alias of sfdisk) and its place in MiB."""

    name: str
    type: str
    start: int
    size: int


LAYOUT = (
    Partition("esp", "uefi", 1, 256),
    Partition("root", "linux", 257, 2560),
    Partition("data", "linux", 2817, 384),
    Partition("swap", "linux", 3201, 96),
    Partition("spare", "linux", 3297, 448),
)
DISK_SIZE = LAYOUT[-1].start + LAYOUT[-1].size + 1


def sfdisk_script(layout: tuple[Partition, ...] = LAYOUT) -> str:
    """The partition table in sfdisk's language."""
    lines = [f"start={p.start}MiB, size={p.size}MiB, type={p.type}, name={p.name}" for p in layout]
    return "\n".join(["label: gpt", *lines, ""])


def partition(name: str) -> Partition:
    """The partition of that name."""
    return next(p for p in LAYOUT if p.name == name)


def cache_name(suite: str) -> str:
    """The name of the image of a suite, as this version of the lab makes it."""
    made_by = ("firmware.py", "guest.py", "image.py", "rootfs.py", "uki.py")
    return f"{suite}-{cache.key(suite, cache.sources(*made_by))}"


def build(suite: str) -> Path:
    """Return the directory of an image, from the cache where it was built before.

    It holds disk.img (raw, sparse), vars.qcow2 (firmware variables), keys/ (Secure Boot), and the SSH keys
    ssh (private), ssh.pub and host.pub.
    """

    def make(directory: Path) -> None:
        host.require_packages()
        firmware.require_python()
        tar = rootfs.build(suite, guest.packages(suite), setup=guest.SETUP, customize=guest.CUSTOMIZE)
        host.require_space(directory, 4000)
        work = directory / "work"
        work.mkdir()
        with step("keys, variables and the signed kernel image"):
            _make_keys(directory, work)
            _make_kernel_image(tar, directory, work)
        with step("disk image"):
            _make_disk(tar, directory / "disk.img", work)
        shutil.rmtree(work)

    return cache.build_once("images", cache_name(suite), make)


def _make_keys(directory: Path, work: Path) -> None:
    keys = directory / "keys"
    keys.mkdir(mode=0o700)
    firmware.make_keys(keys)
    firmware.make_variables(keys, directory / "vars.qcow2")
    for path, comment in ((directory / "ssh", "lab"), (work / "host", "edge")):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    shutil.copy(work / "host.pub", directory / "host.pub")


def _make_kernel_image(tar: Path, directory: Path, work: Path) -> None:
    kernel, version = b"", ""
    initrd = stub = release = b""
    with tarfile.open(tar) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name.startswith("boot/vmlinuz-"):
                version = name.removeprefix("boot/vmlinuz-")
                kernel = _read(archive, member)
            elif name.startswith("boot/initrd.img-"):
                initrd = _read(archive, member)
            elif name == "usr/lib/systemd/boot/efi/linuxx64.efi.stub":
                stub = _read(archive, member)
            elif name == "usr/lib/os-release":
                release = _read(archive, member)
    sections = {
        ".osrel": release,
        ".uname": version.encode(),
        ".cmdline": guest.COMMAND_LINE.encode(),
        ".initrd": initrd,
        ".linux": kernel,
    }
    (work / "uki.efi").write_bytes(uki.build(stub, sections))
    firmware.sign(work / "uki.efi", directory / "keys", work / "BOOTX64.EFI")


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = archive.extractfile(member)
    return content.read() if content else b""


def _make_disk(tar: Path, disk: Path, work: Path) -> None:
    tls_key, tls_certificate = firmware.self_signed("edge", rsa=False)
    contents = guest.files(
        authorized_key=(disk.parent / "ssh.pub").read_text(),
        host_key=(work / "host").read_bytes(),
        tls_key=tls_key,
        tls_certificate=tls_certificate,
        machine_id=secrets.token_hex(16),
    )
    guest.archive(contents, work / "files.tar")

    with disk.open("wb") as handle:
        handle.truncate(DISK_SIZE * MIB)
    run(["sfdisk", "--quiet", str(disk)], stdin=sfdisk_script())

    esp, root = partition("esp"), partition("root")
    in_esp = f"{disk}@@{esp.start * MIB}"
    sectors = str(esp.start * MIB // 512)
    # clusters of 1 KiB: mkfs.vfat would choose for the entire disk's size, and leave too few for FAT32
    run(["mkfs.vfat", "-F", "32", "-s", "2", "-n", "ESP", "--offset", sectors, str(disk), str(esp.size * 1024)])
    run(["mmd", "-i", in_esp, "::EFI", "::EFI/BOOT"])
    run(["mcopy", "-i", in_esp, str(work / "BOOTX64.EFI"), "::EFI/BOOT/BOOTX64.EFI"])

    # one shell, since fakeroot remembers owners only as long as it runs
    script = (
        'mkdir tree && tar -C tree --numeric-owner --exclude="./dev/*" -xf "$1" '
        '&& tar -C tree --numeric-owner -xf "$2" && mkfs.ext4 -q -F -L root -m 0 -J size=16 '
        '-E "offset=$4,lazy_itable_init=0,root_owner=0:0" -d tree "$3" "$5"; '
        "result=$?; rm -rf tree; exit $result"
    )
    operands = [str(tar), str(work / "files.tar"), str(disk), str(root.start * MIB), f"{root.size}M"]
    run(host.as_root(["/bin/sh", "-c", script, "sh", *operands]), cwd=work)
