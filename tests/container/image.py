# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The images of the test containers, imported from Debian packages: no image registry is asked."""

from __future__ import annotations

from tests.lab import rootfs

from .podman import Podman

PACKAGES = (
    "cryptsetup-bin",
    "dbus",
    "e2fsprogs",
    "openssh-server",
    "python3",
    "sudo",
    "swtpm",
    "systemd-sysv",
    "tpm2-tools",
    "udev",
    "util-linux",
)

TCTI = "swtpm:host=127.0.0.1,port=2321"

# A software TPM that listens where roles are told to look, its state on tmpfs, its PCRs extended as by a boot.
# The boot partition of fstab is not there, so it is not to be mounted at start.
CUSTOMIZE = f"""
useradd --create-home --shell /bin/bash edge
echo 'edge ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/edge
chmod 0440 /etc/sudoers.d/edge
rm -f /etc/ssh/ssh_host_*
mkdir -p /etc/systemd/system/ssh.service.d /etc/edge/tls /boot/efi
cat > /etc/systemd/system/ssh.service.d/keys.conf <<'END'
[Service]
ExecStartPre=
ExecStartPre=/usr/bin/ssh-keygen -A
END
cat > /etc/systemd/system/swtpm.service <<'END'
[Service]
RuntimeDirectory=swtpm
ExecStart=/usr/bin/swtpm socket --tpm2 --tpmstate dir=/run/swtpm --flags not-need-init,startup-clear \
  --server type=tcp,bindaddr=127.0.0.1,port=2321 --ctrl type=tcp,bindaddr=127.0.0.1,port=2322
[Install]
WantedBy=multi-user.target
END
cat > /etc/systemd/system/swtpm-measure.service <<'END'
[Unit]
Requires=swtpm.service
After=swtpm.service
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=TPM2TOOLS_TCTI={TCTI}
ExecStart=/bin/sh -c 'until tpm2_pcrread -Q; do sleep 0.1; done; \
  for pcr in 0 2 4 7 8 9 11 14; do tpm2_pcrextend $$pcr:sha256=$$(echo boot $$pcr | sha256sum | cut -c1-64); done'
[Install]
WantedBy=multi-user.target
END
systemctl --quiet enable swtpm.service swtpm-measure.service
systemctl --quiet mask systemd-udevd.service systemd-udev-trigger.service systemd-logind.service getty@tty1.service
echo 'PARTLABEL=esp /boot/efi vfat umask=0077,noauto 0 2' > /etc/fstab
echo 'not a real key' > /etc/edge/tls/device.key
chmod 0644 /etc/edge/tls/device.key
echo 'correct horse battery staple' > /etc/edge/mqtt.password
chmod 0664 /etc/edge/mqtt.password
chown edge:edge /etc/edge/mqtt.password
truncate -s 64M /var/lib/edge.img
"""


def ensure(podman: Podman, suite: str) -> str:
    """Return the name of the image of one Debian release, imported when it is not there yet."""
    archive = rootfs.build(suite, PACKAGES, customize=CUSTOMIZE)
    name = f"localhost/edgesec-device:{archive.parent.name}"
    if name not in podman("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        podman("import", "--quiet", "--change", 'CMD ["/sbin/init"]', str(archive), name)
    return name
