# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Remove a plaintext secret as thoroughly as the storage allows."""

from __future__ import annotations

import os
from typing import Any

from .._base.files import overwrite, sync_directory
from .._base.tools import find_tool, run
from .._storage.observe import place_of


def remove_plaintext(path: str) -> dict[str, Any]:
    """Overwrite and remove a file, and report how thorough that is: plaintext may survive on unencrypted storage.

    :raises EdgesecError: the device loses what is written to it.
    :raises OSError: the file cannot be written or removed.
    """
    directory = os.path.dirname(path)
    encrypted = place_of("/", directory)["encrypted"]
    overwrite(path, 0, os.stat(path).st_size)
    os.unlink(path)
    sync_directory(directory)
    discarded = False
    if find_tool("fstrim") is not None:
        discarded = run(["fstrim", _mount_point(directory)], timeout=3600, ok=range(256)).rc == 0
    return {"on_encrypted_storage": encrypted, "discarded": discarded}


def _mount_point(directory: str) -> str:
    directory = os.path.realpath(directory)
    while not os.path.ismount(directory):
        directory = os.path.dirname(directory)
    return directory
