# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Find and remove copies of Greengrass's private key and certificate outside the secure element."""

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

# The names that Greengrass's installers use, directly below the root.
_FILES = ("privKey.key", "private.pem.key", "thingCert.crt", "device.pem.crt")
_KEYS = ("pkcs1_rsa", "dsa", "sec1_ec", "pkcs8", "openssh", "putty", "pkcs12", "java_keystore")
# Components keep their own keys there, such as a local broker's.
_OF_COMPONENTS = ("work", "packages", "logs")
_SECONDS, _MOST_FILES = 10.0, 50_000


class Copies(NamedTuple):
    """The copies found.

    :ivar paths: files that hold a private key, or have an installer's name for a key or certificate.
    :ivar complete: whether everything was searched.
    """

    paths: tuple[str, ...]
    complete: bool


def find_copies(root: str, nucleus: Nucleus) -> Copies:
    """Find the copies below a nucleus's root, except those of its components.

    :param root: prefix of all paths.
    """
    homes = [nucleus.root, os.path.dirname(LITE_CONFIG)] if nucleus.kind == LITE else [nucleus.root]
    # The search follows no links, so resolve its start.
    starts = [resolve(root, home) for home in homes if os.path.isdir(under(root, home))]
    exclude = [f"{start}/{name}" for start in starts for name in _OF_COMPONENTS]
    found = discover(root, Search(starts, exclude, max_seconds=_SECONDS, max_files=_MOST_FILES))
    secrets = {each["path"] for each in found["secrets"] if each["kind"] in _KEYS and not each["protected"]}
    named = {path for start in starts for path in (f"{start}/{name}" for name in _FILES)}
    paths = secrets | {path for path in named if os.path.lexists(under(root, path))}
    return Copies(tuple(sorted(json_clean(path) for path in paths)), bool(found["complete"]))


def require_removable(paths: Sequence[str], copies: Copies, in_force: bool) -> list[str]:
    """Return the named files that still exist, after checking that they may be removed.

    :param in_force: whether the nucleus's configuration already uses the element's key.
    :raises Refused: a file is not among the copies found, is a link or has further links, or is still needed.
    """
    there = [path for path in paths if os.path.lexists(path)]
    for path in there:
        if path not in copies.paths:
            raise Refused(
                path, "is not one of the copies found", f"Name one of these: {', '.join(copies.paths) or 'none found'}"
            )
        seen = os.lstat(path)
        if not stat.S_ISREG(seen.st_mode) or seen.st_nlink > 1:
            raise Refused(path, "is a link, or has further hard links that would remain", "Remove those first")
    if there and not in_force:
        raise Refused(
            ", ".join(there),
            "is still needed: the configuration in force does not use the key in the element yet",
            "Apply the new configuration first (apply: true), and check that the device connects",
        )
    return there


def remove_copies(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Remove files, and report how thoroughly each was removed.

    :raises EdgesecError: the device loses what is written to it.
    """
    return [{"path": path, **remove_plaintext(path)} for path in paths]
