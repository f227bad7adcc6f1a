# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The boot layout `grub`: Debian's signed shim, GRUB and kernel, with a boot partition, as Debian installs them.

What only a running system can do, grub-install and grub-mkconfig, the device does itself in its first boot. That one is
started by a configuration of our own in the ESP, whose place that of grub-install takes: in the directory where the
signed GRUB looks first (2.12: beside itself), and in that where it looks next.
"""

from __future__ import annotations

from pathlib import Path

from . import guest, rootfs

_KERNEL = "linux-image-cloud-amd64"
_PACKAGES = ("grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed")
# Where the packages of a newer kernel lie on the device.
UPDATE = "/var/cache/edge"
MOUNTS = "PARTLABEL=boot /boot ext4 defaults 0 2\n"

# The device has the newest kernel but one; security updates bring several for each release.
CUSTOMIZE = rf"""
sed -E 's#(https?://[^ ]*[^ /])/* ([^ ]+) #\1-security \2-security #' /etc/apt/sources.list \
    > /etc/apt/sources.list.d/security.list
apt-get -q update
kernels=$(apt-cache pkgnames linux-image-6 | grep -E '[0-9]-cloud-amd64$' | sort -V | tail -n 2)
test "$(echo "$kernels" | wc -l)" = 2
mkdir {UPDATE}
cd {UPDATE}
DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "$(echo "$kernels" | head -n 1)"
apt-get -q download "$(echo "$kernels" | tail -n 1)" {_KERNEL}
rm /etc/apt/sources.list.d/security.list

mkdir -p /etc/default/grub.d
cat > /etc/default/grub.d/edge.cfg <<'END'
GRUB_TIMEOUT=0
GRUB_CMDLINE_LINUX_DEFAULT=
GRUB_CMDLINE_LINUX="{guest.OPTIONS}"
END
cat > /etc/systemd/system/edge-boot-loader.service <<'END'
[Unit]
Description=Install GRUB and its menu
ConditionPathExists=!/boot/grub/grub.cfg
RequiresMountsFor=/boot/efi

[Service]
Type=oneshot
ExecStart=grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram
ExecStart=-cp /boot/efi/EFI/BOOT/grub.cfg /boot/efi/EFI/debian/grub.cfg
ExecStart=update-grub
ExecStart=sync

[Install]
WantedBy=multi-user.target
END
systemctl --quiet enable edge-boot-loader.service
"""


def packages(suite: str) -> tuple[str, ...]:
    """The Debian packages of the device in one release, without kernels."""
    return (*(name for name in guest.packages(suite) if name != _KERNEL), *_PACKAGES)


def on_esp(tar: Path) -> dict[str, bytes]:
    """What the ESP has at the first boot, by path."""
    shim, signed = "usr/lib/shim/shimx64.efi.signed", "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    kernel = "boot/vmlinuz-*"
    found = rootfs.contents(tar, shim, signed, kernel)
    release = found[kernel][0].removeprefix("boot/vmlinuz-")
    first_boot = [
        "search --no-floppy --label boot --set=root",
        f"linux /vmlinuz-{release} {guest.COMMAND_LINE}",
        f"initrd /initrd.img-{release}",
        "boot",
        "",
    ]
    return {
        "EFI/BOOT/BOOTX64.EFI": found[shim][1],
        "EFI/BOOT/grubx64.efi": found[signed][1],
        # where the signed GRUB looks
        "EFI/debian/grub.cfg": "\n".join(first_boot).encode(),
    }
