# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands on the virtual device: its packages, its settings, and its weak spots for the hardening to find."""

from __future__ import annotations

import io
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = (
    "btrfs-progs",
    "clevis-luks",
    "clevis-tpm2",
    "cryptsetup-bin",
    "dbus",
    "dmsetup",
    "e2fsprogs",
    "fdisk",
    "gnutls-bin",
    "initramfs-tools",
    "iproute2",
    "kmod",
    "libtpm2-pkcs11-1",
    "linux-image-cloud-amd64",
    "lvm2",
    "lynis",
    "mdadm",
    "mosquitto",
    "mount",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd-boot-efi",
    "systemd-sysv",
    "tpm2-tools",
    "udev",
    "util-linux",
    "xfsprogs",
    "zstd",
)
# A part of systemd in older releases.
_PACKAGES_OF = {"trixie": ("systemd-cryptsetup",)}

ROOT = "root=PARTLABEL=root ro"
# efi=debug keeps the kernel out of memory that the firmware uses before it starts a kernel. Without it, an emulated
# reboot crawls or hangs in the firmware: QEMU 7 is slow at writing to pages in which a kernel once ran code.
OPTIONS = "console=ttyS0 quiet panic=10 efi=debug 8250.nr_uarts=1 systemd.show_status=1 systemd.ssh_auto=no"
COMMAND_LINE = f"{ROOT} {OPTIONS}"

EDGE_UID = 1000

# The initrd holds what this machine's disk needs and no more: it is read, measured and unpacked at every boot.
# So volume managers, which tests put on partitions that the boot does not need, stay out of it.
SETUP = r"""
mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/etc/initramfs-tools/hooks" "$1/etc/dpkg/dpkg.cfg.d"
for package in btrfs lvm2 mdadm; do
    echo "path-exclude=/usr/share/initramfs-tools/*/$package"
done > "$1/etc/dpkg/dpkg.cfg.d/edge"
echo MODULES=list > "$1/etc/initramfs-tools/conf.d/edge"
cat > "$1/etc/initramfs-tools/hooks/edge" <<'END'
#!/bin/sh
test "$1" != prereqs || { echo udev; exit 0; }
rm -f "$DESTDIR/usr/lib/udev/hwdb.bin"
. /usr/share/initramfs-tools/hook-functions
force_load virtio_pci
force_load virtio_blk
force_load ext4
END
chmod 0755 "$1/etc/initramfs-tools/hooks/edge"
"""

# What an edge device has no use for; under emulation each unit costs a good part of a second.
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "blk-availability.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dm-event.socket",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "lvm2-lvmpolld.socket",
    "lvm2-monitor.service",
    "man-db.timer",
    "mdcheck_continue.timer",
    "mdcheck_start.timer",
    "mdmonitor-oneshot.timer",
    "mdmonitor.service",
    "modprobe@configfs.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "mosquitto.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@ttyS0.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-network-generator.service",
    "systemd-networkd-persistent-storage.service",
    "systemd-networkd-wait-online.service",
    "systemd-udev-load-credentials.service",
    "xfs_scrub_all.timer",
)

# All connections to the device come from one address. An sshd that penalises addresses (since OpenSSH 9.8) would count
# those that were given up during a slow boot, and shut out all that follow.
CUSTOMIZE = rf"""
useradd --create-home --shell /bin/bash --uid {EDGE_UID} edge
echo 'edge ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/edge
chmod 0440 /etc/sudoers.d/edge
rm -f /etc/ssh/ssh_host_*
systemctl --quiet enable systemd-networkd.service
systemctl --quiet mask {" ".join(MASKED)}
dpkg --compare-versions "$(dpkg-query -Wf '${{Version}}' openssh-server)" lt 1:9.8 ||
    echo PerSourcePenalties no > /etc/ssh/sshd_config.d/edge.conf
mkdir -p /boot/efi
"""


def packages(suite: str) -> tuple[str, ...]:
    """The Debian packages of the device in one release."""
    return _PACKAGES + _PACKAGES_OF.get(suite, ())


@dataclass(frozen=True)
class File:
    """A file to add to the root file system; directories have no content."""

    path: str
    content: bytes | None
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


def files(
    authorized_key: str, host_key: bytes, tls_key: bytes, tls_certificate: bytes, machine_id: str, *, mounts: str = ""
) -> list[File]:
    """The files of one image.

    :param authorized_key: public SSH key that may log in as root and as edge.
    :param host_key: private SSH host key (OpenSSH format).
    :param tls_key: private key (PEM), put in place deliberately readable by everyone.
    :param tls_certificate: its certificate (PEM).
    :param machine_id: 32 hexadecimal digits.
    :param mounts: lines of fstab for what is mounted between the root and the ESP.
    """
    key = authorized_key.encode()
    fstab = f"PARTLABEL=root / ext4 defaults 0 1\n{mounts}PARTLABEL=esp /boot/efi vfat umask=0077 0 2\n"
    network = b"[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n"
    # modules for hardware that this machine does not have, or has and does not use
    modules = b"".join(b"blacklist %s\n" % name for name in (b"ahci", b"kvm_amd", b"kvm_intel"))
    return [
        # younger than /usr: says that the first boot has nothing to bring up to date
        File("etc/.updated", b""),
        File("var/.updated", b""),
        File("etc/modprobe.d/edge.conf", modules),
        File("etc/fstab", fstab.encode()),
        File("etc/hostname", b"edge\n"),
        File("etc/hosts", b"127.0.0.1 localhost\n127.0.1.1 edge\n"),
        File("etc/machine-id", f"{machine_id}\n".encode(), 0o444),
        File("etc/systemd/network/80-dhcp.network", network),
        File("etc/ssh/ssh_host_ed25519_key", host_key, 0o600),
        File("root/.ssh", None, 0o700),
        File("root/.ssh/authorized_keys", key, 0o600),
        File("home/edge/.ssh", None, 0o700, EDGE_UID, EDGE_UID),
        File("home/edge/.ssh/authorized_keys", key, 0o600, EDGE_UID, EDGE_UID),
        File("etc/edge", None, 0o755),
        File("etc/edge/tls", None, 0o755),
        File("etc/edge/tls/device.key", tls_key, 0o644),
        File("etc/edge/tls/device.crt", tls_certificate, 0o644),
        File("etc/edge/mqtt.password", b"correct horse battery staple\n", 0o664, EDGE_UID, EDGE_UID),
    ]


def archive(contents: list[File], target: Path) -> None:
    """Write `contents` as a tar archive with exactly these owners and modes."""
    with tarfile.open(target, "w") as tar:
        for file in contents:
            member = tarfile.TarInfo(file.path)
            member.mtime = int(time.time())
            member.mode, member.uid, member.gid = file.mode, file.uid, file.gid
            if file.content is None:
                member.type = tarfile.DIRTYPE
                tar.addfile(member)
            else:
                member.size = len(file.content)
                tar.addfile(member, io.BytesIO(file.content))
