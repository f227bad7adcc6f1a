# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.

"""Choose the cipher that suits the processor."""

from __future__ import annotations

from typing import Optional

from .._base.tree import read_text

AES_XTS = "aes-xts-plain64"
ADIANTUM, ADIANTUM_20 = "xchacha12,aes-adiantum-plain64", "xchacha20,aes-adiantum-plain64"
# Of every keyslot area, whatever the data has.
KEYSLOT_CIPHER, KEYSLOT_KEY_BITS = AES_XTS, 512
# Cipher and volume key size in bits: with AES instructions, and without (Adiantum is five times faster there).
_WITH_AES = (AES_XTS, 512)
_WITHOUT_AES = (ADIANTUM, 256)


def cipher_for_this_processor() -> tuple[str, int]:
    """Cipher and volume key size (in bits) for new volumes."""
    return _WITHOUT_AES if cpu_has_aes(read_text("/", "/proc/cpuinfo") or "") is False else _WITH_AES


def cpu_has_aes(cpuinfo: str) -> Optional[bool]:
    """Whether the processor has AES instructions; None if /proc/cpuinfo lists no features."""
    for line in cpuinfo.splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return "aes" in value.split()
    return None
