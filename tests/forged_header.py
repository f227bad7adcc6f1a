# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""LUKS2 headers as somebody who holds the disk could write them: changed, with checksums that fit."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.edgesec.hardening.plugins.module_utils._luks2 import read_primary, read_secondary

Forgery = Callable[[dict[str, Any]], None]


def forge(data: bytes, change: Forgery, *, at: int = 0) -> bytes:
    """Change the JSON of the header copy at a byte, and give it a checksum that fits."""
    header = read_primary(data) if at == 0 else read_secondary(data)
    metadata = copy.deepcopy(header.metadata)
    change(metadata)
    area = json.dumps(metadata).encode().ljust(header.size - 4096, b"\0")
    whole = bytearray(data[at : at + 4096] + area)
    whole[448:512] = bytes(64)
    whole[448:480] = hashlib.sha256(whole).digest()
    return data[:at] + bytes(whole) + data[at + header.size :]
