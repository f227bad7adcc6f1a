# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""The MAC of a LUKS2 header: whether it is the very one that was there when the TPM's secret was in hand.

It covers the metadata but for the tokens, which are public and prove themselves, and the keyslot areas. The allow-list
(:mod:`_luks.allow_list`) says what a header may be; this, that nobody put another one in its place, not even an older
one.
"""

from __future__ import annotations

import hashlib
import hmac

from .._tpm.luks_token import Token
from .._tpm.sealing import header_key


def header_mac(secret: bytes, uuid: str, epoch: int, digest: bytes) -> bytes:
    """The MAC (HMAC-SHA256) of a header, with the epoch that it belongs to."""
    return hmac.new(header_key(secret, uuid), epoch.to_bytes(8, "big") + digest, hashlib.sha256).digest()


def is_authentic(token: Token, secret: bytes, uuid: str, digest: bytes) -> bool:
    """Whether a token has the MAC of a header."""
    expected = header_mac(secret, uuid, token.header_epoch, digest)
    return token.header_mac is not None and hmac.compare_digest(token.header_mac, expected)
