# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the machine: q35 with Secure Boot firmware, a TPM, a disk and a network card."""

from __future__ import annotations

from dataclasses import dataclass

from . import host

# Names of the block nodes that a snapshot must cover.
DISK, VARIABLES = "disk0", "vars0"
# Where in QEMU's tree of objects the disk is used.
DISK_USER = "/machine/peripheral/disk/virtio-backend"
# A small removable disk, its file, and the slot that it is put into, of a running machine too.
TOKEN, TOKEN_FILE, SLOT = "token", "token.img", "removable"


@dataclass(frozen=True)
class Machine:
    """What distinguishes one start of a machine from another.

    :param accelerator: "kvm" or "tcg".
    :param memory: MiB.
    :param tpm_socket: control socket of swtpm, None for a machine without a TPM.
    :param port: TCP port on the loopback interface that leads to the guest's port 22.
    :param aes: whether the processor has AES instructions.
    :param token: whether the removable disk is inserted.
    :param paused: do not run the processors yet, since a snapshot will be loaded.
    """

    accelerator: str
    memory: int
    tpm_socket: str | None
    port: int
    aes: bool = True
    token: bool = False
    paused: bool = False


def argv(machine: Machine) -> list[str]:
    """The command line of `machine`; paths are relative to the directory of the device."""
    words = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-user-config"]
    words += firmware(machine.accelerator, "vars.qcow2", aes=machine.aes)
    words += ["-m", str(machine.memory), "-rtc", "base=utc"]
    words += ["-drive", f"if=none,id=disk,node-name={DISK},format=qcow2,file=disk.qcow2,discard=unmap"]
    words += ["-device", "virtio-blk-pci,id=disk,drive=disk,bootindex=0"]
    words += ["-device", f"pcie-root-port,id={SLOT},chassis=1"]
    if machine.token:
        words += ["-blockdev", f"driver=raw,node-name={TOKEN},file.driver=file,file.filename={TOKEN_FILE}"]
        words += ["-device", f"virtio-blk-pci,id={TOKEN},drive={TOKEN},bus={SLOT}"]
    words += ["-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{machine.port}-:22"]
    words += ["-device", "virtio-net-pci,netdev=net,romfile="]
    words += ["-device", "virtio-rng-pci"]
    if machine.tpm_socket:
        words += ["-chardev", f"socket,id=tpm,path={machine.tpm_socket}"]
        words += ["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device", "tpm-crb,tpmdev=tpm"]
    words += ["-chardev", "file,id=serial,path=serial.log,append=on", "-serial", "chardev:serial"]
    words += ["-qmp", "unix:run/qmp.sock,server=on,wait=off", "-pidfile", "run/qemu.pid", "-daemonize"]
    return words + (["-S"] if machine.paused else [])


# Of an emulated processor: a cache of translated code that is small enough to forget what ran before a reboot.
_EMULATED = "tcg,tb-size=160"


def firmware(accelerator: str, variables: str, *, aes: bool = True) -> list[str]:
    """The board, its processor and its firmware; only code in system management mode may write the variables."""
    words = ["-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]
    words += ["-global", "ICH9-LPC.disable_s3=1"]
    # An emulated one has no AVX, which is slow to emulate and which cryptography would choose; a kernel that sees AVX2
    # without AVX crashes.
    how, cpu, count = (_EMULATED, "max,avx=off,avx2=off", "1") if accelerator == "tcg" else (accelerator, "host", "2")
    words += ["-accel", how, "-cpu", cpu if aes else f"{cpu},aes=off", "-smp", count]
    words += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={host.OVMF_CODE}"]
    return [*words, "-drive", f"if=pflash,unit=1,node-name={VARIABLES},format=qcow2,file={variables}"]
