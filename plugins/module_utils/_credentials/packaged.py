# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Recognise unchanged files of Debian packages: an example or test key in them is public, so not a secret.

dpkg keeps MD5 digests of installed files (C(info/PACKAGE.md5sums)) and of configuration files (the field Conffiles in
C(status)). They distinguish a packaged file from one made on the device. Whoever can change the digests can also
change the file: this sorts findings, it does not stop an attacker.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Optional

from .._base.tree import under

_INFO, _STATUS, _SUMS = "/var/lib/dpkg/info", "/var/lib/dpkg/status", ".md5sums"
_LARGEST = 64 * 1024 * 1024
_PIECE = 1024 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Debian packages install nothing elsewhere; files there are in use.
_PLACES = re.compile(r"/(?:usr/(?!local/)|lib\w*/|s?bin/|etc/)")
# A secret here is in use, whoever created it.
_IN_USE = re.compile(
    r"/etc/(?:.*/)?(?:private|ssh|dropbear|wireguard|system-connections|credstore|letsencrypt|ipsec\.d|swanctl)/"
)
_MERGED = re.compile(rb"usr/((?:lib\w*|s?bin)/)")
_PACKAGE = re.compile(rb"(?m)^Package: ([^\n]{1,256})$")
_CONFFILE = re.compile(rb"(?m)^ (/[^\n]{1,4096}?) ([0-9a-f]{32})(?: obsolete| remove-on-upgrade)*$")


def may_be_packaged(path: str) -> bool:
    """Whether a package may keep examples at an absolute path."""
    return _PLACES.match(path) is not None and _IN_USE.match(path) is None


def digest_of(descriptor: int) -> str:
    """The MD5 digest of an open file, in dpkg's notation."""
    digest = hashlib.md5(usedforsecurity=False)
    at = 0
    while piece := os.pread(descriptor, _PIECE, at):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def packages_of(root: str, digests: Mapping[str, str]) -> dict[str, str]:
    """Map each path whose file is as its package installed it to that package.

    :param digests: MD5 digests by absolute path below C(root).
    """
    wanted = {os.fsencode(path)[1:]: digest.encode() for path, digest in digests.items()}
    # If /lib links to /usr/lib, packages may use either path.
    wanted.update((_MERGED.sub(rb"\1", path), digest) for path, digest in list(wanted.items()) if _MERGED.match(path))
    installed = _installed(root) if wanted else ()
    found = {path: package for path, digest, package in installed if wanted.get(path) == digest}
    names = {path: (os.fsencode(path)[1:], _MERGED.sub(rb"\1", os.fsencode(path)[1:], count=1)) for path in digests}
    return {path: found[each] for path, both in names.items() for each in both if each in found}


def _installed(root: str) -> Iterator[tuple[bytes, bytes, str]]:
    """Yield path (without the leading /), digest and package of each installed file."""
    try:
        names = sorted(name for name in os.listdir(under(root, _INFO)) if name.endswith(_SUMS))
    except OSError:
        names = []
    for name in names:
        for line in _read(root, f"{_INFO}/{name}").splitlines():
            yield line[34:], line[:32], name[: -len(_SUMS)].partition(":")[0]
    for paragraph in _read(root, _STATUS).split(b"\n\n"):
        package = _PACKAGE.search(paragraph)
        for match in _CONFFILE.finditer(paragraph) if package else ():
            yield match.group(1)[1:], match.group(2), package.group(1).decode("utf-8", "replace") if package else ""


def _read(root: str, path: str) -> bytes:
    descriptor: Optional[int] = None
    try:
        descriptor = os.open(under(root, path), _OPEN)
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _LARGEST:
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(_LARGEST)
    except OSError:
        return b""
    finally:
        if descriptor is not None:
            os.close(descriptor)
