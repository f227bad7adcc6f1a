# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Copies of Greengrass's private key and certificate that lie outside the element, and their removal."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import Any, NamedTuple

from .._base.errors import Refused
from .._base.tree import json_clean, resolve, under
from .._credentials.discovery import discover
from .._credentials.removal import remove_plaintext
from .._credentials.search import Search
from .nucleus import Nucleus
from .places import LITE_CONFIG
from .settings import LITE

# As its installers name them, right below the root.
_FILES = ("privKey.key", "private.pem.key", "thingCert.crt", "device.pem.crt")
_KEYS = ("pkcs1_rsa", "dsa", "sec1_ec", "pkcs8", "openssh", "putty", "pkcs12", "java_keystore")
# Components keep keys of their own there, such as that of a local broker.
_OF_COMPONENTS = ("work", "packages", "logs")
_SECONDS, _MOST_FILES = 10.0, 50_000


class Copies(NamedTuple):
    """What was found.

    :ivar paths: files that hold a private key, or that the installers name as one or its certificate.
    :ivar complete: whether everything was looked at.
    """

    paths: tuple[str, ...]
    complete: bool


def find_copies(root: str, nucleus: Nucleus) -> Copies:
    """The copies below the root of a nucleus, but for what belongs to its components.

    :param root: prefix of all paths.
    """
    homes = [nucleus.root, os.path.dirname(LITE_CONFIG)] if nucleus.kind == LITE else [nucleus.root]
    # The search follows no link, not even to where it begins.
    starts = [resolve(root, home) for home in homes if os.path.isdir(under(root, home))]
    exclude = [f"{start}/{name}" for start in starts for name in _OF_COMPONENTS]
    found = discover(root, Search(starts, exclude, max_seconds=_SECONDS, max_files=_MOST_FILES))
    secrets = {each["path"] for each in found["secrets"] if each["kind"] in _KEYS and not each["protected"]}
    named = {path for start in starts for path in (f"{start}/{name}" for name in _FILES)}
    paths = secrets | {path for path in named if os.path.lexists(under(root, path))}
    return Copies(tuple(sorted(json_clean(path) for path in paths)), bool(found["complete"]))


def require_removable(paths: Sequence[str], copies: Copies, in_force: bool) -> list[str]:
    """Those of the named files that are to be removed; one that is gone already is not.

    :param in_force: whether the nucleus has the key of the element in its configuration by now.
    :raises Refused: one is no copy that was found, is not a file of its own, or is still needed.
    """
    there = [path for path in paths if os.path.lexists(path)]
    for path in there:
        if path not in copies.paths:
            raise Refused(
                path, "is no copy of a key that was found", f"Found were: {', '.join(copies.paths) or 'none'}"
            )
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1:
            raise Refused(path, "is a link, or has further names, under which it would stay", "Remove those first")
    if there and not in_force:
        raise Refused(
            ", ".join(there),
            "stays, since the configuration that is in force does not use the key in the element yet",
            "Apply the new configuration first (apply), and see that the device connects",
        )
    return there


def remove_copies(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Remove files, and tell how far each is gone.

    :raises EdgesecError: the device does not keep what is written to it.
    """
    return [{"path": path, **remove_plaintext(path)} for path in paths]
