# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The MAC of a LUKS2 header, made with a key from the TPM's secret: it shows that the header was not replaced.

It covers the keyslot areas, and the metadata except the tokens, which are public and prove themselves. The allow-list
(:mod:`_luks.allow_list`) says what any header may contain; the MAC detects another header, even an older one of the
same volume.
"""

from __future__ import annotations

import hashlib
import hmac

from .._tpm.luks_token import Token
from .._tpm.sealing import header_key


def header_mac(secret: bytes, uuid: str, epoch: int, digest: bytes) -> bytes:
    """The MAC (HMAC-SHA256) of a header and its epoch."""
    return hmac.new(header_key(secret, uuid), epoch.to_bytes(8, "big") + digest, hashlib.sha256).digest()


def is_authentic(token: Token, secret: bytes, uuid: str, digest: bytes) -> bool:
    """Whether the token holds the right MAC for a header."""
    expected = header_mac(secret, uuid, token.header_epoch, digest)
    return token.header_mac is not None and hmac.compare_digest(token.header_mac, expected)
