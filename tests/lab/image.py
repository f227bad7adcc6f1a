# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The disk image of the device: what it boots with, root, and blank partitions for the tests.

In the layout `uki` the ESP has a signed unified kernel image; in the layout `grub` it has shim and GRUB, and the kernel
lies on a boot partition of its own. Built without mounting anything, so that no privilege is needed.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import cache, firmware, grub, guest, host, rootfs, uki
from .errors import LabError
from .progress import step
from .run import run

MIB = 1 << 20
# What firmware starts from a disk that it knows nothing else of.
_BOOTED = "EFI/BOOT/BOOTX64.EFI"


@dataclass(frozen=True)
class Partition:
    """One partition: its GPT name, its type (an alias of sfdisk) and its place in MiB."""

    name: str
    type: str
    start: int
    size: int


def _partitions(*wanted: tuple[str, str, int]) -> tuple[Partition, ...]:
    """Partitions one behind the other, by name, type and size."""
    placed: list[Partition] = []
    for name, kind, size in wanted:
        placed.append(Partition(name, kind, placed[-1].start + placed[-1].size if placed else 1, size))
    return tuple(placed)


_ESP, _BOOT, _ROOT = ("esp", "uefi", 256), ("boot", "linux", 256), ("root", "linux", 2560)
_BLANK = (("data", "linux", 384), ("swap", "linux", 96), ("spare", "linux", 448))
PARTITIONS = {"uki": _partitions(_ESP, _ROOT, *_BLANK), "grub": _partitions(_ESP, _BOOT, _ROOT, *_BLANK)}
LAYOUTS = tuple(PARTITIONS)
# What of the tree of files has a file system of its own, in the order in which it is taken out of the tree.
_FILE_SYSTEMS = {"uki": (("root", "."),), "grub": (("boot", "boot"), ("root", "."))}


def sfdisk_script(layout: str) -> str:
    """The partition table in sfdisk's language."""
    lines = [f"start={p.start}MiB, size={p.size}MiB, type={p.type}, name={p.name}" for p in PARTITIONS[layout]]
    return "\n".join(["label: gpt", *lines, ""])


def partition(name: str, layout: str) -> Partition:
    """The partition of that name."""
    return next(p for p in PARTITIONS[layout] if p.name == name)


def disk_size(layout: str) -> int:
    """Of the entire disk, in MiB."""
    last = PARTITIONS[layout][-1]
    return last.start + last.size + 1


def cache_name(suite: str, layout: str) -> str:
    """The name of the image of a suite and layout, as this version of the lab makes it."""
    made_by = ("firmware.py", "guest.py", "image.py", "rootfs.py", f"{layout}.py")
    return f"{suite}-{cache.key(suite, layout, cache.sources(*made_by))}"


def build(suite: str, layout: str = "uki") -> Path:
    """Return the directory of an image, from the cache where it was built before.

    It holds disk.img (raw, sparse), vars.qcow2 (firmware variables), keys/ (Secure Boot, in the layout `uki`), and the
    SSH keys ssh (private), ssh.pub and host.pub.

    :param layout: one of LAYOUTS.
    :raises LabError: unknown layout, or what `rootfs.build` raises.
    """
    if layout not in LAYOUTS:
        raise LabError(f"layout {layout}", "not supported", f"Choose one of: {', '.join(LAYOUTS)}")

    def make(directory: Path) -> None:
        host.require_packages()
        firmware.require_python()
        tar = _root_file_system(suite, layout)
        host.require_space(directory, 4000)
        work = directory / "work"
        work.mkdir()
        with step("keys, variables and what boots"):
            _make_ssh_keys(directory, work)
            on_esp = grub.on_esp(tar) if layout == "grub" else {_BOOTED: _kernel_image(tar, directory, work)}
            enrolment = firmware.MICROSOFT_KEYS if layout == "grub" else firmware.own_keys(directory / "keys")
            firmware.make_variables(enrolment, directory / "vars.qcow2")
        with step("disk image"):
            _make_disk(layout, tar, on_esp, directory / "disk.img", work)
        shutil.rmtree(work)

    return cache.build_once("images", cache_name(suite, layout), make)


def _root_file_system(suite: str, layout: str) -> Path:
    if layout == "grub":
        packages, customize = grub.packages(suite), guest.CUSTOMIZE + grub.CUSTOMIZE
    else:
        packages, customize = guest.packages(suite), guest.CUSTOMIZE
    return rootfs.build(suite, packages, setup=guest.SETUP, customize=customize)


def _make_ssh_keys(directory: Path, work: Path) -> None:
    for path, comment in ((directory / "ssh", "lab"), (work / "host", "edge")):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)])
    shutil.copy(work / "host.pub", directory / "host.pub")


def _kernel_image(tar: Path, directory: Path, work: Path) -> bytes:
    """A unified kernel image that is signed with keys of its own, which are left in the directory."""
    keys = directory / "keys"
    keys.mkdir(mode=0o700)
    firmware.make_keys(keys)
    kernel, initrd, stub, release = "boot/vmlinuz-*", "boot/initrd.img-*", uki.STUB, "usr/lib/os-release"
    found = rootfs.contents(tar, kernel, initrd, stub, release)
    sections = {
        ".osrel": found[release][1],
        ".uname": found[kernel][0].removeprefix("boot/vmlinuz-").encode(),
        ".cmdline": guest.COMMAND_LINE.encode(),
        ".initrd": found[initrd][1],
        ".linux": found[kernel][1],
    }
    (work / "uki.efi").write_bytes(uki.build(found[stub][1], sections))
    firmware.sign(work / "uki.efi", keys, work / "signed.efi")
    return (work / "signed.efi").read_bytes()


# What has a file system of its own is taken out of the tree. One shell, since fakeroot remembers owners only as long
# as it runs.
_MAKE_FILE_SYSTEMS = """
mkdir tree
tar -C tree --numeric-owner --exclude='./dev/*' -xf "$1"
tar -C tree --numeric-owner -xf "$2"
disk=$3
shift 3
while [ "$#" -gt 0 ]; do
    mkfs.ext4 -q -F -L "$1" -m 0 -J size=16 -E "offset=$3,lazy_itable_init=0,root_owner=0:0" -d "tree/$2" "$disk" "$4"
    find "tree/$2" -mindepth 1 -delete
    shift 4
done
"""


def _make_disk(layout: str, tar: Path, on_esp: dict[str, bytes], disk: Path, work: Path) -> None:
    tls_key, tls_certificate = firmware.self_signed("edge", rsa=False)
    contents = guest.files(
        authorized_key=(disk.parent / "ssh.pub").read_text(),
        host_key=(work / "host").read_bytes(),
        tls_key=tls_key,
        tls_certificate=tls_certificate,
        machine_id=secrets.token_hex(16),
        mounts=grub.MOUNTS if layout == "grub" else "",
    )
    guest.archive(contents, work / "files.tar")

    with disk.open("wb") as handle:
        handle.truncate(disk_size(layout) * MIB)
    run(["sfdisk", "--quiet", str(disk)], stdin=sfdisk_script(layout))
    _fill_esp(partition("esp", layout), on_esp, disk, work)
    operands = [str(tar), str(work / "files.tar"), str(disk)]
    for name, directory in _FILE_SYSTEMS[layout]:
        place = partition(name, layout)
        operands += [name, directory, str(place.start * MIB), f"{place.size}M"]
    run(host.as_root(["/bin/sh", "-eu", "-c", _MAKE_FILE_SYSTEMS, "sh", *operands]), cwd=work)


def _fill_esp(esp: Partition, files: dict[str, bytes], disk: Path, work: Path) -> None:
    in_esp = f"{disk}@@{esp.start * MIB}"
    sectors = str(esp.start * MIB // 512)
    # clusters of 1 KiB: mkfs.vfat would choose for the entire disk's size, and leave too few for FAT32
    run(["mkfs.vfat", "-F", "32", "-s", "2", "-n", "ESP", "--offset", sectors, str(disk), str(esp.size * 1024)])
    for path, content in files.items():
        place = work / "esp" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    run(["mcopy", "-s", "-i", in_esp, *(str(each) for each in sorted((work / "esp").iterdir())), "::"])
