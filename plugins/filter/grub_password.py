# Copyright (c) 2026, the edgesec.hardening contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

# GRUB's own tool takes 10000; ten times as many take its firmware about a second.
_ITERATIONS = 100_000


def grub_password_hash(password: str, device: str) -> str:
    """The hash of a password as GRUB reads it (PBKDF2 with HMAC-SHA-512, in hexadecimal).

    :param device: what no other device is called. The salt comes from it, so that the same password has another hash on
        each device, and the same one each time.
    """
    if not isinstance(password, str) or not password or not isinstance(device, str) or not device:
        raise AnsibleFilterError("grub_password_hash needs a password and the name of the device")
    salt = hashlib.sha512(b"edgesec.hardening grub\0" + device.encode()).digest()
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS, 64)
    return f"grub.pbkdf2.sha512.{_ITERATIONS}.{salt.hex().upper()}.{digest.hex().upper()}"


class FilterModule:
    """Passwords of GRUB."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters by name."""
        return {"grub_password_hash": grub_password_hash}
