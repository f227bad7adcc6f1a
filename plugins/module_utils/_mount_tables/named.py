# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find configuration that names a block device: a device that a program is configured to use must not be formatted.

Any word in a configuration that leads to the device counts, whatever its meaning there. Sources: crypttab(5),
fstab(5), veritytab(5), systemd.unit(5) and systemd-escape(1), kernel-command-line(7), mdadm.conf(5), lvm.conf(5),
lvmdevices(8), multipath.conf(5), fw_env.config of libubootenv, zpool(8).
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Optional

from .._base.tree import names_in, read_bytes, read_line, read_text, resolve, under
from .._disk.block_devices import CLASS, Block
from .._disk.mountinfo import decode_octal
from .crypttab import links_of

# fmt: off
_FILES = (
    "/etc/crypttab", "/etc/fstab", "/etc/veritytab", "/etc/integritytab", "/proc/cmdline", "/etc/edgesec/swap/*.json",
    "/etc/mdadm.conf", "/etc/mdadm.conf.d/*", "/etc/mdadm/mdadm.conf", "/etc/mdadm/mdadm.conf.d/*",
    "/etc/lvm/lvm.conf", "/etc/lvm/lvmlocal.conf", "/etc/lvm/devices/*.devices", "/etc/lvm/backup/*",
    "/etc/multipath.conf", "/etc/multipath/*", "/etc/multipath/conf.d/*",
    "/etc/zfs/zpool.cache", "/etc/zfs/vdev_id.conf", "/etc/drbd.conf", "/etc/drbd.d/*.res", "/etc/bcache.conf",
    "/etc/target/saveconfig.json", "/etc/rtslib-fb-target/saveconfig.json", "/etc/tgt/targets.conf",
    "/etc/tgt/conf.d/*", "/etc/iscsi/*.conf", "/etc/iet/ietd.conf", "/etc/nbd-server/config",
    "/etc/nbd-server/conf.d/*",
    "/etc/libvirt/qemu/*.xml", "/etc/libvirt/storage/*.xml", "/etc/docker/daemon.json", "/etc/pve/*/*.conf",
    "/etc/cryptmount/cmtab", "/etc/security/pam_mount.conf.xml", "/etc/pam_mount.conf.xml", "/etc/conf.d/dmcrypt",
    "/etc/conf.d/swap*", "/etc/udisks2/*.conf", "/etc/auto.*", "/etc/auto.master.d/*", "/etc/config/fstab",
    "/etc/rc.local", "/etc/default/cryptdisks", "/etc/initramfs-tools/conf.d/*", "/etc/cryptsetup-initramfs/*",
    "/etc/dracut.conf", "/etc/dracut.conf.d/*", "/etc/cmdline.d/*", "/etc/mkinitcpio.conf", "/etc/kernel/cmdline",
    "/usr/lib/kernel/cmdline", "/etc/default/grub", "/etc/default/grub.d/*", "/etc/lilo.conf", "/etc/default/u-boot",
    "/etc/default/extlinux", "/etc/fw_env.config", "/etc/fw_env.config.d/*", "/etc/u-boot/*", "/etc/rauc/system.conf",
    "/etc/swupdate.cfg", "/etc/swupdate/*", "/etc/mender/*.conf", "/var/lib/mender/*.conf", "/etc/sysupdate.d/*",
    "/boot/grub*/grub.cfg", "/boot/grub*/custom.cfg", "/boot/efi/EFI/*/grub.cfg", "/boot/loader/entries/*.conf",
    "/efi/loader/entries/*.conf", "/boot/efi/loader/entries/*.conf", "/boot/extlinux/extlinux.conf",
    "/boot/syslinux/syslinux.cfg", "/boot/cmdline.txt", "/boot/firmware/cmdline.txt", "/boot/uEnv.txt",
    "/boot/armbianEnv.txt", "/boot/firmware/uEnv.txt", "/etc/default/*", "/etc/sysconfig/*",
    "/etc/containers/systemd/*", "/etc/udev/rules.d/*", "/etc/init.d/*",
)
_UNITS = tuple(
    f"{top}/{pattern}"
    for top in ("/etc/systemd/system", "/run/systemd/system", "/run/systemd/transient",
                "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    for pattern in ("*.mount", "*.swap", "*.automount", "*.service", "*.device", "*.path", "*.d/*.conf", "dev-*.wants",
                    "dev-*.requires")
)
# fmt: on
_TAG = re.compile(r"""\b((?:PART)?(?:UUID|LABEL)|ID)=("[^"]*"|'[^']*'|[^\s"',;]+)""", re.IGNORECASE)
_PATH = re.compile(r"""/dev/[^\s"',;|$<>(){}\0]+""")
_UNIT = re.compile(r"\b(dev-[A-Za-z0-9:_.\\-]+)\.(?:device|swap|mount)\b")
_KERNEL = re.compile(r"""\bKERNEL=="([^"*?\[|]+)\"""")
_HEX = re.compile(r"\\x([0-9a-fA-F]{2})")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{3,}")
# The kernel's keys for the names of a partition, and the tags for them.
_UEVENT = {"PARTUUID": "PARTUUID", "PARTNAME": "PARTLABEL"}
_SHORTEST_ID = 6
_MOST_BYTES = 16 << 20
_MOST_NAMED = 8


class Names:
    """The words that a configuration may use for a block device (or for a file used as one)."""

    def __init__(self, root: str, real: str, block: Optional[Block], tags: Sequence[str] = ()) -> None:
        self._root = root
        self._reals = {real, *(f"/dev/{part}" for part in (block.partitions if block is not None else ()))}
        self._block = block
        self._links = {link for tag in (*tags, *self._tags()) for link in links_of(tag)}
        self._resolved: dict[str, bool] = {}

    @cached_property
    def ids(self) -> set[str]:
        """World-wide names, serials and UUIDs that may appear alone in a configuration, in lower case."""
        found: set[str] = set()
        for directory in ("by-id", "by-uuid", "by-partuuid"):
            for name in names_in(self._root, f"/dev/disk/{directory}"):
                if self._is_it(f"/dev/disk/{directory}/{name}"):
                    # multipath and lvmdevices write only the part after the bus: "scsi-3600...", "wwn-0x5000...".
                    bare = name.split("-", 1)[-1] if directory == "by-id" else name
                    found.update(each.lower() for each in (name, bare, bare[2:] if bare.startswith("0x") else bare))
        if self._block is not None:
            for attribute in ("wwid", "device/wwid"):
                found.add((read_line(self._root, f"{CLASS}/{self._block.name}/{attribute}") or "").lower())
        found.update(os.path.basename(link).lower() for link in self._links if "/by-partuuid/" in link)
        # The serial of a virtual disk may be any word, so require some length and a digit.
        return {each for each in found if len(each) >= _SHORTEST_ID and any(letter.isdigit() for letter in each)}

    def are_in(self, line: str) -> bool:
        """Whether a line has a word that refers to the device."""
        if any(self._leads_here(each, line) for path in _PATH.findall(line) for each in _unescaped(path)):
            return True
        if any(self._is_it(f"/dev/{name}") for name in _KERNEL.findall(line)):
            return True
        for tag, value in _TAG.findall(line):
            # cryptdevice=UUID=...:name
            for each in dict.fromkeys((value, value.split(":")[0])):
                links = (link for plain in _unescaped(each) for link in links_of(f"{tag.upper()}={plain}"))
                if any(map(self._is_it, links)):
                    return True
        if any(self._is_it(_path_of_unit(name)) for name in _UNIT.findall(line)):
            return True
        return bool(self.ids) and any(word.lower() in self.ids for word in _WORD.findall(line))

    def has_path_in(self, line: str) -> bool:
        """Whether a word of the line is an absolute path that leads to the device."""
        return any(self._is_it(word) for word in line.split() if word.startswith("/"))

    def _leads_here(self, path: str, line: str) -> bool:
        if "devices=" in line and any(sign in path for sign in "*?["):
            # An array line of mdadm may have wildcards.
            return any(fnmatch.fnmatchcase(real, path) for real in self._reals)
        # A colon may end the path (cryptdevice=/dev/sda2:name) or be part of it (by-path/pci-0000:00:1f.2).
        pieces = path.split(":")
        return any(self._is_it(":".join(pieces[: count + 1])) for count in range(len(pieces)))

    def _is_it(self, path: str) -> bool:
        if path not in self._resolved:
            self._resolved[path] = path in self._links or resolve(self._root, path) in self._reals
        return self._resolved[path]

    def _tags(self) -> Iterator[str]:
        """The names of the device and its partitions in the partition table, from the kernel: udev may not run."""
        for name in (self._block.name, *self._block.partitions) if self._block is not None else ():
            for line in (read_text(self._root, f"{CLASS}/{name}/uevent") or "").splitlines():
                key, _equals, value = line.partition("=")
                if key in _UEVENT and value:
                    yield f"{_UEVENT[key]}={value}"


def named_by(root: str, real: str, block: Optional[Block], tags: Sequence[str] = ()) -> list[str]:
    """List the places that name a device or a partition on it, in words; only the first few.

    :param real: the device, with all links resolved.
    :param tags: its own tags, such as C(PARTUUID=...), even if udev has made no link.
    """
    names = Names(root, real, block, tags)
    found: list[str] = []
    for path in _paths(root, (*_FILES, *_UNITS)):
        found += _lines(root, path, names)
        if len(found) >= _MOST_NAMED:
            break
    return found[:_MOST_NAMED]


def _paths(root: str, patterns: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    top = under(root, "/").rstrip("/")
    for pattern in patterns:
        for path in sorted(glob.glob(glob.escape(top) + pattern)):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path[len(top) :]


def _lines(root: str, path: str, names: Names) -> Iterable[str]:
    """The lines of a file that name the device; a file name that does so counts as well."""
    text = (read_bytes(root, path, _MOST_BYTES) or b"").decode("utf-8", "surrogateescape")
    if names.are_in(os.path.basename(path)):
        yield path
        return
    if path.endswith("zpool.cache"):
        text = text.replace("\0", "\n")
    elif path.endswith(".json"):
        text = text.replace("\\/", "/")
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        is_filter = bare.startswith("DEVICE") and "mdadm" in path and any(sign in bare for sign in "*?[")
        if bare.startswith(("#", ";")) or not bare or is_filter:
            continue
        if names.are_in(bare) or ("/systemd/" not in path and names.has_path_in(bare)):
            yield f"line {number} of {path}" if "/systemd/" not in path else path
            if "/systemd/" in path:
                return


def _unescaped(word: str) -> Iterable[str]:
    """A word as written, and with the escapes of fstab (octal), JSON (doubled backslash) and units (hex) decoded."""
    return dict.fromkeys((word, decode_octal(word), word.replace("\\\\", "\\"), _without_hex(word)))


def _path_of_unit(name: str) -> str:
    """The path that the name of a unit stands for, see systemd-escape(1)."""
    return "/" + _without_hex(name.replace("-", "/"))


def _without_hex(word: str) -> str:
    return _HEX.sub(lambda match: chr(int(match.group(1), 16)), word)
