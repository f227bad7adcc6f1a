# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.


"""Digest the part of a LUKS header that the MAC covers, and compare a header with the recorded digest."""

from __future__ import annotations

import hashlib
import json
import os

from .._base.files import read_at
from .._luks.allow_list import Pins, check
from .._luks.header import Header


def digest_of(header: Header, path: str) -> bytes:
    """SHA-256 of everything that the MAC covers.

    :param header: has passed the allow-list, so its areas lie within the header.
    :param path: the device or header copy that it was read from, with the keyslot areas.
    :raises OSError: the path cannot be read.
    """
    covered = {name: value for name, value in header.metadata.items() if name != "tokens"}
    total = hashlib.sha256(json.dumps(covered, sort_keys=True, separators=(",", ":")).encode())
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for _name, slot in sorted(header.keyslots.items()):
            total.update(read_at(descriptor, int(slot["area"]["offset"]), int(slot["area"]["size"])))
    finally:
        os.close(descriptor)
    return total.digest()


def is_as_recorded(header: Header, path: str, pins: Pins) -> bool:
    """Whether the boot would accept a header: every byte is accounted for, and it has the recorded digest.

    :param path: as for :func:`digest_of`.
    """
    found = check(path, pins)
    if found.refusals or header != found.copies[0]:
        return False
    return digest_of(header, path).hex() == pins.header_digest
