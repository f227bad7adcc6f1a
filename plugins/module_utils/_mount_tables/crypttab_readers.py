# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find out which program reads a line of crypttab at boot, and which options it ignores.

The file mixes two formats. Sources: crypttab(5) of systemd 252 and 257, and the option names in their
systemd-cryptsetup and generator; lib/cryptsetup/functions and hooks/cryptroot of Debian's cryptsetup 2.6.1 and 2.7.5.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple, Optional

from .._base.tree import under
from .crypttab import Line

GENERATOR, INITRAMFS, DRACUT = "systemd-cryptsetup-generator", "cryptsetup-initramfs", "dracut"

# In systemd's search order for generators; a link to /dev/null masks the later paths.
_GENERATOR_PATHS = tuple(
    f"{directory}/systemd/system-generators/{GENERATOR}"
    for directory in ("/run", "/etc", "/usr/local/lib", "/usr/lib", "/lib")
)
_INITRAMFS_HOOK = "/usr/share/initramfs-tools/hooks/cryptroot"
# This file belongs to dracut itself. Other packages install modules for dracut next to it even without dracut.
_DRACUT = "/usr/lib/dracut/dracut-functions.sh"
_SHARED_LIBRARY = re.compile(r"libsystemd-shared-([0-9]+)[^/]*\.so")
_LIBRARIES = ("/usr/lib/*", "/lib/*", "/usr/lib", "/lib", "/usr/lib64")

# fmt: off
_INITRAMFS_OPTIONS = frozenset((
    "bitlk", "check", "checkargs", "cipher", "discard", "fvault2", "hash", "header", "initramfs", "key-slot",
    "keyfile-offset", "keyfile-size", "keyscript", "keyslot", "loud", "luks", "no-read-workqueue",
    "no-write-workqueue", "noauto", "noearly", "offset", "plain", "quiet", "read-only", "readonly", "same-cpu-crypt",
    "sector-size", "size", "skip", "submit-from-crypt-cpus", "swap", "tcrypt", "tcrypt-hidden", "tcrypt-veracrypt",
    "tcrypthidden", "tmp", "tries", "veracrypt", "verify",
))
# fmt: on
_KNOWN_UP_TO = 257
# Each option, with the version of systemd that introduced it if that is later than 252.
# fmt: off
_SYSTEMD_OPTIONS: Mapping[str, int] = {
    **dict.fromkeys((
        "allow-discards", "bitlk", "cipher", "discard", "fido2-cid", "fido2-device", "fido2-rp", "hash", "header",
        "headless", "key-slot", "keyfile-erase", "keyfile-offset", "keyfile-size", "keyfile-timeout", "keyslot",
        "luks", "no-read-workqueue", "no-write-workqueue", "nofail", "noauto", "offset", "password-echo",
        "pkcs11-uri", "plain", "read-only", "readonly", "same-cpu-crypt", "sector-size", "size", "skip",
        "submit-from-crypt-cpus", "swap", "tcrypt", "tcrypt-hidden", "tcrypt-keyfile", "tcrypt-system",
        "tcrypt-veracrypt", "tcrypthidden", "timeout", "tmp", "token-timeout", "tpm2-device", "tpm2-pcrs", "tpm2-pin",
        "tpm2-signature", "tries", "try-empty-password", "verify",
    ), 0),
    "tpm2-measure-bank": 253,
    "tpm2-measure-pcr": 253,
    "veracrypt-pim": 254,
    "tpm2-pcrlock": 255,
    "link-volume-key": 256, "password-cache": 256,
    "fido2-pin": 257, "fido2-up": 257, "fido2-uv": 257,
}
# fmt: on
# These decide when and by whom a line is read, or what waits for it. A reader that does not know them loses nothing.
_SAY_WHEN = frozenset(("initramfs", "x-initrd.attach", "noearly", "loud", "quiet", "nofail", "noauto", "_netdev"))


class Readers(NamedTuple):
    """The programs that read crypttab on a device.

    :ivar late: the reader after the root file system is mounted, or None.
    :ivar early: the reader in the initramfs, or None.
    :ivar version: the version of systemd, or None if unknown.
    """

    late: Optional[str]
    early: Optional[str]
    version: Optional[int]


def installed(root: str) -> Readers:
    """The installed readers."""
    generator = next((path for path in _GENERATOR_PATHS if os.path.lexists(under(root, path))), None)
    has_generator = generator is not None and os.path.getsize(under(root, generator)) > 0
    early = None
    if os.path.exists(under(root, _INITRAMFS_HOOK)):
        early = INITRAMFS
    elif has_dracut(root):
        early = DRACUT
    return Readers(GENERATOR if has_generator else None, early, _version(root))


def has_dracut(root: str) -> bool:
    """Whether dracut builds the initramfs."""
    return os.path.exists(under(root, _DRACUT))


def reader_of(line: Line, readers: Readers, system: Collection[str]) -> Optional[str]:
    """The program that reads a line first and so opens the volume; None if none does.

    :param system: names of the mappings below C(/) and C(/usr), without those that the system resumes from.
    """
    mark = "initramfs" if readers.early == INITRAMFS else "x-initrd.attach"
    early = line.target in system or mark in line.options
    return readers.early if early and readers.early is not None else readers.late


def ignored_options(line: Line, reader: Optional[str], version: Optional[int]) -> Optional[list[str]]:
    """The options of a line that its reader ignores; None if that is not known.

    :param version: the version of systemd.
    """
    if reader is None:
        return None
    dropped = []
    for option in line.options:
        name = option.partition("=")[0]
        if not name or name in _SAY_WHEN or name.startswith("x-systemd."):
            continue
        if reader == INITRAMFS:
            known = name in _INITRAMFS_OPTIONS
        else:
            since = _SYSTEMD_OPTIONS.get(name)
            if version is None or (since is None and version > _KNOWN_UP_TO):
                return None
            known = since is not None and version >= since
        if not known:
            dropped.append(option)
    return dropped


def libraries(root: str, name: str) -> list[str]:
    """The paths of a shared library in the directories where the loader or cryptsetup looks for it."""
    return [path for directory in _LIBRARIES for path in glob.glob(under(root, f"{directory}/{name}"))]


def _version(root: str) -> Optional[int]:
    names = [*libraries(root, "systemd/libsystemd-shared-*.so"), *libraries(root, "libsystemd-shared-*.so")]
    found = [match for match in (_SHARED_LIBRARY.fullmatch(os.path.basename(name)) for name in names) if match]
    return max((int(match.group(1)) for match in found), default=None)
