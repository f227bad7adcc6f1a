# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The C(edgesec-keyfile) LUKS2 token: where to find the key file of a keyslot. Nothing in it is secret."""

from __future__ import annotations

import os
import re
from typing import Any, NamedTuple

from .._base.errors import Malformed

TYPE = "edgesec-keyfile"
VERSION = 1

_UUID = re.compile(r"[0-9A-Za-z-]{4,36}")


class KeyFile(NamedTuple):
    """The key file of a keyslot: the UUID of its file system, and its path there."""

    keyslot: str
    file_system: str
    path: str

    @property
    def device(self) -> str:
        """The token's device while it is inserted."""
        return f"/dev/disk/by-uuid/{self.file_system}"

    def to_json(self) -> dict[str, Any]:
        """The JSON object for C(cryptsetup token import)."""
        return {
            "type": TYPE,
            "keyslots": [self.keyslot],
            "v": VERSION,
            "file_system": self.file_system,
            "path": self.path,
        }


def parse_key_file(data: Any) -> KeyFile:
    """Parse the JSON object of a token.

    :raises Malformed: a field is missing, has a wrong type, or is of an unknown version.
    """
    subject = "the key file's token"
    try:
        if data["type"] != TYPE or data["v"] != VERSION:
            raise Malformed(subject, f"is of type {data['type']!r}, version {data['v']!r}")
        (keyslot,) = data["keyslots"]
        file_system, path = data["file_system"], data["path"]
        if not (
            isinstance(keyslot, str) and isinstance(path, str) and is_inside(path) and _UUID.fullmatch(file_system)
        ):
            raise Malformed(subject, "names an invalid keyslot, file system or path")
        return KeyFile(keyslot, file_system, path)
    except (KeyError, TypeError, ValueError):
        raise Malformed(subject, "lacks a field or has one of a wrong type") from None


def is_inside(path: str) -> bool:
    """Whether a relative path is normalized and stays inside its directory."""
    return (
        path not in ("", ".")
        and "\0" not in path
        and not path.startswith(("/", ".."))
        and os.path.normpath(path) == path
    )
